"""What two user agents share once an INVITE made a dialog (RFC 3261 §12–§15).

Of a call that came in or that we made: `IncomingCall` and `OutgoingCall` are Sessions.

    EARLY ──► ANSWERED ── ACK ──► CONFIRMED        (we were called)
    EARLY ── 2xx, our ACK ──────► CONFIRMED        (we called)
      └──────────┴─────────────────┴──► ENDED      (BYE, CANCEL, refusal, time-out)
"""

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
from ivr.sip.server_transaction import ServerTransaction

log = structlog.get_logger()

Lines = Iterable[tuple[str, str]]


class SessionHost(Protocol):
    """What a session needs of its user agent."""

    clock: Clock

    @property
    def name(self) -> str:
        """How we call ourselves in Warning headers."""

    def session_headers(self, request: Request) -> Lines:
        """Return Contact and the capabilities that go into a response to INVITE."""

    def rings(self, dialog: DialogId) -> None:
        """Repeat the 180 now and then (RFC 3261 §13.3.1.1)."""

    def hang_up(self, dialog: Dialog, headers: Lines, *, once: bool) -> None:
        """Send BYE; repeat it until it is answered unless `once`."""

    def join(self, session: "Session", dialog: Dialog) -> None:
        """Hand requests inside `dialog` to `session` from now on."""

    def leave(self, dialog: Dialog) -> None:
        """Answer requests inside `dialog` with 481 from now on."""

    def ended(self, session: "Session") -> None:
        """Forget a session and its dialog: it has ended."""


class Phase(Enum):
    """How far a session is."""

    EARLY = auto()
    ANSWERED = auto()
    CONFIRMED = auto()
    ENDED = auto()


class Session:
    """A dialog of an INVITE, for the application and for the user agent.

    `handler` is the application's side. Methods called after the end do nothing, as
    the end may cross them.
    """

    __slots__ = ("_acceptance", "_dialog", "_host", "_leaving", "_phase", "handler")

    def __init__(self, host: SessionHost, dialog: Dialog | None) -> None:
        self.handler: CallHandler | None = None
        self._host = host
        self._dialog = dialog
        self._acceptance: Acceptance | None = None
        self._phase = Phase.EARLY
        self._leaving = False

    @property
    def live(self) -> bool:
        """Whether the call has not ended."""
        return self._phase is not Phase.ENDED

    @property
    def has_dialog(self) -> bool:
        """Whether there is a dialog: a call that we make has none at first."""
        return self._dialog is not None

    @property
    def dialog(self) -> Dialog:
        """The dialog. Raise CallStateError while there is none."""
        if self._dialog is None:
            raise CallStateError("the call has no dialog yet")
        return self._dialog

    # The application calls:

    def hang_up(self) -> None:
        """End the call: by what is right before the answer, then by BYE (§15).

        On the called side the BYE waits for the ACK. The handler hears of the end
        when the BYE leaves. Idempotent.
        """
        if self._phase is Phase.EARLY:
            self._abandon(CallEnd.HUNG_UP_BY_US)
        elif self._acceptance is not None:
            self._leaving = True
        elif self.live:
            self._bye(CallEnd.HUNG_UP_BY_US)

    # The user agent calls:

    def acknowledged(self, ack: Request) -> None:
        """Take an ACK inside the dialog."""
        acceptance = self._acceptance
        if acceptance is None or ack.cseq.number != acceptance.cseq:
            return
        acceptance.stop()
        self._acceptance = None
        first = self._phase is Phase.ANSWERED
        self._phase = Phase.CONFIRMED
        if self._leaving:
            self._bye(CallEnd.HUNG_UP_BY_US)
        elif (
            (first or acceptance.wants_answer)
            and self.handler is not None
            and not self._tell("ack", self.handler.acknowledged, ack.body)
        ):
            self.hang_up()

    def refusal_of_reinvite(self) -> Reply | None:
        """Return why a re-INVITE cannot be processed now (RFC 5407 §3.1.4)."""
        return None if self._acceptance is None else Reply(491)

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
            log.exception("call-handler-failed", call_id=self._log_id, at="re-invite")
            transaction.respond(500)
            return
        if not self.live:
            transaction.respond(487)
            return
        self.dialog.refresh_target(invite, source)
        self._accept(invite, transaction, body)

    def hung_up(self) -> None:
        """Take a BYE that was answered already."""
        self._end(CallEnd.HUNG_UP_BY_PEER)

    def shut_down(self) -> None:
        """End at once: one message and no waiting."""
        if self._phase is Phase.EARLY:
            self._abandon(CallEnd.SHUT_DOWN)
        elif self.live:
            self._host.hang_up(self.dialog, (), once=True)
            self._end(CallEnd.SHUT_DOWN)

    # For the two kinds of call:

    def _abandon(self, end: CallEnd) -> None:
        """End the call before it was answered."""
        self._end(end)

    def _released(self) -> None:
        """Let go of what only the kind of call knows: it has ended."""

    def _accept(self, invite: Request, transaction: ServerTransaction, body: bytes) -> None:
        """Send a 200 until it is acknowledged."""
        lines = list(self._host.session_headers(invite))
        if body:
            lines.append(("Content-Type", BODY_TYPE))
        self._acceptance = acceptance = Acceptance(
            self._host.clock, invite, transaction, self._never_acknowledged
        )
        acceptance.left = transaction.respond(200, headers=lines, body=body)

    def _bye(self, end: CallEnd, headers: Lines = ()) -> None:
        self._host.hang_up(self.dialog, headers, once=False)
        self._end(end)

    def _end(self, end: CallEnd) -> None:
        if not self.live:
            return
        self._phase = Phase.ENDED
        if self._acceptance is not None:
            self._acceptance.stop()
            self._acceptance = None
        self._released()
        handler, self.handler = self.handler, None
        self._host.ended(self)
        if handler is not None:
            self._tell("end", handler.ended, end)

    def _tell(self, at: str, listener: Callable[..., object], *what: object) -> bool:
        """Tell the application; return whether it took that without raising."""
        try:
            listener(*what)
        except Exception:
            log.exception("call-handler-failed", call_id=self._log_id, at=at)
            return False
        return True

    @property
    def _log_id(self) -> str | None:
        return None if self._dialog is None else printable(self._dialog.id[0])

    def _never_acknowledged(self) -> None:
        left = self._acceptance is not None and self._acceptance.left
        end = CallEnd.ACK_TIMEOUT if left else CallEnd.TRANSPORT_ERROR
        log.warning("call-not-acknowledged", call_id=self._log_id, end=end)
        reason = ("Reason", 'SIP;cause=408;text="No ACK"')
        self._bye(CallEnd.HUNG_UP_BY_US if self._leaving else end, (reason,))


def printable(text: str) -> str:
    """Return a Call-ID or method for the log: ASCII and short, whatever a peer sent."""
    return text[:120].encode("ascii", "backslashreplace").decode("ascii")
