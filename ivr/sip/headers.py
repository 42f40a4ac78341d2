"""Header fields in their order, found by name in any case or compact form (RFC 3261 §7.3)."""

from collections.abc import Iterable, Iterator

from ivr.sip.grammar import is_token, split_list

_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_LISTS = frozenset(
    {
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Alert-Info",
        "Allow",
        "Allow-Events",
        "Call-Info",
        "Contact",
        "Content-Encoding",
        "Content-Language",
        "Diversion",
        "Error-Info",
        "History-Info",
        "In-Reply-To",
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Path",
        "Privacy",
        "Proxy-Require",
        "Reason",
        "Record-Route",
        "Require",
        "Route",
        "Service-Route",
        "Supported",
        "Unsupported",
        "User-to-User",
        "Via",
        "Warning",
    }
)
_SPELLED = {
    name.lower(): name
    for name in (
        *_LISTS,
        *_COMPACT.values(),
        "Authorization",
        "CSeq",
        "Expires",
        "Max-Forwards",
        "MIME-Version",
        "Min-Expires",
        "Min-SE",
        "RAck",
        "Replaces",
        "Retry-After",
        "RSeq",
        "Server",
        "Timestamp",
        "User-Agent",
        "WWW-Authenticate",
    )
}
_SPELLED.update(_COMPACT)
# As they mostly come, so that one look-up is enough.
_CANONICAL = {**_SPELLED, **{name: name for name in _SPELLED.values()}}


def canonical(name: str) -> str:
    """Return the one spelling of a header's name; raise ValueError when it is no token."""
    known = _CANONICAL.get(name)
    if known is not None:
        return known
    if not is_token(name):
        raise ValueError("a header name that is no token")
    return _SPELLED.get(name.lower()) or name.title()


class Headers:
    """Lines of `name: value`, the name in its canonical spelling, the value unfolded.

    Names are asked for in any case, or in their compact form.
    """

    __slots__ = ("_first", "_lines")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[tuple[str, str]] = []
        self._first: dict[str, str] = {}
        for name, value in lines:
            self.add(canonical(name), value)

    def add(self, name: str, value: str) -> None:
        """Append a line; `name` is canonical already."""
        self._lines.append((name, value))
        self._first.setdefault(name, value)

    def replace_first(self, name: str, value: str) -> None:
        """Change the first line of that name, which is there; `name` is canonical already."""
        self._lines[self._lines.index((name, self._first[name]))] = (name, value)
        self._first[name] = value

    def get(self, name: str, default: str = "") -> str:
        """Return the first line of that name."""
        return self._first.get(canonical(name), default)

    def lines(self, name: str) -> list[str]:
        """Return the lines of that name, unsplit, in order."""
        name = canonical(name)
        if name not in self._first:
            return []
        return [value for key, value in self._lines if key == name]

    def values(self, name: str) -> list[str]:
        """Return the values of that name, several on a line taken apart.

        A header whose grammar is no comma-separated list gives its lines. Raise
        MalformedMessageError when a quote or bracket is not closed.
        """
        if canonical(name) not in _LISTS:
            return self.lines(name)
        return [item for line in self.lines(name) for item in split_list(line)]

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self._first

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._lines == other._lines

    __hash__ = None  # type: ignore[assignment] # lines are appended to: equal, not hashable

    def __repr__(self) -> str:
        return f"<Headers {[name for name, _ in self._lines]}>"
