"""Which of several targets is tried next, and which is left alone for a while.

RFC 3263 §4.3: a time-out, a transport error and a 503 send a request to the next
target. RFC 3261 §21.5.4: a 503 with Retry-After closes a target for that time.
"""

from collections.abc import Iterable
from math import ceil
from typing import Protocol

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.outcome import Outcome

SILENT_FOR = 60.0
"""Seconds a target that did not answer is tried after all others."""
MAX_RETRY_AFTER = 300.0
"""Seconds at most that Retry-After is believed: nobody takes a trunk away for a day."""
_ENTRIES = 256


class Penalties:
    """Remembers which targets did not answer, and which asked to be left alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent: dict[Address, float] = {}
        self._closed: dict[Address, float] = {}

    def silent(self, target: Address) -> None:
        """Note that `target` did not answer."""
        self._note(self._silent, target, SILENT_FOR)

    def closed(self, target: Address, seconds: float) -> None:
        """Note that `target` wants no request for that long."""
        self._note(self._closed, target, min(seconds, MAX_RETRY_AFTER))

    def answered(self, target: Address) -> None:
        """Note that `target` answers again."""
        self._silent.pop(target, None)

    def order(self, targets: Iterable[Address]) -> list[Address]:
        """Return the targets in their order: silent ones last, closed ones not at all."""
        if not self._silent and not self._closed:
            return list(targets)
        now = self._clock.seconds()
        open_ = [one for one in targets if self._closed.get(one, now) <= now]
        return sorted(open_, key=lambda one: self._silent.get(one, now) > now)

    def wait(self, targets: Iterable[Address]) -> int:
        """Return the seconds until the first of `targets` is open again, 0 when one is."""
        now = self._clock.seconds()
        left = [self._closed.get(one, now) - now for one in targets]
        return max(0, ceil(min(left, default=0)))

    def _note(self, table: dict[Address, float], target: Address, seconds: float) -> None:
        now = self._clock.seconds()
        for known, until in list(table.items()):
            if until <= now:
                del table[known]
        if len(table) < _ENTRIES or target in table:
            table[target] = now + seconds


class Targets:
    """The targets of one request, one after another."""

    __slots__ = ("_left", "_penalties", "current")

    def __init__(self, penalties: Penalties, ordered: list[Address]) -> None:
        self._penalties = penalties
        self.current, *self._left = ordered

    @property
    def more(self) -> bool:
        """Whether there is another one to try."""
        return bool(self._left)

    def answered(self) -> None:
        """Note that the current one answers."""
        self._penalties.answered(self.current)

    def failed(self, retry_after: float | None = None) -> bool:
        """Note that the current one did not do, and go on; return whether there is another."""
        if retry_after is None:
            self._penalties.silent(self.current)
        else:
            self._penalties.closed(self.current, retry_after)
        return self.skip()

    def skip(self) -> bool:
        """Go on to the next one; return whether there is one."""
        if not self._left:
            return False
        self.current = self._left.pop(0)
        return True


class Finder(Protocol):
    """Who waits for targets."""

    def targets_found(self, targets: Targets) -> None:
        """Take the targets."""

    def no_target(self, outcome: Outcome) -> None:
        """Learn that there are none; never at once."""
