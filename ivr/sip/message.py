"""Requests and responses (RFC 3261 §7).

A message is parsed from one datagram by functions that keep nothing. The start
line, Via, From, To, Call-ID and CSeq are checked at once; other headers when
somebody looks into them.
"""

from typing import NamedTuple

from ivr.sip.address import Address
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import is_token, to_int
from ivr.sip.headers import Headers
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.uri import Uri, parse_uri
from ivr.sip.via import Via, parse_via

VERSION = "SIP/2.0"
CSEQ_LIMIT = 2**31
"""RFC 3261 §8.1.1.5: a sequence number is below this."""


class CSeq(NamedTuple):
    """The sequence number and the method of a request."""

    number: int
    method: str


class Message:
    """What requests and responses share. `headers` has no Content-Length: `body` has one.

    `source` is where the message came from, None when it is ours.
    """

    __slots__ = ("_cseq", "_from", "_to", "_via", "body", "headers", "source")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.source: Address | None = None
        self._via: Via | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq: CSeq | None = None

    @property
    def via(self) -> Via:
        """The topmost Via; raise MalformedMessageError."""
        if self._via is None:
            values = self.headers.values("Via")
            if not values:
                raise MalformedMessageError("Missing Via header field")
            self._via = parse_via(values[0])
        return self._via

    def replace_via(self, text: str) -> None:
        """Take another Via in the place of the only one on the first line."""
        self.headers.replace_first("Via", text)
        self._via = None

    @property
    def from_(self) -> NameAddr:
        """Who sent the request; raise MalformedMessageError."""
        if self._from is None:
            self._from = parse_name_addr(self.headers.get("From"))
        return self._from

    @property
    def to(self) -> NameAddr:
        """Whom the request was meant for; raise MalformedMessageError."""
        if self._to is None:
            self._to = parse_name_addr(self.headers.get("To"))
        return self._to

    @property
    def call_id(self) -> str:
        """The Call-ID, as written."""
        return self.headers.get("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """The sequence number and method; raise MalformedMessageError."""
        if self._cseq is None:
            parts = self.headers.get("CSeq").split()
            number = to_int(parts[0], CSEQ_LIMIT) if len(parts) == 2 else None
            if number is None or not is_token(parts[1]):
                raise MalformedMessageError("Malformed CSeq header field")
            self._cseq = CSeq(number, parts[1])
        return self._cseq

    def _render(self, start_line: str) -> bytes:
        lines = [start_line]
        lines.extend([f"{name}: {value}" for name, value in self.headers])
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A request. `uri_text` is the Request-URI as written, `version` what followed it."""

    __slots__ = ("_uri", "method", "uri_text", "version")

    def __init__(
        self,
        method: str,
        uri_text: str,
        headers: Headers,
        body: bytes = b"",
        version: str = VERSION,
    ) -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri_text = uri_text
        self.version = version
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI; raise MalformedMessageError."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    def render(self) -> bytes:
        """Return the datagram."""
        return self._render(f"{self.method} {self.uri_text} {self.version}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and _content(self) == _content(other)

    __hash__ = None  # type: ignore[assignment] # its headers can grow

    def __repr__(self) -> str:
        return f"<Request {self.method}>"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    def render(self) -> bytes:
        """Return the datagram."""
        return self._render(f"{VERSION} {self.status} {self.reason}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and _content(self) == _content(other)

    __hash__ = None  # type: ignore[assignment] # its headers can grow

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def _content(message: Request | Response) -> tuple[object, ...]:
    if isinstance(message, Request):
        start: tuple[object, ...] = (message.method, message.uri_text, message.version)
    else:
        start = (message.status, message.reason)
    return (*start, message.headers, message.body)
