"""REFER of ours: the other side shall call somebody else (RFC 3515, RFC 5589).

    REFER ── refused ──► REFUSED
      ├── 202 ──► NOTIFY … NOTIFY 200 ──► SUCCEEDED, or a refusal ──► FAILED
      └── no answer, no NOTIFY in time ──► TIMED_OUT

A NOTIFY may overtake the 202.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import structlog
from twisted.internet.defer import Deferred

from ivr.clock import DelayedCall
from ivr.sip.admission import Reply, media_type
from ivr.sip.dialog import Dialog
from ivr.sip.errors import MalformedMessageError
from ivr.sip.message import Request, Response
from ivr.sip.session_host import SessionHost
from ivr.sip.sipfrag import TYPE, parse_sipfrag
from ivr.sip.timers import GIVE_UP
from ivr.sip.uri import SIP_SCHEMES, parse_uri

log = structlog.get_logger()

TRANSFER_WAIT = 180.0
"""Seconds until a transfer of which nothing final is heard has timed out."""

OnProgress = Callable[[int, str], object]
"""Takes the status and reason of a provisional response that the other side got."""


class TransferEnd(StrEnum):
    """How a transfer ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The other side could not reach the target: `status` says why."""
    REFUSED = "refused"
    """The other side does not transfer: `status` says why."""
    UNTOLD = "untold"
    """The other side does it, and tells nothing of what becomes of it."""
    TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True)
class TransferResult:
    """How a transfer ended, with the final response that says so; 0 without one."""

    end: TransferEnd
    status: int = 0
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the target has answered."""
        return self.end is TransferEnd.SUCCEEDED


class Transfer:
    """One REFER and the subscription it makes."""

    def __init__(
        self, host: SessionHost, dialog: Dialog, on_progress: OnProgress | None
    ) -> None:
        self._host = host
        self._dialog = dialog
        self._on_progress = on_progress
        self._result: Deferred[TransferResult] = Deferred()
        self._first_cseq = 0
        self._timer: DelayedCall | None = None
        self._ends_at = 0.0
        self._told_once = False
        self.running = True

    @property
    def dialog(self) -> Dialog:
        """The dialog it goes through."""
        return self._dialog

    def start(self, refer_to: str, referred_by: str, wait: float) -> Deferred[TransferResult]:
        """Send the REFER; fires with the outcome."""
        uri = parse_uri(referred_by) if referred_by else None
        by = (("Referred-By", f"<{uri}>"),) if uri is not None else ()
        lines = [*self._host.request_headers(self._dialog), ("Refer-To", f"<{refer_to}>"), *by]
        self._ends_at = self._host.clock.seconds() + wait
        self._timer = self._host.clock.callLater(wait, self._timed_out)
        self._first_cseq = self._dialog.local_cseq + 1
        self._host.hold(self)
        self._host.requests.ask(self._dialog, "REFER", lines, b"", self._answered)
        return self._result

    def call_ended(self) -> None:
        """Wait no longer than a message may take: the call is over."""
        if self._timer is not None and self._timer.active():
            left = self._ends_at - self._host.clock.seconds()
            self._timer.reset(max(0.0, min(left, GIVE_UP)))

    def shut_down(self) -> None:
        """Give up at once."""
        self._finish(TransferResult(TransferEnd.TIMED_OUT))

    def take_notify(self, notify: Request) -> tuple[Reply, Callable[[], object]]:
        """Take a NOTIFY inside the dialog: the answer, and what it tells us."""
        event, _, params = notify.headers.get("Event").partition(";")
        if event.strip(" \t").lower() != "refer":
            return Reply(489), _nothing
        number = params.strip(" \t").lower().removeprefix("id=")
        if number.isdigit() and int(number[:10]) < self._first_cseq:
            return Reply(481), _nothing
        told: tuple[int, str] | None = None
        if notify.body:
            if media_type(notify.headers.get("Content-Type", TYPE)) != TYPE:
                return Reply(415, (("Accept", TYPE),)), _nothing
            told = parse_sipfrag(notify.body)
        self._told_once = True
        state = notify.headers.get("Subscription-State").partition(";")[0].strip(" \t").lower()
        return Reply(200), partial(self._told, told, over=state == "terminated")

    # Inside:

    def _told(self, told: tuple[int, str] | None, *, over: bool) -> None:
        if told is not None and told[0] >= 200:
            end = TransferEnd.SUCCEEDED if told[0] < 300 else TransferEnd.FAILED
            self._finish(TransferResult(end, *told))
        elif over:
            self._finish(TransferResult(TransferEnd.UNTOLD))
        elif told is not None and self._on_progress is not None and self.running:
            try:
                self._on_progress(*told)
            except Exception:
                log.exception("call-handler-failed", at="transfer")

    def _answered(self, response: Response | None) -> None:
        if response is None:
            if not self._told_once:  # whoever tells how it goes has got the REFER
                self._finish(TransferResult(TransferEnd.TIMED_OUT))
        elif response.status >= 300:
            self._finish(TransferResult(TransferEnd.REFUSED, response.status, response.reason))
        elif response.headers.get("Refer-Sub").lower().startswith("false"):
            self._finish(TransferResult(TransferEnd.UNTOLD, response.status, response.reason))

    def _timed_out(self) -> None:
        self._finish(TransferResult(TransferEnd.TIMED_OUT))

    def _finish(self, result: TransferResult) -> None:
        if not self.running:
            return
        self.running = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._host.release(self)
        self._result.callback(result)


def _nothing() -> None:
    """Do nothing."""


def checked(target: str) -> str:
    """Return `target` for Refer-To. Raise ValueError when nobody can be asked to call that."""
    try:
        uri = parse_uri(target)
    except MalformedMessageError as error:
        raise ValueError(str(error)) from error
    if uri.scheme not in SIP_SCHEMES | {"tel"} or set(target) & set('<>" \r\n'):
        raise ValueError("a call is transferred to a SIP or telephone URI")
    return target
