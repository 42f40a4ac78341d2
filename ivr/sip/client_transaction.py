"""Client transactions (RFC 3261 §17.1, RFC 6026).

An INVITE client transaction:

    CALLING ── 1xx ──► PROCEEDING ── 2xx ──► ACCEPTED ── timer M ──► gone
       │                   │
       ├─ timer B ──► gone └─ 300–699 ──► COMPLETED ── timer D ──► gone

Any other one is gone with its final response. Timer K would only keep copies of
that response from the transaction user, and a response that belongs to no
transaction is dropped anyway.

Two sendings in a row that cannot leave this machine end a transaction that was
not answered: another target may do better than another try (RFC 3263 §4.3).
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.headers import Headers
from ivr.sip.message import Request, Response
from ivr.sip.server_transaction import Send
from ivr.sip.timers import GIVE_UP, T2, Lingering, Repetition
from ivr.sip.via import MAGIC_COOKIE


class Failure(StrEnum):
    """Why a request got no final response."""

    TIMEOUT = "timeout"
    """64·T1 brought none (timers B and F)."""
    TRANSPORT = "transport"
    """It could not leave this machine."""


OnFinal = Callable[[Response | None], object]
"""Takes the final response, or None when there was none: see `Failure`."""


class InviteUser(Protocol):
    """Who started an INVITE client transaction."""

    def provisional(self, response: Response) -> None:
        """Take a response from 100 to 199, each copy of it too."""

    def accepted(self, response: Response) -> None:
        """Take a 2xx, each copy of it too: to be acknowledged (§13.2.2.4)."""

    def refused(self, response: Response) -> None:
        """Take a response from 300 to 699, once; it is acknowledged already."""

    def failed(self, failure: Failure) -> None:
        """Learn that there is no response at all."""


class Mover(Protocol):
    """Chooses another transport for a request that is too large (§18.1.1)."""

    def move(self, request: Request, to: Address, size: int) -> Address:
        """Return where it goes; its Via says over what."""

    def move_back(self, request: Request, to: Address) -> Address:
        """Return where it goes when that failed."""


def new_branch() -> str:
    """Return a branch no other transaction has."""
    return MAGIC_COOKIE + secrets.token_hex(12)


class ClientTransactions:
    """All client transactions of one user agent; `large` moves what is too large for UDP."""

    def __init__(self, clock: Clock, send: Send, large: "Mover | None" = None) -> None:
        self.clock = clock
        self.send = send
        self.large = large
        self.lingering: Lingering[InviteClient] = Lingering(clock, GIVE_UP, InviteClient.end)
        self.running: dict[str, _Client] = {}

    def __len__(self) -> int:
        return len(self.running)

    def begin(self, request: Request, to: Address, on_final: OnFinal) -> None:
        """Send `request`, whose top Via has a `new_branch()`, until it is answered."""
        _NonInviteClient(self, request, to, on_final)

    def invite(self, request: Request, to: Address, user: InviteUser) -> "InviteClient":
        """Send an INVITE, whose top Via has a `new_branch()`, until it is answered."""
        return InviteClient(self, request, to, user)

    def response(self, response: Response) -> bool:
        """Take a response; return False when no transaction waits for it."""
        client = self.running.get(f"{response.via.branch} {response.cseq.method}")
        if client is None:
            return False
        client.response(response)
        return True

    def unreachable(self, to: Address) -> None:
        """End what was sent to `to` and not answered: the connection failed."""
        for client in list(self.running.values()):
            if client.to._replace(flow=None) == to:
                client.lost()

    def close(self) -> None:
        """Stop all timers and forget everything; nobody is told."""
        self.lingering.clear()
        for client in list(self.running.values()):
            client.end()


class _Client(ABC):
    """One request under way."""

    __slots__ = ("_data", "_key", "_moved", "_repetition", "_table", "_unsent", "to")

    def __init__(
        self, table: ClientTransactions, request: Request, to: Address, longest: float
    ) -> None:
        self.to = to
        self._table = table
        self._key = f"{request.via.branch} {request.method}"
        self._data = request.render()
        self._moved: tuple[Request, float] | None = None
        if table.large is not None:
            self.to = table.large.move(request, to, len(self._data))
            if self.to != to:
                self._moved = (request, longest)
                self._data = request.render()
        table.running[self._key] = self
        self._repetition: Repetition | None = None
        self._begin(longest)
        if self._unsent and self.to.transport.reliable:
            table.clock.callLater(0, self.lost)

    def _begin(self, longest: float) -> None:
        self._unsent = 0
        self._repetition = Repetition(
            self._table.clock,
            self._send,
            self._time_out,
            longest=longest,
            reliable=self.to.transport.reliable,
        )
        self._send()

    def lost(self) -> None:
        """Learn that the connection failed: end, unless a datagram may do as well."""
        moved, self._moved = self._moved, None
        if moved is None or self._table.large is None or self._repetition is None:
            self.fail(Failure.TRANSPORT)
            return
        request, longest = moved
        self._stop_repeating()
        self.to = self._table.large.move_back(request, self.to)
        self._data = request.render()
        self._begin(longest)

    @abstractmethod
    def response(self, response: Response) -> None:
        """Take a response to the request."""

    @abstractmethod
    def fail(self, failure: Failure) -> None:
        """End without an answer, and tell."""

    def end(self) -> None:
        """Stop timers and forget everything; nobody is told. Idempotent."""
        self._stop_repeating()
        self._data = b""
        self._moved = None
        self._table.running.pop(self._key, None)

    def _stop_repeating(self) -> None:
        if self._repetition is not None:
            self._repetition.stop()
            self._repetition = None

    def _send(self) -> None:
        if self._table.send(self._data, self.to):
            self._unsent = 0
            return
        self._unsent += 1
        if self._unsent > 1:
            self.fail(Failure.TRANSPORT)

    def _time_out(self) -> None:
        self.fail(Failure.TIMEOUT)


class _NonInviteClient(_Client):
    """Any request but INVITE and ACK (§17.1.2)."""

    __slots__ = ("_on_final",)

    def __init__(
        self, table: ClientTransactions, request: Request, to: Address, on_final: OnFinal
    ) -> None:
        self._on_final: OnFinal | None = on_final
        super().__init__(table, request, to, T2)

    def response(self, response: Response) -> None:
        """Take a response; a provisional one slows the repetition (§17.1.2.2)."""
        if response.status >= 200:
            self._finish(response)
        elif self._repetition is not None:
            self._repetition.slow_down()

    def fail(self, failure: Failure) -> None:  # noqa: ARG002 - the same to every user
        """Tell that no answer will come."""
        self._finish(None)

    def end(self) -> None:
        """Forget everything; nobody is told."""
        super().end()
        self._on_final = None

    def _finish(self, response: Response | None) -> None:
        on_final = self._on_final
        self.end()
        if on_final is not None:
            on_final(response)


class InviteClient(_Client):
    """One INVITE (§17.1.1), its state told by what it still holds.

    The `user` may be exchanged for one that holds less once a 2xx came.
    """

    __slots__ = ("_ack", "_invite", "user")

    def __init__(
        self, table: ClientTransactions, request: Request, to: Address, user: InviteUser
    ) -> None:
        self.user: InviteUser | None = user
        self._invite: Request | None = request
        self._ack = b""
        super().__init__(table, request, to, GIVE_UP)

    def response(self, response: Response) -> None:
        """Take a response."""
        self._stop_repeating()
        user = self.user
        if self._ack:
            if response.status >= 300:
                self._table.send(self._ack, self.to)
        elif user is None:
            pass
        elif response.status < 200:
            if self._invite is not None:
                user.provisional(response)
        elif response.status < 300:
            if self._invite is not None:
                self._linger()
            user.accepted(response)
        elif self._invite is not None:
            self._ack = ack_of_refusal(self._invite, response).render()
            self._table.send(self._ack, self.to)
            self.user = None
            self._linger()
            user.refused(response)

    def fail(self, failure: Failure) -> None:
        """End without a final response, and tell; nothing once one came."""
        user = self.user
        if self._invite is not None:
            self.end()
            if user is not None:
                user.failed(failure)

    def end(self) -> None:
        """Forget everything; nobody is told. Idempotent."""
        super().end()
        self.user = self._invite = None
        self._ack = b""

    def _linger(self) -> None:
        self._invite = None
        self._data = b""
        self._table.lingering.add(self)


def ack_of_refusal(invite: Request, response: Response) -> Request:
    """Return the ACK of a final response that is no 2xx (§17.1.1.3)."""
    return _about(invite, "ACK", response.headers.get("To"))


def cancel_of(invite: Request) -> Request:
    """Return the CANCEL of an INVITE that got a provisional response (§9.1)."""
    return _about(invite, "CANCEL", invite.headers.get("To"))


def _about(invite: Request, method: str, to: str) -> Request:
    headers = invite.headers
    lines = Headers()
    lines.add("Via", headers.values("Via")[0])
    lines.add("Max-Forwards", "70")
    for route in headers.lines("Route"):
        lines.add("Route", route)
    lines.add("From", headers.get("From"))
    lines.add("To", to)
    lines.add("Call-ID", invite.call_id)
    lines.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(method, invite.uri_text, lines)
