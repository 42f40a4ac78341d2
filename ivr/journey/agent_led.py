"""Card fields captured while an agent stays on the line and does the talking.

idle ── start ── a field ─┬─ taken ── the next that is missing … all three: ready
                ▲         └─ mistaken: asked for again by the agent
                └── capture: the agent asks for one field, again
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from ivr.clock import Clock
from ivr.journey.line import Recorder
from ivr.journey.progress import progress_of
from ivr.journey.questions import Questions
from ivr.journey.sealed_card import FIELDS, SealedCard
from ivr.keypad.capture import Entry, FieldCapture, Mistake
from ivr.keypad.field import Field
from ivr.keypad.rhythm import Rhythm
from ivr.ledger.details import EventDetail
from ivr.vocabulary import EventType, Step

_PAUSE = 8.0
"""Seconds between two keys: the agent is heard meanwhile, and digits are read out."""


class Keys(Protocol):
    """Where the debtor's keys come from (`ivr.journey.line.Line`)."""

    on_key: Callable[[str, float], None]


class AgentLedCapture:
    """One capture; `start` takes the line's keys and `stop` gives them back.

    Nothing is said: the agent sees the events, and speaks. A field waits for its first key as
    long as it takes.
    """

    def __init__(
        self, clock: Clock, line: Keys, questions: Questions, record: Recorder, card: SealedCard
    ) -> None:
        self._clock = clock
        self._line = line
        self._questions = questions
        self._record = record
        self._card = card
        self._rhythm = Rhythm()
        self._before: Callable[[str, float], None] | None = None
        self._capture: FieldCapture | None = None
        self._step: Step | None = None
        self._attempts: dict[Step, int] = {}

    @property
    def running(self) -> bool:
        """Whether keys are captured."""
        return self._before is not None

    @property
    def ready(self) -> bool:
        """Whether the card is complete."""
        return self._card.missing is None and self._capture is None

    def start(self) -> None:
        """Capture the fields that are missing, one after the other."""
        if self._before is None:
            self._before = self._line.on_key
            self._line.on_key = self._key
            self._record(EventType.CAPTURE_STARTED, self._card.missing or Step.CONFIRM)
            self._next()

    def ask(self, step: Step) -> bool:
        """Capture the field of `step`, again perhaps; False for what is no card field."""
        if step not in FIELDS or self._before is None:
            return False
        self._abandon()
        self._begin(step)
        return True

    def stop(self, why: str) -> None:
        """Capture no more. What is valid stays sealed with whoever owns the card."""
        if self._before is None:
            return
        self._abandon()
        self._line.on_key, self._before = self._before, None
        self._record(
            EventType.CAPTURE_STOPPED, self._step or Step.CARD_NUMBER, EventDetail(reason=why)
        )

    def _next(self) -> None:
        missing = self._card.missing
        if missing is not None:
            self._begin(missing)
        else:
            self._record(EventType.STEP_ENTERED, Step.CONFIRM)

    def _begin(self, step: Step) -> None:
        self._step = step
        attempt = self._attempts[step] = self._attempts.get(step, 0) + 1
        self._record(EventType.STEP_ENTERED, step, EventDetail(attempt=min(attempt, 99)))
        self._listen(step)

    def _listen(self, step: Step) -> None:
        # The first time-out never starts, because nobody calls `listen`.
        capture = FieldCapture(
            self._clock, self._field(step), self._rhythm, progress_of(self._record, step)
        )
        self._capture = capture
        capture.done.addCallback(self._done, capture, step)

    def _done(self, heard: Entry | Mistake, capture: FieldCapture, step: Step) -> None:
        if capture is not self._capture:
            return
        self._capture = None
        attempt = min(self._attempts[step], 99)
        if isinstance(heard, Mistake):
            detail = EventDetail(error=heard.error, attempt=attempt)
            self._record(EventType.ENTRY_ERROR, step, detail)
            self._attempts[step] += 1
            self._listen(step)
            return
        self._card.keep(step, heard.digits)
        self._record(EventType.ENTRY_ACCEPTED, step, EventDetail(attempt=attempt))
        self._next()

    def _field(self, step: Step) -> Field:
        questions = self._questions
        if step is Step.CARD_NUMBER:
            field = questions.card_number
        elif step is Step.EXPIRATION_DATE:
            field = questions.expiration_date
        else:
            field = questions.security_code(self._card.security_code_length)
        return replace(field, timeouts=replace(field.timeouts, between=_PAUSE))

    def _key(self, key: str, gap: float) -> None:
        if self._capture is not None:
            self._capture.press(key, gap)

    def _abandon(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.abandon()
