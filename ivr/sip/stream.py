"""Messages out of a stream of bytes (RFC 3261 §7.5, §18.3; RFC 5626 §3.5.1)."""

import re

from ivr.sip.grammar import TOKEN

MAX_HEAD = 16 * 1024
"""Bytes of a start line with its headers."""
MAX_MESSAGE = 65535
"""Bytes of a whole message, as many as a datagram can have."""
PING = b"\r\n\r\n"
PONG = b"\r\n"

_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:(?:[ \t]|\r\n[ \t])*+([0-9]{1,10})[ \t]*+(?=\r\n)",
    re.IGNORECASE,
)
_ANY_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:", re.IGNORECASE)
_START = re.compile(
    rb"(?:" + TOKEN.encode() + rb"[ \t].*[ \t])?SIP/[0-9]++\.[0-9]++(?:[ \t].*)?",
    re.IGNORECASE | re.DOTALL,
)
_FIRST = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")


class StreamFramer:
    """Cuts one stream into messages by their Content-Length.

    The messages are the same however the stream is cut. `fault` says why the
    stream cannot be followed any further; from then on nothing comes out. A
    message that is too large, or without Content-Length, so that nobody knows
    where it ends, comes out as its head alone, to be refused, and is a fault.
    """

    __slots__ = ("_buffer", "_looked", "_max", "_needed", "_started", "fault")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        self._max = max_message
        self._buffer = bytearray()
        self._looked = 0  # where the end of the headers may begin
        self._needed = 0  # bytes of the message, once its headers are here
        self._started = False  # whether the start line is here, and is one
        self.fault = ""

    @property
    def unfinished(self) -> bool:
        """Whether part of a message waits for its rest."""
        return bool(self._buffer) and self._buffer[0] not in PONG

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the whole messages, and `PING` for each double CRLF."""
        found: list[bytes] = []
        if not self.fault:
            self._buffer += data
            while self._buffer and self._step(found):
                pass
        return found

    def _step(self, found: list[bytes]) -> bool:
        """Take one message, ping or head off the buffer; False when nothing can be taken."""
        if self._needed:
            if len(self._buffer) < self._needed:
                return False
            return self._take(self._needed, found)
        if self._buffer[0] in PONG:
            return self._skip_blank(found)
        return self._read_head(found)

    def _skip_blank(self, found: list[bytes]) -> bool:
        if self._buffer.startswith(PING):
            return self._take(len(PING), found)
        if self._buffer[:4] == PING[: len(self._buffer)]:
            return False
        if self._buffer.startswith(PONG):
            del self._buffer[: len(PONG)]
            return True
        return self._fail("a line break that is none")

    def _read_head(self, found: list[bytes]) -> bool:
        buffer = self._buffer
        if not self._started:
            if buffer[0] not in _FIRST:
                return self._fail("no SIP")
            line = buffer.find(PONG, 0, MAX_HEAD)
            if line >= 0:
                self._started = True
                if _START.fullmatch(buffer, 0, line) is None:
                    return self._fail("no SIP")
        end = buffer.find(PING, self._looked, MAX_HEAD + len(PING))
        if end >= 0:
            return self._measure(end, found)
        if len(buffer) >= MAX_HEAD + len(PING):
            return self._fail("headers without end")
        # The end may have begun already.
        self._looked = max(0, len(buffer) - len(PING) + 1)
        return False

    def _measure(self, end: int, found: list[bytes]) -> bool:
        """Find out how long the message is whose headers stop at `end`."""
        head = bytes(self._buffer[: end + len(PONG)])
        numbers = _LENGTH.findall(head)
        lengths = set(map(int, numbers))
        if len(lengths) != 1 or len(_ANY_LENGTH.findall(head)) != len(numbers):
            self._take(end + len(PING), found)
            return self._fail("no usable Content-Length")
        needed = end + len(PING) + lengths.pop()
        if needed > self._max:
            self._take(end + len(PING), found)
            return self._fail("a message that is too large")
        self._needed = needed
        return True

    def _take(self, size: int, found: list[bytes]) -> bool:
        found.append(bytes(self._buffer[:size]))
        del self._buffer[:size]
        self._needed = self._looked = 0
        self._started = False
        return True

    def _fail(self, fault: str) -> bool:
        self.fault = fault
        self._buffer.clear()
        return False
