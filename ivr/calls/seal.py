"""How long valid card fields are kept while an agent has the call."""

from collections.abc import Callable

from ivr.clock import Clock, DelayedCall


class Seal:
    """Calls `wipe` when `seconds` have passed since `start`, unless `stop` comes first."""

    def __init__(self, clock: Clock, seconds: float, wipe: Callable[[], object]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._wipe = wipe
        self._end: DelayedCall | None = None

    def start(self) -> None:
        """Begin to wait, or begin anew."""
        self.stop()
        self._end = self._clock.callLater(self._seconds, self._wipe)

    def stop(self) -> None:
        """Keep them from now on. Idempotent."""
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._end = None
