"""A registrar in memory, for telephones with a password (RFC 3261 §10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.admission import Reply
from ivr.sip.digest import DEFAULT_ALGORITHMS, DigestAuthenticator, Verdict
from ivr.sip.grammar import to_int
from ivr.sip.lockout import Lockout
from ivr.sip.message import Request
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.uri import Uri

DEFAULT_EXPIRES = 3600
_MAX_BINDINGS = 10


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a user can be reached.

    `contact` is the header's value without `expires`; `source` is where the
    REGISTER came from; `expires_at` is in the clock's seconds.
    """

    contact: str
    uri: Uri
    source: Address
    call_id: str
    cseq: int
    expires_at: float


class Registrar:
    """Keeps one set of bindings for each user, who may change no other's.

    Whoever fails to log in has to wait longer and longer before the next try is
    looked at (`Lockout`).

    `users` maps names to passwords; `min_expires` and `max_expires` are seconds;
    `algorithms` are the hashes of `DigestAuthenticator`.
    """

    def __init__(
        self,
        clock: Clock,
        realm: str,
        users: Mapping[str, str],
        *,
        min_expires: int = 60,
        max_expires: int = DEFAULT_EXPIRES,
        algorithms: Sequence[str] = DEFAULT_ALGORITHMS,
    ) -> None:
        self._clock = clock
        self._digest = DigestAuthenticator(clock, realm, users, algorithms)
        self._lockout = Lockout(clock)
        self._min = min_expires
        self._max = max_expires
        self._bindings: dict[str, list[Binding]] = {}

    def bindings(self, user: str) -> list[Binding]:
        """Return where `user` can be reached now, the latest registration first."""
        now = self._clock.seconds()
        alive = [one for one in self._bindings.get(user, ()) if one.expires_at > now]
        if alive:
            self._bindings[user] = alive
        else:
            self._bindings.pop(user, None)
        return alive

    def register(self, request: Request, source: Address) -> Reply:
        """Process a REGISTER whole or not at all; return the answer to it.

        Raise MalformedMessageError.
        """
        if not request.to.uri.is_sip:  # whoever asks: no such address of record can be (§10.2)
            return Reply(400, reason="To is no SIP URI")
        claimed = self._digest.claimed(request)
        wait = self._lockout.wait(source.host, claimed) if claimed else 0
        if wait:
            return Reply(503, (("Retry-After", str(ceil(wait))),), "Too Many Failed Logins")
        verdict, user = self._digest.judge(request)
        if verdict is Verdict.WRONG:
            self._lockout.failed(source.host, claimed)
        elif verdict is Verdict.ACCEPTED:
            self._lockout.succeeded(source.host, user)
        if verdict is not Verdict.ACCEPTED:
            stale = verdict is Verdict.STALE
            return Reply(401, tuple(self._digest.challenges(stale=stale)))
        if request.to.uri.called != user:
            return Reply(403, reason="Not Your Address Of Record")
        contacts = request.headers.values("Contact")
        if contacts == ["*"]:
            refusal = self._unregister(user, request)
        else:
            refusal = self._update(user, request, source, contacts)
        return refusal or Reply(200, self._contacts(user))

    def _unregister(self, user: str, request: Request) -> Reply | None:
        if request.headers.get("Expires") != "0":
            return Reply(400, reason="Contact * needs Expires 0")
        old = self.bindings(user)
        if any(_is_outdated(one, request) for one in old):
            return _OUTDATED
        self._bindings.pop(user, None)
        return None

    def _update(
        self, user: str, request: Request, source: Address, contacts: list[str]
    ) -> Reply | None:
        old = self.bindings(user)
        kept = old
        for text in contacts:
            contact = parse_name_addr(text)
            uri = contact.uri
            if not uri.is_sip:
                return Reply(400, reason="A Contact is no SIP URI")
            seconds = _seconds(contact.param("expires") or request.headers.get("Expires"))
            if 0 < seconds < self._min:
                return Reply(423, (("Min-Expires", str(self._min)),))
            if any(_is_outdated(one, request) for one in old if one.uri.equivalent(uri)):
                return _OUTDATED
            kept = [one for one in kept if not one.uri.equivalent(uri)]
            if seconds:
                expires_at = self._clock.seconds() + min(seconds, self._max)
                shown = "".join(
                    f";{name}" if value is None else f";{name}={value}"
                    for name, value in contact.params
                    if name != "expires"
                )
                binding = Binding(
                    f"<{uri}>{shown}",
                    uri,
                    source,
                    request.call_id,
                    request.cseq.number,
                    expires_at,
                )
                kept = [binding, *kept]
        if len(kept) > _MAX_BINDINGS:
            return Reply(403, reason="Too Many Bindings")
        self._bindings[user] = kept
        return None

    def _contacts(self, user: str) -> tuple[tuple[str, str], ...]:
        now = self._clock.seconds()
        return tuple(
            ("Contact", f"{one.contact};expires={ceil(one.expires_at - now)}")
            for one in self.bindings(user)
        )


_OUTDATED = Reply(500, reason="Out Of Order CSeq")


def _is_outdated(binding: Binding, request: Request) -> bool:
    """Whether `request` was sent before the one that made `binding` (§10.3)."""
    return binding.call_id == request.call_id and request.cseq.number <= binding.cseq


def _seconds(text: str) -> int:
    """Return an expiry; a malformed one counts as an hour (§10.2.1.1)."""
    seconds = to_int(text, 2**32) if text else None
    return DEFAULT_EXPIRES if seconds is None else seconds
