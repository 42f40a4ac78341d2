"""A media leg as the journey sees it: something that speaks, and keys."""

from collections.abc import Callable, Sequence

from ivr.journey.line import Playback
from ivr.media.clips import Clip
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg


def _nobody_listens(_key: str, _gap: float) -> None:
    """Drop a key that comes before the journey has begun."""


class TelephoneLine:
    """A `journey.line.Line` on a media leg."""

    def __init__(self, leg: MediaLeg) -> None:
        self.on_key: Callable[[str, float], None] = _nobody_listens
        self._leg = leg
        leg.on_key = self._key

    def play(self, clips: Sequence[Clip]) -> Playback:
        """Play `clips` one after the other."""
        return self._leg.play(clips)

    def stop(self) -> None:
        """Stop at the next 20 ms."""
        self._leg.stop()

    def _key(self, press: KeyPress) -> None:
        self.on_key(press.key, press.gap)
