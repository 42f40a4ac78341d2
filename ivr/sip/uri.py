"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import Params, param_of

SIP_SCHEMES = frozenset({"sip", "sips"})

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):([^\s<>\"]++)")
_SIP = re.compile(
    r"(?:([^@:]++)(?::([^@]*+))?@)?"
    r"(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++)(?::([0-9]{1,5}))?"
    r"((?:;[^;?@]++)*+)(?:\?(.*+))?"
)
_NUMBER = re.compile(r"\+?[0-9A-Fa-f*#\-.()]++")
_SEPARATORS = str.maketrans("", "", "-.()")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3261 §19.1.4: these count even when only one of two URIs has them.
_DISTINGUISHING = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI as it was written; `str()` gives the same text back.

    `scheme` is in lower case. `user`, `password` and `headers` are still
    escaped. `host` keeps the brackets of IPv6. Of a tel URI only `user`, the
    number, and `params` are set; of any other scheme only `text`.
    """

    text: str
    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: str | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def is_sip(self) -> bool:
        """Whether this is a sip: or sips: URI."""
        return self.scheme in SIP_SCHEMES

    def param(self, name: str) -> str | None:
        """Return the value of a parameter unescaped, "" when it has none, None without it."""
        value = param_of(self.params, name)
        return None if value is None else unescape(value)

    @property
    def called(self) -> str:
        """Who is meant: the user unescaped; of a telephone number only its digits and `+`."""
        if self.user is None:
            return ""
        user = unescape(self.user)
        number, _, _ = user.partition(";")
        if _NUMBER.fullmatch(number) and (self.scheme == "tel" or number.startswith("+")):
            return number.translate(_SEPARATORS)
        return number if _NUMBER.fullmatch(number) else user

    def equivalent(self, other: "Uri") -> bool:
        """Whether both name the same resource (RFC 3261 §19.1.4)."""
        if _identity(self) != _identity(other):
            return False
        mine, theirs = dict(self.params), dict(other.params)
        return all(
            _same(mine.get(name), theirs.get(name))
            for name in (mine.keys() & theirs.keys()) | set(_DISTINGUISHING)
        )


def parse_uri(text: str) -> Uri:
    """Parse a URI of any scheme; raise MalformedMessageError."""
    found = _SCHEME.fullmatch(text)
    if found is None:
        raise MalformedMessageError("malformed URI")
    scheme, rest = found[1].lower(), found[2]
    if scheme in SIP_SCHEMES:
        return _parse_sip(text, scheme, rest)
    if scheme == "tel":
        number, mark, params = rest.partition(";")
        return Uri(text, scheme, user=number, params=_uri_params(mark + params))
    return Uri(text, scheme)


def _parse_sip(text: str, scheme: str, rest: str) -> Uri:
    found = _SIP.fullmatch(rest)
    if found is None or ("%" in rest and _BAD_ESCAPE.search(rest)):
        raise MalformedMessageError("malformed SIP URI")
    user, password, host, port_text, params, headers = found.groups()
    port = None if port_text is None else int(port_text)
    if port is not None and port > 65535:
        raise MalformedMessageError("a port above 65535 in a URI")
    return Uri(text, scheme, user, password, host, port, _uri_params(params), headers)


def _uri_params(text: str) -> Params:
    if not text:
        return ()
    params = []
    for item in text[1:].split(";"):
        name, mark, value = item.partition("=")
        if not name:
            raise MalformedMessageError("a URI parameter without a name")
        params.append((unescape(name).lower(), value if mark else None))
    return tuple(params)


def _identity(uri: Uri) -> tuple[object, ...]:
    """Return what must be equal in two equivalent URIs, beside their parameters."""
    if not uri.is_sip:
        return (uri.scheme, uri.text.partition(":")[2])
    user = None if uri.user is None else unescape(uri.user)
    headers = sorted(unescape(uri.headers or "").split("&"))
    return (uri.scheme, user, uri.password, uri.host.lower(), uri.port, *headers)


def _same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return unescape(one).lower() == unescape(other).lower()


def unescape(text: str) -> str:
    """Undo `%HH` (RFC 3261 §19.1.2); bytes that are no UTF-8 become surrogates."""
    if "%" not in text:
        return text
    raw = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
