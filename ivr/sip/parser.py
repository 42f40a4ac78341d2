"""From a datagram to a message (RFC 3261 §7, §18.3)."""

import re

from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import TOKEN, to_int
from ivr.sip.headers import Headers, canonical
from ivr.sip.message import Request, Response
from ivr.sip.statuses import KNOWN_METHODS

_REQUEST_LINE = re.compile(rf"({TOKEN}) ([^\s<>\"]++) (SIP/[0-9]++\.[0-9]++)", re.IGNORECASE)
_BROKEN_REQUEST_LINE = re.compile(rf"({TOKEN})\s.*?(SIP/[0-9]++\.[0-9]++)\s*+", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*+))?", re.IGNORECASE | re.DOTALL)
_FOLD = re.compile(r"[ \t]*+\r\n[ \t]++")

_REQUIRED = ("Via", "From", "To", "Call-ID", "CSeq")
# Everything that may stand once only and that something here depends on.
_ONCE = frozenset(
    {"From", "To", "Call-ID", "CSeq", "Content-Type", "Max-Forwards", "Expires", "Timestamp"}
)
_TRUNCATED = "Content-Length is larger than the datagram"
_TOO_LARGE = "Message too large"


def parse(data: bytes, *, from_stream: bool = False) -> Request | Response:
    """Parse one whole message; raise MalformedMessageError.

    Bytes after the announced Content-Length are left out; without one the body
    is the rest of the datagram. A message from a stream must have one; when its body
    is not there, it was larger than is taken (513).
    """
    head, blank_line, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    start, _, rest = head.decode("utf-8", "surrogateescape").partition("\r\n")
    message, fault = _start(start)
    length, header_fault = _read_headers(message.headers, rest)
    fault = fault or header_fault
    if not blank_line:
        fault = fault or "The headers do not end"
    if length is None and from_stream:
        fault = fault or "Missing Content-Length header field"
    if length is not None and length > len(body):
        fault = fault or (_TOO_LARGE if from_stream else _TRUNCATED)
    message.body = body if length is None else body[:length]
    try:
        _check(message, fault)
    except MalformedMessageError as error:
        answerable = message if isinstance(message, Request) else None
        status = 513 if error.fault == _TOO_LARGE else 400
        raise MalformedMessageError(error.fault, answerable, status) from error
    return message


def _start(line: str) -> tuple[Request | Response, str]:
    """Return the message without headers, and what is wrong with a half-readable start line."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is not None:
        return Request(found[1], found[2], Headers(), version=found[3].upper()), ""
    found = _STATUS_LINE.fullmatch(line)
    if found is not None:
        return Response(int(found[1]), found[2] or "", Headers()), ""
    found = _BROKEN_REQUEST_LINE.fullmatch(line)
    if found is not None:
        return Request(found[1], "", Headers(), version=found[2].upper()), (
            "Malformed request line"
        )
    raise MalformedMessageError("neither a request nor a response")


def _read_headers(headers: Headers, text: str) -> tuple[int | None, str]:
    """Fill `headers`; return the Content-Length and the first fault.

    A fault does not stop the reading: a response needs the Via that may follow.
    """
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    if not text.count("\n") == text.count("\r") == text.count("\r\n"):
        return None, "A line break inside a header field"
    length: int | None = None
    fault = ""
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        try:
            name = canonical(name.rstrip(" \t"))
        except ValueError:
            colon = ""
        if not colon:
            fault = fault or "A line that is no header field"
            continue
        value = value.strip(" \t")
        if name == "Content-Length":
            number = to_int(value, 2**31)
            if number is None or length not in (None, number):
                fault = fault or "Malformed Content-Length header field"
            length = number
        elif name in _ONCE and name in headers:
            fault = fault or f"Several {name} header fields"
        else:
            headers.add(name, value)
    return length, fault


def _check(message: Request | Response, fault: str) -> None:
    if fault:
        raise MalformedMessageError(fault)
    for name in _REQUIRED:
        if not message.headers.get(name):
            raise MalformedMessageError(f"Missing {name} header field")
    _ = message.via, message.from_, message.to, message.cseq
    if isinstance(message, Request):
        _ = message.uri
        # What is unknown gets 501 whatever its CSeq says (RFC 4475 §3.1.2.18).
        if message.cseq.method != message.method and message.method in KNOWN_METHODS:
            raise MalformedMessageError("The method of CSeq is another")
    else:
        _ = message.to.uri  # where the ACK goes of a 2xx without a usable Contact
