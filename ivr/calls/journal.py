"""What happened in one call, as events for the ledger."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ivr.ledger.details import Direction, EventDetail
from ivr.ledger.events import Event, call_started, new_id, transaction_created
from ivr.media.reports import Quality
from ivr.vocabulary import EventType, Result, Step


class EventSink(Protocol):
    """Takes events to be committed; never blocks, never raises."""

    def record(self, event: Event) -> None:
        """Queue one event."""


class Journal:
    """The events of one call and of the transaction it carries.

    `transaction_id` is a new one's, until the call turns out to carry one that stands.
    """

    def __init__(
        self,
        sink: EventSink,
        now: Callable[[], datetime],
        call_id: str | None = None,
        transaction_id: str | None = None,
    ) -> None:
        """`call_id` and `transaction_id` are new ones, unless they were promised before."""
        self.call_id = call_id or new_id()
        self.transaction_id = transaction_id or new_id()
        self._sink = sink
        self._now = now
        self._step = Step.WELCOME

    def call_started(
        self,
        *,
        caller: str,
        called: str,
        sip_call_id: str,
        direction: Direction = Direction.INBOUND,
    ) -> None:
        """Open the call."""
        self._sink.record(
            call_started(
                self.call_id,
                self._now(),
                direction=direction,
                caller=caller,
                called=called,
                sip_call_id=sip_call_id,
            )
        )

    def call(self, event: EventType, detail: EventDetail | None = None) -> None:
        """Record an event of the call itself."""
        self._sink.record(
            Event(event, self._now(), self.call_id, detail=detail or EventDetail())
        )

    def call_quality(self, quality: Quality) -> None:
        """Record how well the packets of the call travelled, if that is known at all."""
        expected = quality.received + max(quality.lost, 0)
        if not expected and quality.peer_lost is None:
            return
        missed = None if quality.peer_lost is None else quality.peer_lost / (quality.sent or 1)
        detail = EventDetail(
            loss=max(quality.lost, 0) / expected if expected else None,
            peer_loss=missed,
            jitter=quality.jitter if quality.received else None,
            round_trip=quality.round_trip,
        )
        self.call(EventType.CALL_QUALITY, detail)

    def transaction_created(self, language: str, channel: str = "inbound-call") -> None:
        """Open the transaction that this call is to carry."""
        self._sink.record(
            transaction_created(
                self.transaction_id,
                self._now(),
                call_id=self.call_id,
                channel=channel,
                journey="payment",
                language=language,
            )
        )

    def transaction_transferred(self, transaction_id: str, how: str) -> None:
        """Carry a transaction that stands; `how` says by which sign it was known."""
        self.transaction_id = transaction_id
        self(EventType.TRANSACTION_TRANSFERRED, Step.WELCOME, EventDetail(reason=how))

    def __call__(self, event: EventType, step: Step, detail: EventDetail | None = None) -> None:
        """Record an event of the transaction, at `step` of the journey."""
        self._step = step
        self._sink.record(
            Event(
                event,
                self._now(),
                self.call_id,
                self.transaction_id,
                step,
                detail or EventDetail(),
            )
        )

    def transaction_ended(self, result: Result) -> None:
        """Close the transaction at the step it has reached."""
        self(EventType.TRANSACTION_ENDED, self._step, EventDetail(result=result))
