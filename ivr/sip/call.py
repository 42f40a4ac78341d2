"""One call that came in, until it is a session like any other (RFC 3261 §13.3).

EARLY ── answer() ──► ANSWERED, as in `lifecycle`
   └── reject(), CANCEL, BYE, hang_up() ──► ENDED

Provisional responses are reliable where the caller requires it, and those with a
session description also where it only can (RFC 3262). An answer waits for their PRACK.
"""

import secrets
from collections.abc import Callable

import structlog

from ivr.sip.address import Address
from ivr.sip.admission import Reply, description
from ivr.sip.call_details import CallDetails
from ivr.sip.dialog import Dialog
from ivr.sip.errors import CallStateError
from ivr.sip.handler import CallEnd, EarlyHandler
from ivr.sip.message import Request
from ivr.sip.name_addr import NameAddr
from ivr.sip.negotiation import Begin
from ivr.sip.reliable import OPTION, ReliableResponses
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.session import Lines, Phase, Session, SessionHost, printable

log = structlog.get_logger()


class IncomingCall(Session):
    """A call to us, for the application.

    `request` is the INVITE, `source` where it came from, `replaces` the call it takes
    the place of (RFC 3891), which ends when this one is answered. Set `handler`
    before `on_call` returns.
    """

    __slots__ = (
        "_held",
        "_reliable",
        "_rings",
        "_settled",
        "_transaction",
        "replaces",
        "request",
        "source",
    )

    def __init__(
        self,
        host: SessionHost,
        request: Request,
        source: Address,
        dialog: Dialog,
        transaction: ServerTransaction,
        replaces: Session | None = None,
    ) -> None:
        super().__init__(host, dialog)
        self.request = request
        self.source = source
        self.replaces = replaces
        self._transaction: ServerTransaction | None = transaction
        self._reliable: ReliableResponses | None = None
        self._rings = 0  # the last provisional status
        self._settled = False
        self._held: bytes | None = None
        self._learn(request)
        transaction.on_cancel = self._cancelled

    @property
    def id(self) -> str:
        """The Call-ID."""
        return self.request.call_id

    @property
    def from_(self) -> NameAddr:
        """Who calls."""
        return self.request.from_

    @property
    def to(self) -> NameAddr:
        """Who was called first, before any forwarding."""
        return self.request.to

    @property
    def called(self) -> str:
        """The user or telephone number of the Request-URI."""
        return self.request.uri.called

    @property
    def caller(self) -> str:
        """The user or telephone number of From, "" when there is none."""
        return self.from_.uri.called

    @property
    def offer(self) -> bytes:
        """The session offered; empty when our 200 has to make the offer."""
        return self.request.body

    @property
    def details(self) -> CallDetails:
        """What the INVITE says beside that: forwarding, identities, data of the caller."""
        return CallDetails(self.request)

    # The application calls:

    def ring(self) -> None:
        """Let the caller hear ringing (180)."""
        self._provisional(180, b"")

    def progress(self, body: bytes, status: int = 183) -> None:
        """Let the caller hear us before the answer: an answer, or an offer, in a 183.

        Where the caller can, it is confirmed (`EarlyHandler`), and `answer` needs no
        body any more. Raise CallStateError when answered, ValueError for another status.
        """
        if not 101 <= status <= 199:
            raise ValueError(f"{status} is no provisional response")
        self._provisional(status, body)

    def answer(self, body: bytes = b"") -> None:
        """Accept the call (200) with a session description: an answer, or an offer.

        The body is left out when a `progress` that was confirmed had it. The 200 is
        repeated until ACK. When none comes within 32 s, BYE is sent and the call ends
        with ACK_TIMEOUT. Raise CallStateError when answered already.
        """
        transaction = self._not_answered("answered")
        if transaction is None:
            return
        if self._reliable is not None and self._reliable.describes:
            self._held = body  # RFC 3262 §5: no 2xx before the PRACK of a description
        else:
            self._answer(transaction, body)

    def reject(self, status: int, reason: str = "", headers: Lines = ()) -> None:
        """Refuse the call with a final response from 300 to 699.

        `headers` are lines such as Warning, Reason and Retry-After. The handler
        hears of the end before this returns. Raise ValueError for another status
        or a line break, CallStateError when answered.
        """
        lines = tuple(headers)
        if not 300 <= status <= 699:
            raise ValueError(f"a call is not rejected with {status}")
        if any("\r" in text or "\n" in text for pair in lines for text in (*pair, reason)):
            raise ValueError("a line break in a header of a response")
        transaction = self._not_answered("rejected")
        if transaction is not None:
            transaction.respond(status, reason=reason, headers=lines)
            self._end(CallEnd.REJECTED)

    # The user agent calls:

    def start(self, on_call: Callable[["IncomingCall"], None]) -> None:
        """Offer the call to the application."""
        try:
            on_call(self)
        except Exception:
            log.exception("call-refused", call_id=printable(self.id))
            self._fail()
        else:
            if self.live and self.handler is None:
                log.error("call-has-no-handler", call_id=printable(self.id))
                self._fail()

    def still_ringing(self) -> bool:
        """Say again that the call rings, if it does; return whether it does."""
        if self._transaction is None:
            return False
        if self._reliable is None:
            self._transaction.repeat()
        elif self._held is None:
            lines = self._host.session_headers(self.request)
            self._reliable.send(self._rings, lines, b"")
        return True

    def process(self, request: Request, source: Address, begin: Begin) -> Reply | None:
        """Process a request inside the dialog: PRACK, and whatever any session takes."""
        if request.method == "PRACK":
            return self._acknowledged_early(request, begin)
        return super().process(request, source, begin)

    # Inside:

    def _not_answered(self, wish: str) -> ServerTransaction | None:
        """Return the INVITE's transaction, None when the call has ended."""
        if self.live and (self._transaction is None or self._held is not None):
            raise CallStateError(f"an answered call cannot be {wish}")
        return self._transaction

    def _provisional(self, status: int, body: bytes) -> None:
        transaction = self._not_answered("rung")
        if transaction is None:
            return
        if not self._rings:
            self._host.rings(self.dialog.id)
        self._rings = status
        lines = (*self._host.session_headers(self.request), *description(body))
        headers = self.request.headers
        can = bool(body) and OPTION in headers.values("Supported")
        if not can and OPTION not in headers.values("Require"):
            transaction.respond(status, headers=lines, body=body)
            return
        if self._reliable is None:
            self._reliable = ReliableResponses(
                self._host.clock, self.request, transaction, self._never_confirmed_early
            )
        self.described(body, self.request.body)
        self._reliable.send(status, lines, body)

    def _acknowledged_early(self, prack: Request, begin: Begin) -> Reply | None:
        """Take a PRACK (RFC 3262 §3, §5), which may bring an answer or an offer."""
        body = None if self._reliable is None else self._reliable.acknowledged(prack)
        if body is None or self._reliable is None:
            return Reply(481)
        transaction = begin()
        answers = bool(body) and not self.offer  # what we sent was an offer
        self._settled = self._settled or bool(body)
        answer: bytes | Reply = b""
        if prack.body and not answers:
            answer = self._negotiate(prack.body) if self._settled else Reply(488)
        if isinstance(answer, Reply):
            transaction.respond(answer.status, headers=answer.headers)
        else:
            transaction.respond(200, headers=description(answer), body=answer)
            self.described(answer, prack.body)
        if body:
            listener: object = self.handler
            if isinstance(listener, EarlyHandler):
                told = prack.body if answers else b""
                self._tell("prack", listener.progress_acknowledged, told)
        self._after_prack()
        return None

    def _after_prack(self) -> None:
        """Do what waited for it."""
        if self._transaction is not None and self._reliable is not None:
            if self._held is None:
                self._reliable.go_on()
            elif not self._reliable.describes:
                self._answer(self._transaction, self._held)
        self._go_on()

    def _answer(self, transaction: ServerTransaction, body: bytes) -> None:
        self._phase = Phase.ANSWERED
        self._transaction = self._held = None
        if self._reliable is not None:
            self._reliable.stop()
        self._accept(self.request, transaction, b"" if self._settled else body)
        replaced, self.replaces = self.replaces, None
        if replaced is not None:
            replaced.hang_up(CallEnd.REPLACED)

    def _never_confirmed_early(self) -> None:
        """Give the call up: 64·T1 brought no PRACK (RFC 3262 §3)."""
        log.warning("call-not-acknowledged", call_id=printable(self.id), at="prack")
        if self._transaction is not None:
            self._transaction.respond(504)
        self._end(CallEnd.ACK_TIMEOUT)

    def _refusal_of_reinvite(self) -> Reply | None:
        if self._phase is Phase.EARLY:
            return _later()
        return super()._refusal_of_reinvite()

    def _refusal_of_offer(self) -> Reply | None:
        ours = self._reliable is not None and self._reliable.describes
        if self._phase is Phase.EARLY and not self._settled and (self.offer or not ours):
            return _later()  # an offer that we did not answer yet
        return super()._refusal_of_offer()

    def _may_update_early(self) -> bool:
        return self._settled

    def _hung_up(self) -> None:
        if self._transaction is None:
            super()._hung_up()
        else:
            self._cancelled()

    def _abandon(self, end: CallEnd) -> None:
        if self._transaction is not None:
            self._transaction.respond(503 if end is CallEnd.SHUT_DOWN else 480)
        self._end(end)

    def _cancelled(self) -> None:
        if self._transaction is not None:
            self._transaction.respond(487)
        self._end(CallEnd.CANCELLED)

    def _fail(self) -> None:
        if self._transaction is not None:
            self._transaction.respond(500)
            self._end(CallEnd.REJECTED)
        elif self.live:
            self.hang_up()

    def _released(self) -> None:
        super()._released()
        if self._reliable is not None:
            self._reliable.stop()
        self._transaction = self._reliable = self._held = self.replaces = None


def _later() -> Reply:
    """Return the wish to be asked again a little later (RFC 3261 §14.2, RFC 3311 §5.2)."""
    return Reply(500, (("Retry-After", str(secrets.randbelow(11))),))
