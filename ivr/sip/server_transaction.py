"""Server transactions (RFC 3261 §17.2, RFC 6026).

Over a reliable transport nothing but a 2xx to INVITE is repeated, and timers I
and J are zero. An INVITE server transaction:

    PROCEEDING ── 2xx ──► ACCEPTED ── timer L ──► gone
        │
        └─ 300–699 ──► COMPLETED ── ACK ──► CONFIRMED ── timer I ──► gone
                           └─ timer H ──► gone

Any other one is PROCEEDING until its final response, then COMPLETED until timer
J. What lingers is a key and, where it can still be asked for, one datagram.
"""

from collections.abc import Callable
from enum import Enum, auto

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.message import Request
from ivr.sip.responder import HeaderLines, Responder
from ivr.sip.timers import GIVE_UP, T4, Lingering, Repetition

MAX_TRANSACTIONS = 50_000
MAX_HELD = 64 * 1024 * 1024
"""Bytes of responses that wait for copies of their requests, or for ACK."""

Send = Callable[[bytes, Address], bool]
"""Sends a datagram; False when it could not leave. Never raises."""


class State(Enum):
    """Where a server transaction is."""

    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()


class ServerTransaction:
    """One request, each copy of which gets the same answer.

    `tag` is the To tag of all its responses. `on_cancel`, set by whoever will
    answer an INVITE, is called by a CANCEL that comes before the final response.
    """

    __slots__ = (
        "_destination",
        "_last",
        "_repetition",
        "_responder",
        "_table",
        "key",
        "merge_key",
        "on_cancel",
        "state",
        "tag",
    )

    def __init__(
        self,
        table: "ServerTransactions",
        key: str,
        merge_key: str,
        responder: Responder,
        tag: str,
    ) -> None:
        self._table = table
        self.key = key
        self.merge_key = merge_key
        self.tag = tag
        self.state = State.PROCEEDING
        self.on_cancel: Callable[[], None] | None = None
        self._responder: Responder | None = responder
        self._destination = responder.destination
        self._last: bytes | None = None
        self._repetition: Repetition | None = None

    def respond(
        self,
        status: int,
        *,
        reason: str = "",
        headers: HeaderLines = (),
        body: bytes = b"",
    ) -> bool:
        """Send a response; return whether it left. After a final one this does nothing."""
        if self._responder is None:
            return False
        # RFC 3261 §8.2.6.2: a 100 makes no dialog and needs no tag.
        tag = "" if status == 100 else self.tag
        data = self._responder.render(
            status, tag=tag, reason=reason, headers=headers, body=body
        )
        self._keep(data)
        if status >= 200:
            self._responder = self.on_cancel = None
            self._finish(status)
        left = self.repeat()
        if self.state is State.COMPLETED and self._repetition is None and self._is_reliable:
            self._table.forget(self)  # timer J is zero
        return left

    def repeat(self) -> bool:
        """Send the last response again; return whether it left."""
        return self._last is not None and self._table.send(self._last, self._destination)

    def acknowledged(self) -> bool:
        """Take the ACK of a final response that is no 2xx (timer I starts).

        Return False when the ACK is not for this transaction but for its dialog.
        """
        if self.state is State.COMPLETED:
            self.state = State.CONFIRMED
            self.close()
            if self._is_reliable:
                self._table.forget(self)  # timer I is zero
            else:
                self._table.confirmed.add(self)
        return self.state is State.CONFIRMED

    def settle(self) -> None:
        """Let go of the 2xx: nobody needs it any more. Later copies are absorbed (RFC 6026)."""
        self._keep(None)

    def close(self) -> None:
        """Stop timers and let go of the response."""
        if self._repetition is not None:
            self._repetition.stop()
        self._keep(None)
        self._repetition = self._responder = self.on_cancel = None

    def _keep(self, data: bytes | None) -> None:
        self._table.held += len(data or b"") - len(self._last or b"")
        self._last = data

    @property
    def _is_reliable(self) -> bool:
        return self._destination.transport.reliable

    def _finish(self, status: int) -> None:
        if not self.key.endswith(" INVITE"):
            self.state = State.COMPLETED
            if not self._is_reliable:
                self._table.finished.add(self)
        elif status < 300:
            self.state = State.ACCEPTED
            self._table.finished.add(self)
        else:
            self.state = State.COMPLETED
            self._repetition = Repetition(
                self._table.clock,
                self.repeat,
                self._not_acknowledged,
                reliable=self._is_reliable,
            )

    def _not_acknowledged(self) -> None:
        self._table.forget(self)


class ServerTransactions:
    """All server transactions of one user agent, found by their requests.

    `held` are the bytes of their responses. What makes the table `full` is a bound
    for attacks, far above what calls need: new requests are to be turned away then.
    """

    def __init__(self, clock: Clock, send: Send) -> None:
        self.clock = clock
        self.send = send
        self.held = 0
        self.finished: Lingering[ServerTransaction] = Lingering(clock, GIVE_UP, self.forget)
        self.confirmed: Lingering[ServerTransaction] = Lingering(clock, T4, self.forget)
        self._by_key: dict[str, ServerTransaction] = {}
        self._by_merge_key: dict[str, ServerTransaction] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def full(self) -> bool:
        """Whether there are so many that memory is at stake."""
        return len(self._by_key) >= MAX_TRANSACTIONS or self.held >= MAX_HELD

    def find(self, request: Request, method: str = "") -> ServerTransaction | None:
        """Return the transaction `request` belongs to, or the one of `method` it is about."""
        return self._by_key.get(_key(request, method or request.method))

    def is_merged(self, request: Request) -> bool:
        """Whether this came by another path already (RFC 3261 §8.2.2.2)."""
        return _merge_key(request) in self._by_merge_key

    def begin(self, request: Request, responder: Responder, tag: str) -> ServerTransaction:
        """Start a transaction for a request that `find` does not know."""
        key = _key(request, request.method)
        merge_key = "" if request.to.tag else _merge_key(request)
        transaction = ServerTransaction(self, key, merge_key, responder, tag)
        self._by_key[key] = transaction
        if merge_key:
            self._by_merge_key[merge_key] = transaction
        return transaction

    def forget(self, transaction: ServerTransaction) -> None:
        """End a transaction."""
        transaction.close()
        if self._by_key.get(transaction.key) is transaction:
            del self._by_key[transaction.key]
        if self._by_merge_key.get(transaction.merge_key) is transaction:
            del self._by_merge_key[transaction.merge_key]

    def close(self) -> None:
        """Stop all timers and forget everything."""
        self.finished.clear()
        self.confirmed.clear()
        for transaction in list(self._by_key.values()):
            self.forget(transaction)


def _key(request: Request, method: str) -> str:
    """Return what identifies a transaction (§17.2.3), also for clients of RFC 2543."""
    method = "INVITE" if method == "ACK" else method
    via = request.via
    if via.has_unique_branch:
        return f"{via.branch} {via.sent_by} {method}"
    # The To tag is left out: an ACK has one where its INVITE had none.
    parts = (request.call_id, str(request.cseq.number), request.from_.tag, via.text)
    return f"{' '.join(parts)} {method}"


def _merge_key(request: Request) -> str:
    return f"{request.call_id} {request.from_.tag} {request.cseq.number} {request.method}"
