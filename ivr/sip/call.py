"""One call that came in, until it is a session like any other (RFC 3261 §13.3).

OFFERED ── answer() ──► ANSWERED, as in `session`
   └── reject(), CANCEL, BYE, hang_up() ──► ENDED
"""

import secrets
from collections.abc import Callable

import structlog

from ivr.sip.address import Address
from ivr.sip.admission import Reply
from ivr.sip.dialog import Dialog
from ivr.sip.errors import CallStateError
from ivr.sip.handler import CallEnd
from ivr.sip.message import Request
from ivr.sip.name_addr import NameAddr
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.session import Lines, Phase, Session, SessionHost, printable

log = structlog.get_logger()


class IncomingCall(Session):
    """A call to us, for the application.

    `request` is the INVITE, `source` where it came from. Set `handler` before
    `on_call` returns.
    """

    __slots__ = ("_transaction", "request", "source")

    def __init__(
        self,
        host: SessionHost,
        request: Request,
        source: Address,
        dialog: Dialog,
        transaction: ServerTransaction,
    ) -> None:
        super().__init__(host, dialog)
        self.request = request
        self.source = source
        self._transaction: ServerTransaction | None = transaction
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

    # The application calls:

    def ring(self) -> None:
        """Let the caller hear ringing (180)."""
        transaction = self._not_answered("rung")
        if transaction is not None:
            transaction.respond(180, headers=self._host.session_headers(self.request))
            self._host.rings(self.dialog.id)

    def answer(self, body: bytes) -> None:
        """Accept the call (200) with a session description: an answer, or an offer.

        The 200 is repeated until ACK. When none comes within 32 s, BYE is sent
        and the call ends with ACK_TIMEOUT. Raise CallStateError when answered already.
        """
        transaction = self._not_answered("answered")
        if transaction is not None:
            self._phase = Phase.ANSWERED
            self._transaction = None
            self._accept(self.request, transaction, body)

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
        """Repeat the 180 if the call still rings; return whether it does."""
        return self._transaction is not None and self._transaction.repeat()

    def refusal_of_reinvite(self) -> Reply | None:
        """Return why a re-INVITE cannot be processed now (§14.2)."""
        if self._phase is Phase.EARLY:
            return Reply(500, (("Retry-After", str(secrets.randbelow(11))),))
        return super().refusal_of_reinvite()

    def hung_up(self) -> None:
        """Take a BYE that was answered already, perhaps in the early dialog."""
        if self._transaction is None:
            super().hung_up()
        else:
            self._cancelled()

    # Inside:

    def _not_answered(self, wish: str) -> ServerTransaction | None:
        """Return the INVITE's transaction, None when the call has ended."""
        if self._transaction is None and self.live:
            raise CallStateError(f"an answered call cannot be {wish}")
        return self._transaction

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
        self._transaction = None
