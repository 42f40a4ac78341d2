"""Keys in the bodies of SIP INFO requests.

`application/dtmf-relay` carries a signal and its length in milliseconds, each on a line
of its own; `application/dtmf` the signal alone. Neither was ever standardised: RFC 6086
§1 calls such use legacy. Senders differ in spaces and line ends, and write `*` and `#`
as 10 and 11, or `A` to `D` as 12 to 15, as the event codes of RFC 4733 have it.
"""

import re
from typing import NoReturn

from ivr.media.telephone_event import KEYS

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"

_LONGEST_BODY = 256
_LINE = re.compile(r"[ \t]*(signal|duration)[ \t]*=[ \t]*(\S*)[ \t]*", re.ASCII | re.IGNORECASE)
_SHORTEST_MS = 40
_LONGEST_MS = 10_000


class InfoError(Exception):
    """A body that is no key. `status` is how to answer it; the message holds no key."""

    def __init__(self, status: int, reason: str) -> None:
        """`status` is 415 for another type of content, 400 for a malformed body."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class InfoKey:
    """A key and for how many seconds it was held, None where the body does not tell.

    Like a `KeyPress` it has no `repr` and cannot be pickled.
    """

    __slots__ = ("duration", "key")

    def __init__(self, key: str, duration: float | None) -> None:
        self.key = key
        self.duration = duration

    def __repr__(self) -> str:
        return "<InfoKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key press is never copied nor stored")


def parse_info(content_type: str, body: bytes) -> InfoKey:
    """Return the key in `body`; `content_type` may have parameters. Raise `InfoError`."""
    media_type = content_type.partition(";")[0].strip(" \t").lower()
    if media_type not in (RELAY, PLAIN):
        raise InfoError(415, f"Unsupported content: {RELAY} or {PLAIN} is needed")
    try:
        text = body[:_LONGEST_BODY].decode("ascii")
    except UnicodeDecodeError:
        # The decoder's error quotes the body, so it must not be this one's cause.
        text = ""
    if media_type == PLAIN and "=" not in text:
        return InfoKey(_key(text.strip(" \t\r\n\0")), None)
    fields = dict(_fields(text))
    if "signal" not in fields:
        raise InfoError(400, "Malformed keypad signal: no Signal line")
    return InfoKey(_key(fields["signal"]), _seconds(fields.get("duration", "")))


def _fields(text: str) -> list[tuple[str, str]]:
    matches = (_LINE.fullmatch(line) for line in re.split(r"[\r\n\0]+", text))
    return [(match[1].lower(), match[2]) for match in matches if match is not None]


def _key(signal: str) -> str:
    if len(signal) == 1 and signal.upper() in KEYS:
        return signal.upper()
    if signal in _CODES:
        return KEYS[int(signal)]
    raise InfoError(400, "Malformed keypad signal: not a key of a telephone")


_CODES = frozenset(str(code) for code in range(10, len(KEYS)))


def _seconds(duration: str) -> float | None:
    if not duration.isdigit() or len(duration) > 5:
        return None
    return min(max(int(duration), _SHORTEST_MS), _LONGEST_MS) / 1000
