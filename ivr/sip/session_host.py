"""What a session needs of its user agent."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from ivr.clock import Clock
from ivr.sip.admission import Reply
from ivr.sip.dialog import Dialog, DialogId
from ivr.sip.in_dialog import DialogClient
from ivr.sip.message import Request
from ivr.sip.session_timer import TimerPolicy

if TYPE_CHECKING:
    from ivr.sip.lifecycle import Lifecycle

Lines = Iterable[tuple[str, str]]


class Usage(Protocol):
    """Something in a dialog that may live longer than its call: a subscription."""

    @property
    def dialog(self) -> Dialog:
        """The dialog it uses."""

    def take_notify(self, notify: Request) -> tuple[Reply, Callable[[], object]]:
        """Take a NOTIFY of the dialog; 481 when it is none of this usage.

        Return what to do once it is answered, too. Raise MalformedMessageError.
        """

    def shut_down(self) -> None:
        """End at once."""


class SessionHost(Protocol):
    """What a session needs of its user agent."""

    clock: Clock
    requests: DialogClient
    timers: TimerPolicy

    @property
    def name(self) -> str:
        """How we call ourselves in Warning headers."""

    def session_headers(self, request: Request) -> Lines:
        """Return Contact and the capabilities that go into a response to INVITE."""

    def request_headers(self, dialog: Dialog) -> Lines:
        """Return Contact and the capabilities that go into a target refresh request."""

    def rings(self, dialog: DialogId) -> None:
        """Repeat the 180 now and then (RFC 3261 §13.3.1.1)."""

    def hang_up(self, dialog: Dialog, headers: Lines, *, once: bool) -> None:
        """Send BYE; repeat it until it is answered unless `once`."""

    def join(self, session: "Lifecycle", dialog: Dialog) -> None:
        """Hand requests inside `dialog` to `session` from now on."""

    def leave(self, dialog: Dialog) -> None:
        """Answer requests inside `dialog` with 481 from now on."""

    def ended(self, session: "Lifecycle") -> None:
        """Forget a session and its dialog: it has ended."""

    def hold(self, usage: Usage) -> None:
        """Keep a usage, and hand it the NOTIFYs of its dialog if it takes them."""

    def release(self, usage: Usage) -> None:
        """Forget a usage: it is over."""
