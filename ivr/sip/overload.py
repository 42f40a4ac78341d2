"""Whether this process keeps up, by how late its timers are."""

from ivr.clock import Clock, DelayedCall

TICK = 0.1
"""Seconds between two looks."""
ENTER = 0.15
"""Seconds of lateness, on average of some ten looks, from which new calls are refused.

A caller who is answered this late still pays; one who is refused does not.
"""
LEAVE = 0.05
"""Seconds of lateness below which they are taken again …"""
CALM = 1.0
"""… once it was that low for these seconds."""
_WEIGHT = 0.2
_AT_MOST = 0.6
"""Seconds that one look counts for: a single pause, however long, is no overload."""


class LagMeter:
    """Says `overloaded` from when the event loop falls behind until it has caught up.

    A single long pause, as the collector's or another program's, does not count.
    """

    def __init__(self, clock: Clock) -> None:
        self.lag = 0.0
        self.overloaded = False
        self._clock = clock
        self._due = 0.0
        self._calm_since: float | None = None
        self._call: DelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        self._plan()

    def stop(self) -> None:
        """Look no more. Idempotent."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _plan(self) -> None:
        self._due = self._clock.seconds() + TICK
        self._call = self._clock.callLater(TICK, self._look)

    def _look(self) -> None:
        now = self._clock.seconds()
        late = min(max(0.0, now - self._due), _AT_MOST)
        self.lag += _WEIGHT * (late - self.lag)
        if self.lag >= ENTER:
            self.overloaded = True
            self._calm_since = None
        elif self.lag >= LEAVE:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        if self._calm_since is not None and now >= self._calm_since + CALM:
            self.overloaded = False
        self._plan()
