"""REFER that comes in: the other side wants us to call somebody (RFC 3515, 4488, 3892).

202 ──► NOTIFY 100 ──► progress() ──► … ──► finish(): NOTIFY, terminated
              └── the other side has forgotten it, or 180 s ──► over
"""

from collections import deque
from collections.abc import Callable

import structlog

from ivr.clock import DelayedCall
from ivr.sip.admission import Reply
from ivr.sip.dialog import Dialog
from ivr.sip.errors import MalformedMessageError
from ivr.sip.handler import TransferHandler
from ivr.sip.message import Request, Response
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.replaces import Replaces, replaces_in
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.session_host import SessionHost
from ivr.sip.sipfrag import CONTENT_TYPE, render_sipfrag

log = structlog.get_logger()

SUBSCRIPTION = 180
"""Seconds for which the other side is told."""


class Referral:
    """A wish of the other side, for the application.

    `target` is Refer-To, `method` what to send there, `replaces` the call to take
    over there, `referred_by` who the other side says it is. Nothing of that is
    proved. Raise MalformedMessageError for a REFER that is not understood.
    """

    def __init__(self, host: SessionHost, dialog: Dialog, request: Request) -> None:
        targets = request.headers.lines("Refer-To")
        if len(targets) != 1:
            raise MalformedMessageError("REFER needs one Refer-To", request)
        self.target: NameAddr = parse_name_addr(targets[0])
        uri = self.target.uri
        self.method = (uri.param("method") or "INVITE").upper()
        self.replaces: Replaces | None = replaces_in(uri)
        by = request.headers.get("Referred-By")
        self.referred_by: NameAddr | None = parse_name_addr(by) if by else None
        self.request = request
        self.silent = request.headers.get("Refer-Sub").lower().partition(";")[0].strip() == (
            "false"
        )
        """Whether the other side does not want to be told (RFC 4488)."""
        self._host = host
        self._dialog = dialog
        self._refusal: tuple[int, str] | None = None
        self._queue: deque[tuple[int, str, str]] = deque()
        self._last = (100, "")
        self._busy = False
        self._over = False
        self._expiry: DelayedCall | None = None
        self._ends_at = 0.0

    @property
    def dialog(self) -> Dialog:
        """The dialog it came in."""
        return self._dialog

    # The application calls:

    def refuse(self, status: int = 603, reason: str = "") -> None:
        """Answer the REFER with 400–699 instead of 202; inside `referred` only."""
        if not 400 <= status <= 699:
            raise ValueError(f"a REFER is not refused with {status}")
        self._refusal = (status, reason)

    def progress(self, status: int, reason: str = "") -> None:
        """Tell a provisional response of the new call."""
        if not 100 <= status <= 199:
            raise ValueError(f"{status} is no progress")
        self._tell(status, reason, f"active;expires={self._left()}")

    def finish(self, status: int, reason: str = "") -> None:
        """Tell the final response of the new call; the last word. Idempotent."""
        if not 200 <= status <= 699:
            raise ValueError(f"{status} is no end")
        self._tell(status, reason, "terminated;reason=noresource")

    # Inside:

    def answer(self, handler: TransferHandler, transaction: ServerTransaction) -> None:
        """Ask the application, then answer."""
        try:
            handler.referred(self)
        except Exception:
            log.exception("call-handler-failed", at="refer")
            self._refusal = (500, "")
        if self._refusal is not None:
            status, reason = self._refusal
            self._over = True
            transaction.respond(status, reason=reason)
            return
        silent = (("Refer-Sub", "false"),) if self.silent else ()
        lines = [*self._host.request_headers(self._dialog), *silent]
        transaction.respond(202, headers=lines)
        if self.silent:
            self._over = True
            return
        clock = self._host.clock
        self._ends_at = clock.seconds() + SUBSCRIPTION
        self._expiry = clock.callLater(SUBSCRIPTION, self._expired)
        self._host.hold(self)
        # What the application told before the 202 comes after the NOTIFY that has to be first.
        self._queue.appendleft((100, "", f"active;expires={SUBSCRIPTION}"))
        self._send()

    def shut_down(self) -> None:
        """Tell nothing any more."""
        self._over = True
        self._queue.clear()
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self._expiry = None

    def take_notify(
        self,
        notify: Request,  # noqa: ARG002 - whatever it says
    ) -> tuple[Reply, Callable[[], object]]:
        """Refuse a NOTIFY: it is us who tell."""
        return Reply(481), _nothing

    def _left(self) -> int:
        return max(1, round(self._ends_at - self._host.clock.seconds()))

    def _tell(self, status: int, reason: str, state: str) -> None:
        render_sipfrag(status, reason)
        if not self._over:
            self._queue.append((status, reason, state))
            self._over = state.startswith("terminated")
            self._send()

    def _send(self) -> None:
        """Send the next NOTIFY once the last was answered: they must not overtake."""
        if self._busy or not self._queue or self._expiry is None:
            return
        while len(self._queue) > 1 and self._queue[0][0] == self._queue[1][0] < 200:
            self._queue.popleft()
        status, reason, state = self._queue.popleft()
        self._last = (status, reason)
        self._busy = True
        lines = (
            *self._host.request_headers(self._dialog),
            ("Event", f"refer;id={self.request.cseq.number}"),
            ("Subscription-State", state),
            CONTENT_TYPE,
        )
        self._host.requests.ask(
            self._dialog, "NOTIFY", lines, render_sipfrag(status, reason), self._answered
        )

    def _answered(self, response: Response | None) -> None:
        self._busy = False
        forgotten = response is None or response.status >= 300
        if forgotten or (self._over and not self._queue):
            self._release()
        else:
            self._send()

    def _expired(self) -> None:
        self._tell(*self._last, "terminated;reason=timeout")

    def _release(self) -> None:
        self.shut_down()
        self._host.release(self)


def _nothing() -> None:
    """Do nothing."""


def referred(
    host: SessionHost,
    dialog: Dialog,
    handler: object,
    request: Request,
    begin: Callable[[], ServerTransaction],
) -> Reply | None:
    """Process a REFER inside a call; raise MalformedMessageError."""
    if not isinstance(handler, TransferHandler):
        return Reply(603, reason="No transfer here")
    referral = Referral(host, dialog, request)
    referral.answer(handler, begin())
    return None
