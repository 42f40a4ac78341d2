"""One entry, from its question to a value or a diagnosed mistake.

    waiting ──key──► keying ──# · complete · pause · full──► ended
       └──────────────── silence ─────────────────────────────┘

`*` erases the last group (or a short field whole), a second `*` at once after it the
whole field. Keys are judged as they come; nothing here knows where they come from.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from ivr.clock import Clock, DelayedCall
from ivr.keypad.digits import Digits
from ivr.keypad.field import Field, Menu, Progress
from ivr.keypad.rhythm import Rhythm
from ivr.vocabulary import Capture, EntryError


@dataclass(frozen=True, slots=True)
class Entry:
    """A value that was keyed. `closed_itself`: it ended without `#`, so one may still come."""

    digits: Digits
    closed_itself: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The key that was chosen in a menu."""

    key: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """An entry that was not taken, and why. Its digits are wiped."""

    error: EntryError


class FieldCapture:
    """Capture of one `Field`. `done` fires once with an `Entry` or a `Mistake`.

    A fault of the field's own functions makes it fail, so that somebody speaks. Silence
    counts from `listen`, called when the question has been heard, or from the last key.
    """

    def __init__(
        self,
        clock: Clock,
        field: Field,
        rhythm: Rhythm,
        on_progress: Callable[[Capture, Progress], None],
    ) -> None:
        self.done: Deferred[Entry | Mistake] = Deferred()
        self.state = Capture.WAITING
        self._clock = clock
        self._field = field
        self._rhythm = rhythm
        self._on_progress = on_progress
        self._digits = Digits()
        self._starred = False
        self._timer: DelayedCall | None = None

    def listen(self) -> None:
        """Start to count silence, unless a key came first."""
        if self.state is Capture.WAITING and self._timer is None:
            self._wait(self._field.timeouts.first)

    def press(self, key: str, gap: float) -> None:
        """Take one key, `gap` seconds after the one before it was let go."""
        if self.state is Capture.COMPLETE:
            return
        with self._failing_aloud():
            if key.isdigit():
                self._digit(key, gap)
            elif key == "*":
                self._erase()
            elif key == "#" and len(self._digits):
                self._judge(closed_itself=False)
            # A lone # closes a field that has just closed itself; no debtor's phone has A-D.

    def abandon(self) -> None:
        """Wipe the entry and fire nothing: the caller is gone."""
        self._stop_timer()
        self.state = Capture.COMPLETE
        self._digits.clear()

    def _digit(self, key: str, gap: float) -> None:
        if len(self._digits):
            self._rhythm.heard(gap)
        self._digits.append(key, gap)
        self._starred = False
        self.state = Capture.KEYING
        if self._field.complete(self._digits):
            self._judge(closed_itself=True)
        elif len(self._digits) >= self._field.max_length:
            self._finish(Mistake(EntryError.TOO_LONG))
        else:
            self._report()
            self._wait(self._rhythm.pause(self._field.timeouts.between))

    def _erase(self) -> None:
        length, group = len(self._digits), self._field.erase_group
        if self._starred or not group:
            self._digits.clear()
        else:
            self._digits.erase((length - 1) % group + 1 if length else 0)
        self._starred = True
        self._report()
        self._wait(self._field.timeouts.first)

    def _judge(self, *, closed_itself: bool) -> None:
        error = self._field.diagnose(self._digits)
        self._finish(Mistake(error) if error else Entry(self._digits, closed_itself))

    def _silence(self) -> None:
        self._timer = None
        with self._failing_aloud():
            if len(self._digits):
                self._judge(closed_itself=True)
            else:
                self._finish(Mistake(EntryError.TIMEOUT))

    @contextmanager
    def _failing_aloud(self) -> Iterator[None]:
        """Let a fault end the entry: it would leave the caller on a silent line."""
        try:
            yield
        except Exception as fault:
            self.abandon()
            if self.done.called:
                raise
            self.done.errback(fault)

    def _finish(self, outcome: Entry | Mistake) -> None:
        self._stop_timer()
        self.state = Capture.COMPLETE
        self._report()
        if isinstance(outcome, Mistake):
            self._digits.clear()
        self.done.callback(outcome)

    def _report(self) -> None:
        self._on_progress(self.state, self._field.progress(self._digits))

    def _wait(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self._clock.callLater(seconds, self._silence)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


class MenuCapture:
    """Capture of one key of a `Menu`. `done` fires once with a `Choice` or a `Mistake`."""

    def __init__(self, clock: Clock, menu: Menu) -> None:
        self.done: Deferred[Choice | Mistake] = Deferred()
        self._clock = clock
        self._menu = menu
        self._timer: DelayedCall | None = None

    def listen(self) -> None:
        """Start to count silence."""
        if not self.done.called and self._timer is None:
            self._timer = self._clock.callLater(self._menu.timeouts.first, self._silence)

    def press(self, key: str, _gap: float) -> None:
        """Take one key."""
        if self.done.called:
            return
        self.abandon()
        if key in self._menu.keys:
            self.done.callback(Choice(key))
        else:
            self.done.callback(Mistake(EntryError.INPUT_MATCHING_FAILED))

    def abandon(self) -> None:
        """Stop counting and fire nothing."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _silence(self) -> None:
        self.done.callback(Mistake(EntryError.TIMEOUT))
