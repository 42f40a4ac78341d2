"""How a call goes, for whoever asked for it: message/sipfrag (RFC 3420, RFC 3515 §2.4.5)."""

import re

from ivr.sip.errors import MalformedMessageError
from ivr.sip.statuses import phrase

TYPE = "message/sipfrag"
CONTENT_TYPE = ("Content-Type", f"{TYPE};version=2.0")

_STATUS_LINE = re.compile(
    rb"SIP/2\.0[ \t]++([1-6][0-9]{2})(?:[ \t]++([^\r\n]*+))?", re.IGNORECASE
)


def render_sipfrag(status: int, reason: str = "") -> bytes:
    """Return a status line as a body. Raise ValueError for a line break in `reason`."""
    if "\r" in reason or "\n" in reason:
        raise ValueError("a line break in a reason")
    line = f"SIP/2.0 {status} {reason or phrase(status)}\r\n"
    return line.encode("utf-8", "surrogateescape")


def parse_sipfrag(body: bytes) -> tuple[int, str]:
    """Return the status and the reason a body begins with; raise MalformedMessageError."""
    found = _STATUS_LINE.match(body.lstrip(b"\r\n"))
    if found is None:
        raise MalformedMessageError("A message/sipfrag without a status line")
    return int(found[1]), (found[2] or b"").decode("utf-8", "surrogateescape").strip()
