"""What becomes of the trunks, as events for the ledger: each change once."""

from collections.abc import Callable
from datetime import datetime

from ivr.calls.journal import EventSink
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.sip.line import Line
from ivr.sip.outcome import Outcome
from ivr.sip.registration import Registered
from ivr.sip.watch import LineState
from ivr.vocabulary import EventType


class TrunkJournal:
    """Tells a sink of each trunk that comes up, goes down, is registered or no more."""

    def __init__(self, sink: EventSink, now: Callable[[], datetime]) -> None:
        self._sink = sink
        self._now = now
        self._up: dict[str, bool] = {}
        self._registered: dict[str, bool] = {}

    def changed(self, line: Line) -> None:
        """Take a line's registration or state, of which something may have changed."""
        name = line.trunk.name
        if line.watch is not None and line.watch.status.state is not LineState.UNKNOWN:
            status = line.watch.status
            up = status.state is LineState.UP
            if self._up.get(name) is not up:
                self._up[name] = up
                if up:
                    self._tell(EventType.TRUNK_UP, name, round_trip=status.round_trip)
                else:
                    self._tell(EventType.TRUNK_DOWN, name, _reason(status.last))
        if line.registration is None:
            return
        state, last = line.registration.status.state, line.registration.status.last
        if state is Registered.REGISTERED and not self._registered.get(name):
            self._registered[name] = True
            self._tell(EventType.TRUNK_REGISTERED, name)
        # While a refresh is under way, nothing is known yet.
        over = state in (Registered.WAITING, Registered.OFF)
        if over and self._registered.get(name, state is Registered.WAITING):
            self._registered[name] = False
            self._tell(EventType.TRUNK_UNREGISTERED, name, _reason(last))

    def _tell(
        self,
        event: EventType,
        trunk: str,
        reason: str | None = None,
        round_trip: float | None = None,
    ) -> None:
        detail = EventDetail(trunk=trunk, reason=reason, round_trip=round_trip)
        self._sink.record(Event(event, self._now(), detail=detail))


def _reason(last: Outcome | None) -> str | None:
    if last is None:
        return None
    return "no-answer" if last.local else f"sip-{last.status}"
