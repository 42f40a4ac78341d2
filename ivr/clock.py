"""The part of Twisted's reactor that tells the time, so that it can be passed in.

Everything that waits receives a `Clock`: the reactor in a process,
`twisted.internet.task.Clock` in a test.
"""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred


class DelayedCall(Protocol):
    """A call that was promised for later (`twisted.internet.interfaces.IDelayedCall`)."""

    def cancel(self) -> None:
        """Never make the call. Raise `AlreadyCalled` or `AlreadyCancelled` when too late."""

    def active(self) -> bool:
        """Whether the call is still to come."""

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803 - Twisted's name
        """Make the call that many seconds from now instead."""


class Clock(Protocol):
    """Seconds and timers (`twisted.internet.interfaces.IReactorTime`)."""

    def seconds(self) -> float:
        """Return the time in seconds; only differences mean anything."""

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        """Call `callable` after `delay` seconds."""


def at_most(clock: Clock, seconds: float, work: Deferred[Any]) -> Deferred[None]:
    """Return what fires when `work` has ended, well or not, or after `seconds`; never fails."""
    over: Deferred[None] = Deferred()
    late = clock.callLater(seconds, over.callback, None)

    def ended(_: object) -> None:
        if late.active():
            late.cancel()
            over.callback(None)

    work.addBoth(ended)
    return over
