"""Digest authentication, the client's side (RFC 7616, RFC 8760, RFC 3261 §22).

A `DigestClient` belongs to one trunk: it knows the passwords, and the challenges
that were met last, so that later requests carry their credentials at once. Each
request has a `DigestExchange`, which says when another try is worth it:

    nonce from an earlier request ── refused ──► fresh nonce ── refused ──► wrong password
                                                     └── stale=true ──► fresh nonce, once
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ivr.sip.digest_fields import HASHES, parse_fields, to_bytes
from ivr.sip.grammar import quote
from ivr.sip.message import Response

_HEADERS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
_MAX_REALMS = 8
_STRENGTH = {name: rank for rank, name in enumerate(HASHES)}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password for one realm, or for any when `realm` is empty."""

    user: str
    password: str = field(repr=False)
    realm: str = ""


class _Challenge:
    """A nonce with what is needed to use it; each use counts."""

    __slots__ = ("_count", "_fields", "_secret", "_user", "algorithm", "nonce")

    def __init__(self, fields: Mapping[str, str], algorithm: str, one: Credentials) -> None:
        self.algorithm = algorithm
        self.nonce = fields["nonce"]
        self._fields = fields
        self._user = one.user
        realm = fields["realm"]
        self._secret = HASHES[algorithm](to_bytes(f"{one.user}:{realm}:{one.password}"))
        self._count = 0

    def answer(self, method: str, uri: str) -> str:
        """Return the value of Authorization or Proxy-Authorization (RFC 7616 §3.4)."""
        digest = HASHES[self.algorithm]
        target = digest(to_bytes(f"{method}:{uri}"))
        fields = [
            f"username={quote(self._user)}",
            f"realm={quote(self._fields['realm'])}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(uri)}",
        ]
        middle = ""
        if "qop" in self._fields:
            self._count += 1
            count, cnonce = f"{self._count:08x}", secrets.token_hex(8)
            middle = f"{count}:{cnonce}:auth:"
            fields.append(f'qop=auth, nc={count}, cnonce="{cnonce}"')
        response = digest(to_bytes(f"{self._secret}:{self.nonce}:{middle}{target}"))
        fields.append(f'response="{response}"')
        if "algorithm" in self._fields:
            fields.append(f"algorithm={self.algorithm}")
        if "opaque" in self._fields:
            fields.append(f"opaque={quote(self._fields['opaque'])}")
        return "Digest " + ", ".join(fields)


class DigestClient:
    """Answers the challenges of one trunk with its credentials."""

    def __init__(self, credentials: Iterable[Credentials] = ()) -> None:
        self._credentials = tuple(credentials)
        self._met: dict[tuple[str, str], _Challenge] = {}

    def lines(self, method: str, uri: str) -> list[tuple[str, str]]:
        """Return credentials for every challenge met so far; each call counts as a use.

        `uri` is the Request-URI as written.
        """
        if not self._met:
            return []
        return [(key[0], one.answer(method, uri)) for key, one in self._met.items()]

    def exchange(self) -> "DigestExchange":
        """Start one request."""
        return DigestExchange(self)

    def choose(self, response: Response) -> dict[tuple[str, str], tuple[_Challenge, bool]]:
        """Return the strongest answerable challenge of each realm, and whether it is stale."""
        asks, answers = _HEADERS[response.status]
        chosen: dict[tuple[str, str], tuple[_Challenge, bool]] = {}
        for line in response.headers.lines(asks):
            fields = parse_fields(line)
            algorithm = fields.get("algorithm", "MD5").upper()
            one = self._for(fields.get("realm"))
            if one is None or not fields.get("nonce") or not _can_answer(fields, algorithm):
                continue
            key = (answers, fields["realm"])
            if key in chosen and _STRENGTH[chosen[key][0].algorithm] <= _STRENGTH[algorithm]:
                continue
            stale = fields.get("stale", "").lower() == "true"
            chosen[key] = (_Challenge(fields, algorithm, one), stale)
        return chosen

    def _for(self, realm: str | None) -> Credentials | None:
        if realm is None:
            return None
        named = (one for one in self._credentials if one.realm == realm)
        anywhere = (one for one in self._credentials if not one.realm)
        return next(named, None) or next(anywhere, None)

    def remember(self, key: tuple[str, str], challenge: _Challenge) -> None:
        """Use `challenge` from now on; the realm met longest ago makes room."""
        self._met.pop(key, None)
        if len(self._met) >= _MAX_REALMS:
            del self._met[next(iter(self._met))]
        self._met[key] = challenge


class DigestExchange:
    """One request and its retries."""

    __slots__ = ("_client", "_fresh", "_stale")

    def __init__(self, client: DigestClient) -> None:
        self._client = client
        self._fresh: set[tuple[str, str]] = set()
        self._stale: set[tuple[str, str]] = set()

    def lines(self, method: str, uri: str) -> list[tuple[str, str]]:
        """Return the credentials the request carries now."""
        return self._client.lines(method, uri)

    def challenged(self, response: Response) -> bool:
        """Take a final response; return whether the request is worth sending again.

        Not when there are no credentials for the realm, and not when a nonce that
        was new was refused: the password is wrong (RFC 3261 §22.1).
        """
        if response.status not in _HEADERS:
            return False
        chosen = self._client.choose(response)
        for key, (_, stale) in chosen.items():
            if key in self._fresh and (not stale or key in self._stale):
                return False
        for key, (challenge, _) in chosen.items():
            if key in self._fresh:
                self._stale.add(key)
            self._fresh.add(key)
            self._client.remember(key, challenge)
        return bool(chosen)


def _can_answer(fields: Mapping[str, str], algorithm: str) -> bool:
    qops = fields.get("qop", "auth").lower().split(",")
    return algorithm in HASHES and "auth" in {qop.strip() for qop in qops}
