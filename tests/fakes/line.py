"""A telephone line that plays on a moved clock, for the journey's tests."""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ivr.clock import DelayedCall
from ivr.media.clips import Clip


class FakePlayback:
    """Audio that ends when the clock has moved by its duration."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.finished: Deferred[bool] = Deferred()
        self._end: DelayedCall = clock.callLater(seconds, self.finished.callback, True)

    def stop(self) -> None:
        if self._end.active():
            self._end.cancel()
            self.finished.callback(False)


class FakeLine:
    """Plays one thing at a time, as a media leg does."""

    def __init__(self, clock: Clock) -> None:
        self.on_key: Callable[[str, float], None] = lambda key, gap: None
        self.played: list[Clip] = []
        self._clock = clock
        self._now: FakePlayback | None = None

    def play(self, clips: Sequence[Clip]) -> FakePlayback:
        self.stop()
        self.played += clips
        self._now = FakePlayback(self._clock, sum(clip.duration for clip in clips))
        return self._now

    def stop(self) -> None:
        playing, self._now = self._now, None
        if playing is not None:
            playing.stop()

    def speaking(self) -> bool:
        return self._now is not None and not self._now.finished.called
