"""Pieces of RFC 3261 §25.1 that several headers share.

A datagram is decoded as UTF-8 with `surrogateescape`, so that any byte leaves
as it came. Every expression here takes time linear in its input.
"""

import re

from ivr.sip.errors import MalformedMessageError

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"  # noqa: S105 - the RFC's word, no secret
QUOTED = r'"(?:[^"\\]|\\.)*+"'

Params = tuple[tuple[str, str | None], ...]
"""Parameters in their order: the name in lower case, the value as written, None without `=`."""

_TOKEN_ONLY = re.compile(TOKEN)
_LIST_ITEM = re.compile(rf'(?:[^,"<]++|{QUOTED}|<[^>]*+>)*+', re.DOTALL)
_PARAM = re.compile(
    rf';[ \t]*+({TOKEN})[ \t]*+(?:=[ \t]*+({QUOTED}|[^;"\s]++)[ \t]*+)?', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def is_token(text: str) -> bool:
    """Whether `text` is a token: a method, a header name, an option tag."""
    return _TOKEN_ONLY.fullmatch(text) is not None


def to_int(text: str, limit: int) -> int | None:
    """Return a run of ASCII digits as a number below `limit`, or None."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        return None
    number = int(text)
    return number if number < limit else None


def split_list(text: str) -> list[str]:
    """Split at the commas outside quotes and angle brackets; empty items are left out.

    Raise MalformedMessageError when a quote or bracket is not closed.
    """
    if "," not in text:
        return [text] if text else []
    items = []
    position = 0
    while True:
        found = _LIST_ITEM.match(text, position)
        end = found.end() if found else position
        if item := text[position:end].strip(" \t"):
            items.append(item)
        if end == len(text):
            return items
        if text[end] != ",":
            raise MalformedMessageError("a quote or bracket is not closed")
        position = end + 1


def parse_params(text: str) -> Params:
    """Parse `;name=value;name` to the end of `text`; raise MalformedMessageError."""
    params = []
    position = 0
    while position < len(text):
        found = _PARAM.match(text, position)
        if found is None:
            raise MalformedMessageError("malformed parameter")
        params.append((found[1].lower(), found[2]))
        position = found.end()
    return tuple(params)


def param_of(params: Params, name: str) -> str | None:
    """Return the value of the first parameter called `name`; "" when it has no value."""
    for key, value in params:
        if key == name:
            return value or ""
    return None


def unquote(text: str) -> str:
    """Return what a quoted string says; any other text as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


def quote(text: str) -> str:
    """Return `text` as a quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
