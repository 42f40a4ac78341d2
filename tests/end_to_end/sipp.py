"""SIPp as a merciless caller: run a scenario from an async test and read what it counted.

SIPp 3.6 resolves the file of `play_pcap_audio` when it loads the scenario, so a scenario whose
calls key different captures is written with one branch for each; the injection file tells each
call which to take.
"""

import asyncio
import csv
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SCENARIOS: Final = Path(__file__).parent / "scenarios"
PAY: Final = SCENARIOS / "pay.xml"
SETUP: Final = SCENARIOS / "setup.xml"
BUSY: Final = SCENARIOS / "busy.xml"

_PLAY = '  <nop><action><exec play_pcap_audio="[pcap]"/></action></nop>\n'
_GRACE_SECONDS = 10
"""SIPp ends itself at its time-out; this much later it is killed."""


class SippUnavailableError(RuntimeError):
    """SIPp cannot do what the test needs on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class SippResult:
    """What SIPp counted over the whole run."""

    exit_code: int
    """0: all calls succeeded; 1: at least one failed; 97 and above: it did not run properly."""
    statistics: Mapping[str, str]
    """The last row of its statistics; the keys are SIPp's column names."""
    errors: str
    """Its error log: each unexpected message and time-out, in its words."""

    @property
    def succeeded(self) -> int:
        """Calls that went through the whole scenario."""
        return self.count("SuccessfulCall(C)")

    @property
    def failed(self) -> int:
        """Calls that did not."""
        return self.count("FailedCall(C)")

    @property
    def retransmissions(self) -> int:
        """Messages SIPp sent again because nothing came back in time."""
        return self.count("Retransmissions(C)")

    def count(self, column: str) -> int:
        """Return one of SIPp's counters; 0 when it ended before it wrote any."""
        return int(self.statistics.get(column, 0))


async def run_sipp(
    scenario: Path,
    target: str,
    *,
    directory: Path,
    number: str = "service",
    calls: int = 1,
    rate: float = 10.0,
    limit: int = 1000,
    pcaps: Sequence[Path] = (),
    keys: Mapping[str, str] | None = None,
    within: float = 60.0,
    media_port: int = 24000,
    options: Sequence[str] = (),
) -> SippResult:
    """Make `calls` calls to `number` at `target` ("host:port") and return how they went.

    `rate` is in calls per second, `limit` the most at once; after `within` seconds the run has
    failed. Call n plays `pcaps[n % len(pcaps)]` where the scenario plays a capture. `keys` are
    SIPp's `-key` values and `options` any other arguments (such as `-lost 5`). Logs are left
    in `directory`. Raise SippUnavailableError without the right to send captures.
    """
    arguments = ["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(_free_port())]
    arguments += ["-mp", str(media_port), "-s", number, "-m", str(calls), "-r", f"{rate:g}"]
    arguments += ["-l", str(limit), "-nostdin", "-timeout", f"{within:g}s", "-timeout_error"]
    arguments += ["-trace_err", "-error_file", "errors.log"]
    arguments += ["-trace_stat", "-stf", "statistics.csv", "-fd", "1"]
    for name, value in (keys or {}).items():
        arguments += ["-key", name, value]
    if pcaps:
        _check_raw_sockets()
        scenario = _with_branches(scenario, pcaps, directory)
        arguments += ["-inf", str(_injection_file(len(pcaps), directory))]
    for stale in ("errors.log", "statistics.csv"):
        (directory / stale).unlink(missing_ok=True)
    command = ["sipp", "-sf", str(scenario), *arguments, *options, target]
    exit_code = await _run(command, directory, within + _GRACE_SECONDS)
    return SippResult(
        exit_code=exit_code,
        statistics=_last_row(directory / "statistics.csv"),
        errors=_text(directory / "errors.log"),
    )


async def _run(command: Sequence[str], directory: Path, within: float) -> int:
    """Return the exit code of `command`, whose screen goes to `directory`/screen.log."""
    with (directory / "screen.log").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=screen,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "TERM": "dumb"},
        )
        try:
            async with asyncio.timeout(within):
                return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _with_branches(scenario: Path, pcaps: Sequence[Path], directory: Path) -> Path:
    """Write `scenario` with a branch that plays each of `pcaps`, chosen by field 0."""
    text = scenario.read_text()
    if text.count(_PLAY) != 1:
        raise ValueError(f"{scenario.name} does not play exactly one capture")
    choose = [
        '  <nop><action><assignstr assign_to="field" value="[field0]"/></action></nop>\n',
        '  <nop><action><todouble assign_to="which" variable="field"/></action></nop>\n',
    ]
    play: list[str] = []
    for index, pcap in enumerate(pcaps):
        choose.append(
            f'  <nop next="play{index}" test="chosen"><action><test assign_to="chosen"'
            f' variable="which" compare="equal" value="{index}"/></action></nop>\n'
        )
        play.append(
            f'  <label id="play{index}"/>\n'
            f'  <nop next="played"><action><exec play_pcap_audio="{pcap}"/></action></nop>\n'
        )
    branches = "".join([*choose, *play, '  <label id="played"/>\n'])
    written = directory / scenario.name
    written.write_text(text.replace(_PLAY, branches))
    return written


def _injection_file(captures: int, directory: Path) -> Path:
    """Write the file that gives each call in turn the number of its capture."""
    written = directory / "captures.csv"
    written.write_text("SEQUENTIAL\n" + "".join(f"{index};\n" for index in range(captures)))
    return written


def _check_raw_sockets() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()
    except PermissionError as error:
        raise SippUnavailableError(
            "SIPp sends captures from raw sockets: run as root or with CAP_NET_RAW"
        ) from error


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_row(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return {name: value for name, value in rows[-1].items() if name} if rows else {}


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
