"""One call that came in, from its INVITE to its end (RFC 3261 §13.3, §14.2, §15).

OFFERED ── answer() ──► ANSWERED ── ACK ──► CONFIRMED
   │                       │                    │
   └── reject(), CANCEL    └── BYE, no ACK      └── BYE, hang_up()
                 └─────────────────┴────────────────────┴──► ENDED
"""

import secrets
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Protocol

import structlog

from ivr.clock import Clock
from ivr.sip.acceptance import Acceptance
from ivr.sip.address import Address
from ivr.sip.admission import BODY_TYPE, Reply, warning
from ivr.sip.dialog import Dialog, DialogId
from ivr.sip.errors import CallStateError, NotAcceptableHereError
from ivr.sip.handler import CallEnd, CallHandler
from ivr.sip.message import Request
from ivr.sip.name_addr import NameAddr
from ivr.sip.server_transaction import ServerTransaction

log = structlog.get_logger()

Lines = Iterable[tuple[str, str]]


class CallHost(Protocol):
    """What a call needs of its user agent."""

    clock: Clock
    name: str

    def session_headers(self, request: Request) -> Lines:
        """Return Contact and the capabilities that go into a response to INVITE."""

    def rings(self, dialog: DialogId) -> None:
        """Repeat the 180 now and then (RFC 3261 §13.3.1.1)."""

    def hang_up(self, dialog: Dialog, headers: Lines, *, once: bool) -> None:
        """Send BYE; repeat it until it is answered unless `once`."""

    def call_ended(self, call: "IncomingCall", dialog: DialogId) -> None:
        """Forget the call."""


class _Phase(Enum):
    OFFERED = auto()
    ANSWERED = auto()
    CONFIRMED = auto()
    ENDED = auto()


