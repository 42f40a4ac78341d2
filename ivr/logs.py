"""structlog for every process, with no way for a card to get into a line.

Four fences: card-named keys are replaced; any 13-19-digit run that passes Luhn is replaced;
tracebacks never show local variables (structlog's own `dict_tracebacks` would dump them); and
what an exception says is shown without its digits, since it may quote what was keyed.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from ivr.ledger.card_shape import RUN, holds_card_number

_REMOVED = "[removed]"
_CARD_KEYS = frozenset(
    {
        "card", "card_number", "number", "pan", "cvc", "cvv", "security_code", "expiry",
        "exp_month", "exp_year", "digit", "digits_keyed", "key", "keys", "dtmf",
        "password", "secret", "api_key", "token", "authorization",
    }
)  # fmt: skip
_DIGIT = re.compile(r"\d")
_TRACE = ExceptionDictTransformer(show_locals=False)
_CHATTY = ("stripe", "httpx", "httpcore", "asyncio", "aiosqlite", "alembic", "uvicorn")

Event = MutableMapping[str, Any]


def redact(value: object) -> object:
    """Return `value` with each possible card number in its text replaced, however nested."""
    if isinstance(value, str):
        return RUN.sub(_removed_if_card, value)
    if isinstance(value, dict):
        return {
            redact(k): _REMOVED if str(k).lower() in _CARD_KEYS else redact(v)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(v) for v in value]
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, int) and not isinstance(value, bool):
        return redact(str(value)) if value >= 10**12 else value
    if value is None or isinstance(value, bool | float):
        return value
    return redact(str(value))


def _removed_if_card(match: re.Match[str]) -> str:
    return _REMOVED if holds_card_number(match.group()) else match.group()


def _redactor(_logger: object, _method: str, event: Event) -> Event:
    return {k: _REMOVED if k.lower() in _CARD_KEYS else redact(v) for k, v in event.items()}


def _sealed(exc_info: Any) -> list[dict[str, Any]]:
    """Return an exception and its causes as structlog tells them, messages without digits."""
    return [_seal(one) for one in _TRACE(exc_info)]


def _seal(one: dict[str, Any]) -> dict[str, Any]:
    return one | {
        "exc_value": _DIGIT.sub("#", one["exc_value"]),
        "exc_notes": [_DIGIT.sub("#", note) for note in one["exc_notes"]],
        "syntax_error": None,
        "exceptions": [[_seal(inner) for inner in group] for group in one["exceptions"]],
    }


def _traceback(exc_info: Any) -> str:
    """Return the same for people to read, the cause first."""
    return "\n".join(
        "\n".join(
            [
                *(f"  {at['filename']}:{at['lineno']} {at['name']}" for at in one["frames"]),
                " ".join([f"{one['exc_type']}: {one['exc_value']}", *one["exc_notes"]]),
            ]
        )
        for one in reversed(_sealed(exc_info))
    )


def configure(
    level: str = "info",
    style: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Send structlog, the standard library's and Twisted's logs through one redacting chain.

    `stream` is standard error by default. `stripe` and `httpx` stay at WARNING whatever
    `level` says: at DEBUG they print the card.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any
    if style == "json":
        shared.append(structlog.processors.ExceptionRenderer(_sealed))
        renderer = structlog.processors.JSONRenderer()
    else:
        shared.append(structlog.processors.ExceptionRenderer(_traceback))
        renderer = structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    # When a line cannot be written, logging would print its raw arguments instead.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redactor,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
