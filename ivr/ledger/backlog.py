"""Events that wait to be written, within a bound of memory."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from ivr.ledger.events import Event
from ivr.vocabulary import EventType

_OPENINGS: Final = frozenset({EventType.CALL_STARTED, EventType.TRANSACTION_CREATED})
_LEAST_FIRST: Final = (
    frozenset({EventType.ENTRY_PROGRESS}),
    frozenset({EventType.PROMPT_PLAYED}),
    frozenset(EventType) - _OPENINGS,
)
"""What is given up first. Openings are kept: later events refer to their rows."""


class Backlog:
    """A queue of at most `limit` events that gives up the least telling ones, oldest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Event] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event) -> int:
        """Add `event` at the end. Return how many events were given up, this one included."""
        given_up = 0
        if len(self._waiting) >= self._limit:
            given_up = self._make_room()
            if given_up == 0:
                return 1
        self._waiting.append(event)
        return given_up

    def take(self, most: int) -> list[Event]:
        """Take the oldest events, `most` at most."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def put_back(self, events: Iterable[Event]) -> None:
        """Put events that were taken before the others again."""
        self._waiting.extendleft(reversed(list(events)))

    def _make_room(self) -> int:
        # A hundredth at a time, so that looking through the queue is rare.
        room = max(1, self._limit // 100)
        for kinds in _LEAST_FIRST:
            kept: deque[Event] = deque()
            given_up = 0
            for event in self._waiting:
                if given_up < room and event.type in kinds:
                    given_up += 1
                else:
                    kept.append(event)
            if given_up:
                self._waiting = kept
                return given_up
        return 0
