"""Saying and asking on one line: barge-in, type-ahead, mistakes, attempts.

A key stops the prompt at the next 20 ms and counts. Keys pressed ahead of a question
are kept for it, until a mistake or a question that must be heard drops them.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from ivr.clock import Clock
from ivr.journey.line import CallerHungUpError, Line, Recorder, SuspendedError
from ivr.journey.progress import progress_of
from ivr.journey.voice import Spoken, Voice
from ivr.keypad.capture import (
    Choice,
    Entry,
    FieldCapture,
    MenuCapture,
    Mistake,
)
from ivr.keypad.digits import Digits
from ivr.keypad.field import Field, Menu
from ivr.keypad.rhythm import Rhythm
from ivr.ledger.details import EventDetail
from ivr.media.clips import Clip
from ivr.vocabulary import Capture, EntryError, EventType, Step

REPEAT = "9"
AGENT = "0"
_AHEAD_AT_MOST = 64
_LATE_HASH = 4.0
"""Seconds in which a # still belongs to a field that has closed itself."""

_T = TypeVar("_T")
_Heard = TypeVar("_Heard", Entry, Choice)


class TooManyFailedAttemptsError(Exception):
    """The debtor could not be understood at one step."""


class Conversation:
    """One caller's ears and fingers.

    Every method raises `CallerHungUpError` once `hang_up` was called, and `SuspendedError`
    from `suspend` to `resume`.
    """

    def __init__(
        self, clock: Clock, line: Line, voice: Voice, record: Recorder, attempts: int
    ) -> None:
        self.voice = voice
        self._clock = clock
        self._line = line
        self._record = record
        self._attempts = attempts
        self._rhythm = Rhythm()
        self._ahead: deque[tuple[str, float]] = deque(maxlen=_AHEAD_AT_MOST)
        self._capture: FieldCapture | MenuCapture | None = None
        self._interruptible = False
        self._waiting: Deferred[Any] | None = None
        self._gone = False
        self._suspended = False
        self._accompanying = False
        self._hash_until = 0.0
        line.on_key = self._key

    def hang_up(self) -> None:
        """Tell that the caller is gone: what is being waited for raises."""
        if self._gone:
            return
        self._gone = True
        self._ahead.clear()
        if self._capture is not None:
            self._capture.abandon()
        if self._waiting is not None and not self._waiting.called:
            self._waiting.errback(CallerHungUpError())

    @property
    def accompanying(self) -> bool:
        """Whether work is under way that nothing interrupts."""
        return self._accompanying

    def suspend(self) -> None:
        """Stop what is said and asked, at the next 20 ms; what is being waited for raises.

        What is keyed of a field is wiped, and keys are dropped until `resume`. Work that is
        accompanied ends first, and is spoken to till then.
        """
        if self._gone or self._suspended:
            return
        self._suspended = True
        self._ahead.clear()
        if self._accompanying:
            return
        self._line.stop()
        if self._capture is not None:
            self._capture.abandon()
        if self._waiting is not None and not self._waiting.called:
            self._waiting.errback(SuspendedError())

    def resume(self) -> None:
        """Say and ask again."""
        self._suspended = False
        self._ahead.clear()
        self._hash_until = 0.0

    def forget_ahead(self) -> None:
        """Drop keys pressed ahead: the next question must be heard."""
        self._ahead.clear()

    async def say(self, step: Step, *pieces: Spoken, interruptible: bool = False) -> None:
        """Say `pieces`; a key cuts an interruptible saying short and is kept."""
        if interruptible and self._ahead:
            return
        self._interruptible = interruptible
        try:
            await self._hear(step, pieces)
        finally:
            self._interruptible = False

    async def accompany(
        self,
        step: Step,
        work: "Deferred[_T]",
        first: Spoken,
        then: Spoken,
        every: float,
        *,
        interrupted: bool = False,
    ) -> _T:
        """Say `first`, then `then` after each `every` seconds of silence, until `work` ends.

        `work` is waited for even when the caller hangs up: it may move money. What is said
        is heard out, or `interrupted` by the end of the work.
        """
        over = False

        def end(result: _T) -> _T:
            nonlocal over
            over = True
            if interrupted:
                self._line.stop()
            return result

        self._accompanying = True
        work.addBoth(end)
        try:
            if not (interrupted and over):
                await self._hear(step, (first,))
            while not over:
                if await self._ended_within(work, every):
                    break
                await self._hear(step, (then,))
        except CallerHungUpError:
            pass
        try:
            result = await work
        finally:
            self._accompanying = False
        self._ahead.clear()
        return result

    async def enter(
        self,
        field: Field,
        *question: Spoken,
        accept: Callable[[Digits], Awaitable[_T | EntryError]],
    ) -> _T:
        """Ask for `field` until `accept` takes an entry.

        Raise `TooManyFailedAttemptsError` when the attempts are used up.
        """
        pieces = question
        for attempt in range(1, self._attempts + 1):
            capture = FieldCapture(
                self._clock, field, self._rhythm, progress_of(self._record, field.step)
            )
            heard = await self._ask(field.step, capture, capture.done, pieces)
            if isinstance(heard, Entry):
                taken = await accept(heard.digits)
                if not isinstance(taken, EntryError):
                    self._record(
                        EventType.ENTRY_ACCEPTED, field.step, EventDetail(attempt=attempt)
                    )
                    return taken
                heard.digits.clear()
                heard = Mistake(taken)
            pieces = (self._mistaken(field.step, heard.error, attempt),)
        raise TooManyFailedAttemptsError(field.step)

    async def choose(self, menu: Menu, *question: Spoken) -> str:
        """Ask for one key of `menu`; 9 repeats the question, and is no mistake.

        Raise `TooManyFailedAttemptsError` when the attempts are used up.
        """
        attempt = 1
        pieces = question
        while attempt <= self._attempts:
            capture = MenuCapture(self._clock, menu)
            heard = await self._ask(menu.step, capture, capture.done, pieces)
            if isinstance(heard, Mistake):
                pieces = (self._mistaken(menu.step, heard.error, attempt),)
                attempt += 1
            elif heard.key == REPEAT:
                pieces = question
            else:
                return heard.key
        raise TooManyFailedAttemptsError(menu.step)

    def _mistaken(self, step: Step, error: EntryError, attempt: int) -> Spoken:
        self._ahead.clear()
        self._record(EventType.ENTRY_ERROR, step, EventDetail(error=error, attempt=attempt))
        return self.voice.mistake(step, error, attempt)

    async def _ask(
        self,
        step: Step,
        capture: FieldCapture | MenuCapture,
        done: "Deferred[_Heard | Mistake]",
        pieces: tuple[Spoken, ...],
    ) -> "_Heard | Mistake":
        self._check()
        self._capture = capture
        try:
            while self._ahead and not done.called:
                capture.press(*self._ahead.popleft())
            if not done.called:
                if not self._keyed(capture):
                    playback = self._line.play(self._clips(step, pieces))
                    playback.finished.addCallback(lambda _: capture.listen())
                self._waiting = done
            heard = await done
        finally:
            self._capture = None
        if isinstance(heard, Entry) and heard.closed_itself:
            self._hash_until = self._clock.seconds() + _LATE_HASH
        return heard

    @staticmethod
    def _keyed(capture: FieldCapture | MenuCapture) -> bool:
        return isinstance(capture, FieldCapture) and capture.state is not Capture.WAITING

    async def _hear(self, step: Step, pieces: tuple[Spoken, ...]) -> None:
        self._check()
        self._waiting = finished = Deferred[bool]()
        playback = self._line.play(self._clips(step, pieces))
        playback.finished.addCallback(
            lambda whole: None if finished.called or self._stopped else finished.callback(whole)
        )
        await finished

    async def _ended_within(self, work: "Deferred[_T]", seconds: float) -> bool:
        self._check()
        self._waiting = paused = Deferred[bool]()

        def wake(*, ended: bool) -> None:
            if not paused.called:
                paused.callback(ended)

        timer = self._clock.callLater(seconds, wake, ended=False)

        def ended(result: _T) -> _T:
            wake(ended=True)
            return result

        work.addBoth(ended)
        try:
            return await paused
        finally:
            if timer.active():
                timer.cancel()

    def _clips(self, step: Step, pieces: tuple[Spoken, ...]) -> list[Clip]:
        for piece in pieces:
            if piece.prompt is not None:
                self._record(
                    EventType.PROMPT_PLAYED,
                    step,
                    EventDetail(prompt=piece.prompt, prompt_version=piece.version),
                )
        return [clip for piece in pieces for clip in piece.clips]

    def _key(self, key: str, gap: float) -> None:
        if self._gone or self._stopped:
            return
        if key == "#" and self._clock.seconds() < self._hash_until:
            self._hash_until = 0.0
            return
        self._hash_until = 0.0
        if self._capture is not None:
            self._line.stop()
            self._capture.press(key, gap)
            return
        self._ahead.append((key, gap))
        if self._interruptible:
            self._line.stop()

    @property
    def _stopped(self) -> bool:
        return self._suspended and not self._accompanying

    def _check(self) -> None:
        if self._gone:
            raise CallerHungUpError
        if self._stopped:
            raise SuspendedError
