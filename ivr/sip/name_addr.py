"""The value of From, To, Contact and Route: a name, a URI, parameters (RFC 3261 §20.10)."""

import re
from dataclasses import dataclass

from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import QUOTED, Params, param_of, parse_params, unquote
from ivr.sip.uri import Uri, parse_uri

_BRACKETED = re.compile(
    rf'[ \t]*+({QUOTED}|[^"<]*+)[ \t]*+<[ \t]*+([^<>]*?)[ \t]*+>[ \t]*+(;.*+)?', re.DOTALL
)
_BARE = re.compile(r'([^\s<>";?,]++)[ \t]*+(;.*+)?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"Name" <uri>;params`, or a bare URI with the header's own parameters.

    `uri_text` is the URI as written; `uri` parses it.
    """

    uri_text: str
    display_name: str = ""
    params: Params = ()

    @property
    def uri(self) -> Uri:
        """The URI; raise MalformedMessageError when it is none."""
        return parse_uri(self.uri_text)

    @property
    def tag(self) -> str:
        """The tag parameter, "" without one."""
        return param_of(self.params, "tag") or ""

    def param(self, name: str) -> str | None:
        """Return the value of a parameter, "" when it has none, None without it."""
        return param_of(self.params, name)


def parse_name_addr(text: str) -> NameAddr:
    """Parse one value; raise MalformedMessageError.

    A URI outside angle brackets ends at `;` and must not hold `,` or `?`
    (RFC 3261 §20).
    """
    if "<" in text:
        found = _BRACKETED.fullmatch(text)
        if found is None or not found[2]:
            raise MalformedMessageError("malformed name or address")
        name, uri, params = found.groups()
        return NameAddr(uri, unquote(name.rstrip(" \t")), parse_params(params or ""))
    found = _BARE.fullmatch(text)
    if found is None or ":" not in found[1]:
        raise MalformedMessageError("malformed address")
    return NameAddr(found[1], "", parse_params(found[2] or ""))
