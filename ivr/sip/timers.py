"""Timers of RFC 3261 §17, few and small.

One call costs one running timer: the repetition of whatever waits for its
confirmation. Everything that lingers for a fixed time shares one timer.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ivr.clock import Clock, DelayedCall

T1 = 0.5
"""Seconds: the round-trip time estimate."""
T2 = 4.0
"""Seconds: the longest interval between two repetitions."""
T4 = 5.0
"""Seconds: the longest time a message stays in the network."""
GIVE_UP = 64 * T1
"""Seconds: timers B, D, F, H, J, L, M, and the wait for an ACK."""

T = TypeVar("T")


class Repetition:
    """Sends again after T1, 2·T1, 4·T1 … at most T2, and gives up after 64·T1.

    Timers E and F, G and H, and the repetition of a 200 (RFC 3261 §13.3.1.4)
    all are this; timers A and B too, with no `longest` interval. The first sending
    is the caller's. What goes over a `reliable` transport is only given up.
    """

    __slots__ = ("_call", "_clock", "_deadline", "_give_up", "_interval", "_longest", "_send")

    def __init__(
        self,
        clock: Clock,
        send: Callable[[], object],
        give_up: Callable[[], object],
        *,
        longest: float = T2,
        reliable: bool = False,
    ) -> None:
        self._clock = clock
        self._deadline = clock.seconds() + GIVE_UP
        self._interval = T1
        self._longest = longest
        self._send: Callable[[], object] | None = send
        self._give_up: Callable[[], object] | None = give_up
        first = GIVE_UP if reliable else T1
        self._call: DelayedCall | None = clock.callLater(first, self._fire)

    def slow_down(self) -> None:
        """From the next time on repeat every T2: a provisional response came (§17.1.2.2)."""
        self._interval = T2

    def stop(self) -> None:
        """Repeat no more. Idempotent."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        # The callables lead back to the owner: without them nothing waits for the collector.
        self._call = self._send = self._give_up = None

    def _fire(self) -> None:
        send, give_up = self._send, self._give_up
        if send is None or give_up is None:
            return
        left = self._deadline - self._clock.seconds()
        if left <= 0:
            self.stop()
            give_up()
            return
        send()
        if self._send is None:
            return
        self._interval = min(2 * self._interval, self._longest)
        self._call = self._clock.callLater(min(self._interval, left), self._fire)


class Lingering(Generic[T]):
    """Calls `expired(item)` a fixed time after `add(item)`: any number of items, one timer."""

    __slots__ = ("_call", "_clock", "_delay", "_expired", "_queue")

    def __init__(self, clock: Clock, delay: float, expired: Callable[[T], object]) -> None:
        self._clock = clock
        self._delay = delay
        self._expired = expired
        self._queue: deque[tuple[float, T]] = deque()
        self._call: DelayedCall | None = None

    def add(self, item: T) -> None:
        """Start to wait for `item`."""
        self._queue.append((self._clock.seconds() + self._delay, item))
        if self._call is None:
            self._call = self._clock.callLater(self._delay, self._fire)

    def clear(self) -> None:
        """Forget all items without calling anything."""
        self._queue.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def __len__(self) -> int:
        return len(self._queue)

    def _fire(self) -> None:
        self._call = None
        now = self._clock.seconds()
        while self._queue and self._queue[0][0] <= now:
            self._expired(self._queue.popleft()[1])
        if self._queue and self._call is None:
            self._call = self._clock.callLater(max(0.0, self._queue[0][0] - now), self._fire)
