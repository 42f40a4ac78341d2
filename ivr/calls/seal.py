"""How long valid card fields are kept while an agent has the call."""

from collections.abc import Callable

from ivr.clock import Clock, DelayedCall
from ivr.journey.sealed_card import Left


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


class LeftJourneys:
    """Journeys whose calls a PBX has moved to an agent, until another call goes on with them.

    Each is kept for `seconds`, by its transaction; then the card is wiped, and whoever comes
    begins anew. Another node knows nothing of it.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._kept: dict[str, tuple[Left, DelayedCall]] = {}

    def leave(self, transaction_id: str, left: Left) -> None:
        """Keep what was left; the card is ours from now on."""
        self._forget(transaction_id)
        end = self._clock.callLater(self._seconds, self._forget, transaction_id)
        self._kept[transaction_id] = (left, end)

    def take(self, transaction_id: str) -> Left | None:
        """Give back what was left, once; None where there is nothing."""
        found = self._kept.pop(transaction_id, None)
        if found is None:
            return None
        left, end = found
        end.cancel()
        return left

    def wipe(self) -> None:
        """Forget all of them."""
        for transaction_id in list(self._kept):
            self._forget(transaction_id)

    def _forget(self, transaction_id: str) -> None:
        found = self._kept.pop(transaction_id, None)
        if found is not None:
            left, end = found
            left.card.wipe()
            if end.active():
                end.cancel()
