"""What a caller's application tells ours through the network (RFC 7433)."""

import re
from dataclasses import dataclass

from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import QUOTED, param_of, parse_params, unquote

_VALUE = re.compile(rf"({QUOTED}|[^\";]*+)[ \t]*+(;.*+)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UserToUser:
    """One User-to-User header. `data` is decoded; `purpose` and `content` are as written."""

    data: bytes
    purpose: str = ""
    content: str = ""

    @property
    def text(self) -> str:
        """The data as text; bytes that are no UTF-8 become surrogates."""
        return self.data.decode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        """Return the value of the header, in hexadecimal, which every network carries."""
        params = f";purpose={self.purpose}" if self.purpose else ""
        params += f";content={self.content}" if self.content else ""
        return f"{self.data.hex()};encoding=hex{params}"


def parse_user_to_user(text: str) -> UserToUser:
    """Parse one value; raise MalformedMessageError.

    Without `encoding`, what reads as hexadecimal is (§4.1 has no other), and other text
    is taken as it stands: gateways send both.
    """
    found = _VALUE.fullmatch(text)
    if found is None:
        raise MalformedMessageError("Malformed User-to-User header field")
    quoted = text.startswith('"')
    params = parse_params(found[2] or "")
    data = unquote(found[1]) if quoted else found[1].strip(" \t")
    encoding = (param_of(params, "encoding") or "").lower()
    if encoding not in ("", "hex", "text", "ascii"):
        raise MalformedMessageError("User-to-User of an unknown encoding")
    raw = data.encode("utf-8", "surrogateescape")
    if encoding == "hex" or (not encoding and not quoted):
        try:
            raw = bytes.fromhex(data)
        except ValueError:
            if encoding:
                raise MalformedMessageError("User-to-User that is not hexadecimal") from None
    purpose, content = (param_of(params, name) or "" for name in ("purpose", "content"))
    return UserToUser(raw, unquote(purpose), unquote(content))
