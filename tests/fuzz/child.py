"""One libFuzzer process: `python -m tests.fuzz.child TARGETS RUNS SEEDS [libFuzzer's options]`.

Several targets, with commas between, take turns: the first octet of an input says which.
The process ends with libFuzzer's status, 0 when nothing was found.
"""

import sys
from pathlib import Path

import atheris
import structlog
from atheris.import_hook import HookManager
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer  # type: ignore[import-untyped] # has no types

# Atheris looks into comparisons to solve them, and leaks those of numpy's arrays: the
# modules that are full of them are followed by their branches only.
with HookManager({"ivr"}, set(), enable_loader_override=False, trace_dataflow=False):
    import ivr.media.tone_detector  # noqa: F401
with atheris.instrument_imports(include=["ivr"], enable_loader_override=False):
    from tests.fuzz import agent, media, parsers
from tests.fuzz.growth import WARM_UP, Growth
from tests.fuzz.target import Feed, Target


def _fails(data: bytes) -> None:
    structlog.get_logger().error("found on purpose", size=len(data))


TARGETS: dict[str, Target] = {
    **parsers.TARGETS,
    **agent.TARGETS,
    **media.TARGETS,
    "fails-on-purpose": Target(lambda: _fails, lambda: [b""]),
}
_LOOKS = 12
_MOST_BETWEEN_LOOKS = 20_000
_errors: list[object] = []


def _note(_logger: object, method: str, event: structlog.typing.EventDict) -> str:
    """Take what our code logs: it catches what it did not expect, and says so there."""
    if method in ("error", "exception", "critical"):
        _errors.append(event)
    raise structlog.DropEvent


@implementer(ILogObserver)  # type: ignore[untyped-decorator] # has no types
def _note_failure(event: LogEvent) -> None:
    """Take a failure that nobody handled in a Deferred."""
    if event.get("log_failure") is not None:
        _errors.append(event["log_failure"])


def _together(feeds: list[Feed]) -> Feed:
    if len(feeds) == 1:
        return feeds[0]

    def feed(data: bytes) -> None:
        if data:
            feeds[data[0] % len(feeds)](data[1:])

    return feed


def _main(names: list[str], runs: int, folder: Path, options: list[str]) -> None:
    targets = [TARGETS[name] for name in names]
    for number, (name, target) in enumerate(zip(names, targets, strict=True)):
        prefix = bytes([number]) if len(targets) > 1 else b""
        for count, seed in enumerate(target.seeds()):
            (folder / f"{name}-{count}").write_bytes(prefix + seed)
    between = _MOST_BETWEEN_LOOKS
    growth = Growth(min(between, runs // (_LOOKS + WARM_UP)) if runs else between)
    feed = _together([target.make() for target in targets])
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _note], cache_logger_on_first_use=True
    )
    globalLogPublisher.addObserver(_note_failure)

    def one(data: bytes) -> None:
        feed(data)
        if _errors:
            raise AssertionError(str(_errors))
        growth.after_run()

    longest = max(target.longest for target in targets)
    atheris.Setup([sys.argv[0], f"-max_len={longest}", *options, str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    _main(sys.argv[1].split(","), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