class IncomingCall:
    """A call, for the application.

    `request` is the INVITE, `source` where it came from, `handler` the
    application's side: set it before `on_call` returns. Methods called after
    the end do nothing, as the end may cross them.
    """

    __slots__ = (
        "_acceptance",
        "_dialog",
        "_host",
        "_leaving",
        "_phase",
        "_transaction",
        "handler",
        "request",
        "source",
    )

    def __init__(
        self,
        host: CallHost,
        request: Request,
        source: Address,
        dialog: Dialog,
        transaction: ServerTransaction,
    ) -> None:
        self.request = request
        self.source = source
        self.handler: CallHandler | None = None
        self._host = host
        self._dialog = dialog
        self._transaction: ServerTransaction | None = transaction
        self._acceptance: Acceptance | None = None
        self._phase = _Phase.OFFERED
        self._leaving = False
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
    def live(self) -> bool:
        """Whether the call has not ended."""
        return self._phase is not _Phase.ENDED

    # The application calls:

    def ring(self) -> None:
        """Let the caller hear ringing (180)."""
        if self._not_answered("rung") is not None:
            self._provisional()
            self._host.rings(self._dialog.id)

    def answer(self, body: bytes) -> None:
        """Accept the call (200) with a session description: an answer, or an offer.

        The 200 is repeated until ACK. When none comes within 32 s, BYE is sent
        and the call ends with ACK_TIMEOUT. Raise CallStateError when answered already.
        """
        transaction = self._not_answered("answered")
        if transaction is not None:
            self._phase = _Phase.ANSWERED
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

    def hang_up(self) -> None:
        """End the call: 480 before the answer, then BYE, but not before the ACK (§15).

        The handler hears of the end when the BYE leaves. Idempotent.
        """
        if self._phase is _Phase.OFFERED:
            if self._transaction is not None:
                self._transaction.respond(480)
            self._end(CallEnd.HUNG_UP_BY_US)
        elif self._acceptance is not None:
            self._leaving = True
        elif self.live:
            self._bye(CallEnd.HUNG_UP_BY_US)

    # The user agent calls:

    @property
    def dialog(self) -> Dialog:
        """The dialog, for requests from the other side."""
        return self._dialog

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

    def acknowledged(self, ack: Request) -> None:
        """Take an ACK inside the dialog."""
        acceptance = self._acceptance
        if acceptance is None or ack.cseq.number != acceptance.cseq:
            return
        acceptance.stop()
        self._acceptance = None
        first = self._phase is _Phase.ANSWERED
        self._phase = _Phase.CONFIRMED
        if self._leaving:
            self._bye(CallEnd.HUNG_UP_BY_US)
        elif (first or acceptance.wants_answer) and self.handler is not None:
            try:
                self.handler.acknowledged(ack.body)
            except Exception:
                log.exception("call-handler-failed", call_id=printable(self.id), at="ack")
                self.hang_up()

    def refusal_of_reinvite(self) -> Reply | None:
        """Return why a re-INVITE cannot be processed now (§14.2; RFC 5407 §3.1.4)."""
        if self._phase is _Phase.OFFERED:
            return Reply(500, (("Retry-After", str(secrets.randbelow(11))),))
        if self._acceptance is not None:
            return Reply(491)
        return None

    def reinvited(
        self, invite: Request, source: Address, transaction: ServerTransaction
    ) -> None:
        """Let the application renegotiate the session."""
        if self.handler is None:
            transaction.respond(500)
            return
        try:
            body = self.handler.renegotiated(invite.body)
        except NotAcceptableHereError as error:
            transaction.respond(488, headers=(warning(self._host.name, str(error)),))
            return
        except Exception:
            log.exception("call-handler-failed", call_id=printable(self.id), at="re-invite")
            transaction.respond(500)
            return
        if not self.live:
            transaction.respond(487)
            return
        self._dialog.refresh_target(invite, source)
        self._accept(invite, transaction, body)

    def hung_up(self) -> None:
        """Take a BYE that was answered already."""
        if self._transaction is None:
            self._end(CallEnd.HUNG_UP_BY_PEER)
        else:
            self._cancelled()

    def shut_down(self) -> None:
        """End at once: one BYE or 503, and no waiting."""
        if self._transaction is not None:
            self._transaction.respond(503)
        else:
            self._host.hang_up(self._dialog, (), once=True)
        self._end(CallEnd.SHUT_DOWN)

    # Inside:

    def _not_answered(self, wish: str) -> ServerTransaction | None:
        """Return the INVITE's transaction, None when the call has ended."""
        if self._transaction is None and self.live:
            raise CallStateError(f"an answered call cannot be {wish}")
        return self._transaction

    def _provisional(self) -> None:
        if self._transaction is not None:
            self._transaction.respond(180, headers=self._host.session_headers(self.request))

    def _accept(self, invite: Request, transaction: ServerTransaction, body: bytes) -> None:
        lines = list(self._host.session_headers(invite))
        if body:
            lines.append(("Content-Type", BODY_TYPE))
        self._acceptance = acceptance = Acceptance(
            self._host.clock, invite, transaction, self._never_acknowledged
        )
        acceptance.left = transaction.respond(200, headers=lines, body=body)

    def _never_acknowledged(self) -> None:
        left = self._acceptance is not None and self._acceptance.left
        end = CallEnd.ACK_TIMEOUT if left else CallEnd.TRANSPORT_ERROR
        log.warning("call-not-acknowledged", call_id=printable(self.id), end=end)
        reason = ("Reason", 'SIP;cause=408;text="No ACK"')
        self._bye(CallEnd.HUNG_UP_BY_US if self._leaving else end, (reason,))

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

    def _bye(self, end: CallEnd, headers: Lines = ()) -> None:
        self._host.hang_up(self._dialog, headers, once=False)
        self._end(end)

    def _end(self, end: CallEnd) -> None:
        if not self.live:
            return
        self._phase = _Phase.ENDED
        if self._acceptance is not None:
            self._acceptance.stop()
        self._acceptance = self._transaction = None
        handler, self.handler = self.handler, None
        self._host.call_ended(self, self._dialog.id)
        if handler is not None:
            try:
                handler.ended(end)
            except Exception:
                log.exception("call-handler-failed", call_id=printable(self.id), at="end")


def printable(text: str) -> str:
    """Return a Call-ID or method for the log: ASCII and short, whatever a peer sent."""
    return text[:120].encode("ascii", "backslashreplace").decode("ascii")
