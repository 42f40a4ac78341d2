"""Digest authentication, the server's side (RFC 7616, RFC 8760, RFC 3261 §22).

A nonce carries its time and is signed, so that a challenge costs no memory.
Only nonces that were used with right credentials are remembered until they
expire, with the highest count seen: a request cannot be replayed.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from ivr.clock import Clock
from ivr.sip.digest_fields import HASHES, parse_fields, to_bytes
from ivr.sip.grammar import quote
from ivr.sip.message import Request
from ivr.sip.uri import parse_uri

DEFAULT_ALGORITHMS = ("MD5",)
"""What every telephone speaks. Some (baresip 1.0) give up where SHA-256 is offered as well."""
NONCE_LIFE = 300.0
"""Seconds a nonce is good for; a later request is challenged with stale=true."""

_MAC_SIZE = 16
_NONCE_SIZE = 8 + 8 + _MAC_SIZE


class Verdict(Enum):
    """What became of a request's credentials."""

    ACCEPTED = auto()
    STALE = auto()
    """Right, but for a nonce that expired or was used already."""
    WRONG = auto()
    """For a nonce of ours, but of an unknown user or with another password."""
    REFUSED = auto()
    """Absent, malformed, or not for us."""


class DigestAuthenticator:
    """Challenges requests and judges their Authorization header.

    `users` maps names to passwords. `clock` dates the nonces. `algorithms` are
    those offered, the preferred first (RFC 8760 §2.3): SHA-256, MD5. Raise
    ValueError for any other.
    """

    def __init__(
        self,
        clock: Clock,
        realm: str,
        users: Mapping[str, str],
        algorithms: Sequence[str] = DEFAULT_ALGORITHMS,
    ) -> None:
        if not algorithms or set(algorithms) - HASHES.keys():
            raise ValueError(f"digest algorithms are {', '.join(HASHES)}")
        self._algorithms = tuple(algorithms)
        self._clock = clock
        self._realm = realm
        self._users = users
        self._key = secrets.token_bytes(32)
        # Whoever names an unknown user is measured against this: same work, never right.
        self._nobody = secrets.token_hex(16)
        self._used: dict[str, tuple[float, int]] = {}

    def challenges(self, *, stale: bool = False) -> list[tuple[str, str]]:
        """Return the WWW-Authenticate headers, one for each algorithm."""
        common = f'realm={quote(self._realm)}, nonce="{self._new_nonce()}", qop="auth"'
        end = ", stale=true" if stale else ""
        return [
            ("WWW-Authenticate", f"Digest {common}, algorithm={algorithm}{end}")
            for algorithm in self._algorithms
        ]

    def claimed(self, request: Request) -> str:
        """Return the user that a request claims to come from, "" without credentials."""
        for line in request.headers.lines("Authorization"):
            fields = parse_fields(line)
            if fields.get("realm") == self._realm:
                return fields.get("username", "")
        return ""

    def judge(self, request: Request) -> tuple[Verdict, str]:
        """Return the verdict on a request, and the user's name when ACCEPTED."""
        for line in request.headers.lines("Authorization"):
            fields = parse_fields(line)
            if fields.get("realm") == self._realm:
                return self._judge(request, fields)
        return Verdict.REFUSED, ""

    def _judge(self, request: Request, fields: Mapping[str, str]) -> tuple[Verdict, str]:
        algorithm = fields.get("algorithm", "MD5").upper()
        digest = HASHES[algorithm] if algorithm in self._algorithms else None
        name, nonce, uri = (fields.get(key, "") for key in ("username", "nonce", "uri"))
        issued = self._issued(nonce)
        if digest is None or issued is None or not _same_host(uri, request):
            return Verdict.REFUSED, ""
        qop = fields.get("qop", "").lower()
        count_text = fields.get("nc", "")
        count = _hex_count(count_text)
        if qop not in ("", "auth") or (qop and count is None):
            return Verdict.REFUSED, ""
        known = name in self._users
        password = self._users[name] if known else self._nobody
        secret = digest(to_bytes(f"{name}:{self._realm}:{password}"))
        target = digest(to_bytes(f"{request.method}:{uri}"))
        # Without qop this is RFC 2069, all that some telephones know.
        middle = f"{count_text}:{fields.get('cnonce', '')}:{qop}:" if qop else ""
        expected = digest(to_bytes(f"{secret}:{nonce}:{middle}{target}"))
        given = fields.get("response", "").lower()
        right = hmac.compare_digest(expected.encode(), to_bytes(given))
        if not (right and known):
            return Verdict.WRONG, ""
        if not self._use(nonce, issued, count):
            return Verdict.STALE, ""
        return Verdict.ACCEPTED, name

    def _use(self, nonce: str, issued: float, count: int | None) -> bool:
        """Spend one use of a nonce; a request without a count spends all of it."""
        now = self._clock.seconds()
        if now - issued >= NONCE_LIFE:
            return False
        self._used = {key: used for key, used in self._used.items() if used[0] > now}
        _, highest = self._used.get(nonce, (0.0, 0))
        if count is not None and count <= highest:
            return False
        if count is None and highest:
            return False
        self._used[nonce] = (issued + NONCE_LIFE, _ALL if count is None else count)
        return True

    def _new_nonce(self) -> str:
        body = int(self._clock.seconds() * 1000).to_bytes(8, "big") + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode("ascii")

    def _issued(self, nonce: str) -> float | None:
        """Return when a nonce was made, in the clock's seconds; None when not by us."""
        try:
            raw = base64.urlsafe_b64decode(to_bytes(nonce))
        except ValueError:
            return None
        body, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
        if len(raw) != _NONCE_SIZE or not hmac.compare_digest(mac, self._mac(body)):
            return None
        return int.from_bytes(body[:8], "big") / 1000

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_SIZE]


_ALL = 2**32
"""Above any nonce count."""


def _same_host(uri: str, request: Request) -> bool:
    """Whether the credentials were made for this server: ports and parameters get lost."""
    return parse_uri(uri).host.lower() == request.uri.host.lower()


def _hex_count(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", text) else None
