"""Requests outside dialogs (RFC 3261 §8.1.1)."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from ivr.sip.headers import Headers, canonical
from ivr.sip.message import Request

MAX_FORWARDS = "70"


def new_call_id() -> str:
    """Return a Call-ID no other call has."""
    return secrets.token_hex(16)


def new_tag() -> str:
    """Return a tag no other dialog has."""
    return secrets.token_hex(8)


@dataclass(slots=True)
class Draft:
    """A request that may have to be sent several times: each time with the next CSeq.

    `to` and `from_` are header values, `from_` with its tag; `lines` are headers
    beside those that every request has.
    """

    method: str
    uri_text: str
    to: str
    from_: str
    call_id: str
    cseq: int = 0
    routes: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def request(self, via: str, extra: Iterable[tuple[str, str]] = ()) -> Request:
        """Return the next one to be sent; `extra` lines are those of this one alone."""
        self.cseq += 1
        lines = Headers()
        lines.add("Via", via)
        lines.add("Max-Forwards", MAX_FORWARDS)
        for route in self.routes:
            lines.add("Route", route)
        lines.add("From", self.from_)
        lines.add("To", self.to)
        lines.add("Call-ID", self.call_id)
        lines.add("CSeq", f"{self.cseq} {self.method}")
        for name, value in (*extra, *self.lines):
            lines.add(name, value)
        return Request(self.method, self.uri_text, lines, self.body)


def checked(lines: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return headers with their canonical names; raise ValueError when one cannot be."""
    pairs = tuple((canonical(name), value) for name, value in lines)
    if any("\r" in value or "\n" in value for _, value in pairs):
        raise ValueError("a line break in a header")
    return pairs
