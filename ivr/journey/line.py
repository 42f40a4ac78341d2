"""What the journey needs of a telephone line, and nothing more."""

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ivr.ledger.details import EventDetail
from ivr.media.clips import Clip
from ivr.vocabulary import EventType, Step


class CallerHungUpError(Exception):
    """The caller is gone: nothing can be said or asked any more."""


class SuspendedError(Exception):
    """The journey stops where it is, and may go on from there."""


class AgentWantedError(SuspendedError):
    """The caller wants to speak to a person."""


class Playback(Protocol):
    """Audio that is being heard."""

    finished: Deferred[bool]
    """Fires with True at the audio's end, with False when it was stopped."""


class Line(Protocol):
    """A line that plays audio and hands over keys."""

    on_key: Callable[[str, float], None]
    """Called with each key and the pause before it, in seconds."""

    def play(self, clips: Sequence[Clip]) -> Playback:
        """Play `clips` one after the other, in place of what is played."""

    def stop(self) -> None:
        """Stop at the next 20 ms."""


class Recorder(Protocol):
    """Takes down what happened in this call."""

    def __call__(self, event: EventType, step: Step, detail: EventDetail | None = None) -> None:
        """Record one event, now."""
