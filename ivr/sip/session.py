"""What two user agents share once an INVITE made a dialog (RFC 3261 §12).

    Session ──► Negotiation ──► Lifecycle
       │             ├── Change: a re-INVITE or an UPDATE of ours
       │             └── SessionTimer
       ├── Transfer: a REFER of ours
       └── Referral: a REFER of the other side

`IncomingCall` and `OutgoingCall` are Sessions.
"""

from twisted.internet.defer import Deferred

from ivr.sip.address import Address
from ivr.sip.admission import Reply
from ivr.sip.dialog import Dialog
from ivr.sip.errors import CallStateError
from ivr.sip.information import informed
from ivr.sip.lifecycle import Lines, Phase, printable
from ivr.sip.message import Request
from ivr.sip.negotiation import Begin, Negotiation
from ivr.sip.referral import referred
from ivr.sip.replaces import takeover_uri
from ivr.sip.session_host import SessionHost
from ivr.sip.transfer import TRANSFER_WAIT, OnProgress, Transfer, TransferResult, checked

__all__ = ["Lines", "Phase", "Session", "SessionHost", "printable"]


class Session(Negotiation):
    """A dialog of an INVITE, for the application and for the user agent.

    `handler` is the application's side. Methods called after the end do nothing, as
    the end may cross them.
    """

    __slots__ = ("_transfer",)

    def __init__(self, host: SessionHost, dialog: Dialog | None) -> None:
        super().__init__(host, dialog)
        self._transfer: Transfer | None = None

    def transfer(
        self,
        target: "str | Session",
        *,
        referred_by: str = "",
        on_progress: OnProgress | None = None,
        wait: float = TRANSFER_WAIT,
    ) -> Deferred[TransferResult]:
        """Ask the other side to call a URI instead, or to take over our end of a call.

        That is a blind transfer, or an attended one (RFC 5589 §6, §7). Fires with the
        outcome after at most `wait` seconds, and never fails. `referred_by` is a URI
        (RFC 3892); `on_progress` hears the provisional responses that the other side
        gets. Both calls stay until somebody hangs up. Raise CallStateError when not
        answered or when a transfer is under way, ValueError for a URI that is none.
        """
        if not self.established or (self._transfer is not None and self._transfer.running):
            raise CallStateError("a call is transferred after its answer, once at a time")
        uri = takeover_uri(target.dialog) if isinstance(target, Session) else checked(target)
        if referred_by:
            checked(referred_by)
        self._transfer = Transfer(self._host, self.dialog, on_progress)
        return self._transfer.start(uri, referred_by, wait)

    def process(self, request: Request, source: Address, begin: Begin) -> Reply | None:
        """Process any request inside the dialog but ACK, CANCEL, NOTIFY and OPTIONS.

        Return what is to be answered without a transaction. Raise MalformedMessageError
        before anything has changed.
        """
        self._learn(request)
        if request.method == "INVITE":
            return self.reinvited(request, source, begin)
        if request.method == "UPDATE":
            return self.updated(request, source, begin)
        if request.method == "BYE":
            begin().respond(200)
            self._hung_up()
            return None
        if request.method == "INFO":
            return informed(self.handler, request, begin)
        if request.method == "REFER":
            handler = self.handler if self.established else None
            return referred(self._host, self.dialog, handler, request, begin)
        return Reply(481)

    def _released(self) -> None:
        super()._released()
        if self._transfer is not None:
            self._transfer.call_ended()
            self._transfer = None
