"""From the dialog of an INVITE to its end (RFC 3261 §13.3.1.4, §15).

EARLY ──► ANSWERED ── ACK ──► CONFIRMED        (we were called)
EARLY ── 2xx, our ACK ──────► CONFIRMED        (we called)
  └──────────┴─────────────────┴──► ENDED      (BYE, CANCEL, refusal, time-out)
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto

import structlog

from ivr.sip.acceptance import Acceptance
from ivr.sip.dialog import Dialog
from ivr.sip.errors import CallStateError
from ivr.sip.handler import CallEnd, CallHandler
from ivr.sip.message import Request
from ivr.sip.session_host import SessionHost

log = structlog.get_logger()

Lines = Iterable[tuple[str, str]]


class Phase(Enum):
    """How far a session is."""

    EARLY = auto()
    ANSWERED = auto()
    CONFIRMED = auto()
    ENDED = auto()


class Lifecycle:
    """The part of a `Session` that begins and ends it."""

    __slots__ = ("_acceptance", "_dialog", "_host", "_leaving", "_phase", "handler")

    def __init__(self, host: SessionHost, dialog: Dialog | None) -> None:
        self.handler: CallHandler | None = None
        self._host = host
        self._dialog = dialog
        self._acceptance: Acceptance | None = None
        self._phase = Phase.EARLY
        self._leaving: CallEnd | None = None

    @property
    def live(self) -> bool:
        """Whether the call has not ended."""
        return self._phase is not Phase.ENDED

    @property
    def established(self) -> bool:
        """Whether the call was answered and has not ended."""
        return self._phase in (Phase.ANSWERED, Phase.CONFIRMED)

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

    def hang_up(self, end: CallEnd = CallEnd.HUNG_UP_BY_US) -> None:
        """End the call: by what is right before the answer, then by BYE (§15).

        On the called side the BYE waits for the ACK. The handler hears of the `end`
        when the BYE leaves. Idempotent.
        """
        if self._phase is Phase.EARLY:
            self._abandon(end)
        elif self._acceptance is not None:
            self._leaving = self._leaving or end
        elif self.live:
            self._bye(end)

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
        self._confirmed(ack.body if acceptance.wants_answer else b"")
        if self._leaving is not None:
            self._bye(self._leaving)
        elif (
            (first or acceptance.wants_answer)
            and self.handler is not None
            and not self._tell("ack", self.handler.acknowledged, ack.body)
        ):
            self.hang_up()
        self._go_on()

    def shut_down(self) -> None:
        """End at once: one message and no waiting."""
        if self._phase is Phase.EARLY:
            self._abandon(CallEnd.SHUT_DOWN)
        elif self.live:
            self._host.hang_up(self.dialog, (), once=True)
            self._end(CallEnd.SHUT_DOWN)

    # For what stands on this:

    def _abandon(self, end: CallEnd) -> None:
        """End the call before it was answered."""
        self._end(end)

    def _confirmed(self, answer: bytes) -> None:
        """Take the answer that an ACK brought, if it had to bring one."""

    def _go_on(self) -> None:
        """Do what waited for an ACK."""

    def _released(self) -> None:
        """Let go of everything: the call has ended."""

    def _hung_up(self) -> None:
        """Take a BYE that was answered already."""
        self._end(CallEnd.HUNG_UP_BY_PEER)

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
        self._bye(self._leaving or end, (reason,))


def printable(text: str) -> str:
    """Return a Call-ID or method for the log: ASCII and short, whatever a peer sent."""
    return text[:120].encode("ascii", "backslashreplace").decode("ascii")
