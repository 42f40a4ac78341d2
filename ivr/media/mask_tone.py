"""The one tone that is heard for a key, whichever key it is and however long it is held."""

from collections import deque

import numpy as np

from ivr.media.g711 import FRAME, RATE, Codec, Samples, encode
from ivr.media.tone_plan import amplitude

FRAMES = 6
"""120 ms."""

SLOT = 8
"""Frames: a tone begins each 160 ms or not at all, by a grid that no key moves."""

DELAY = 0.24
"""Seconds from a key to the first slot for it: more than the slowest source of keys needs,
so that a key's tone does not tell by which way, or how soon, it was recognised."""

_HERTZ = 425.0
"""51 whole periods; neither it nor its odd harmonics are a keypad's frequency."""
_LEVEL = -20.0
_FADE = RATE // 200
_MOST_DUE = 8


def _samples() -> Samples:
    wave = amplitude(_LEVEL) * np.sin(2 * np.pi * _HERTZ / RATE * np.arange(FRAMES * FRAME))
    fade = np.sin(np.pi / 2 * (np.arange(_FADE) + 0.5) / _FADE) ** 2
    wave[:_FADE] *= fade
    wave[-_FADE:] *= fade[::-1]
    samples: Samples = np.rint(wave).astype(np.int16)
    return samples


def _frames(codec: Codec) -> tuple[bytes, ...]:
    octets = encode(codec, _samples())
    return tuple(octets[at : at + FRAME] for at in range(0, len(octets), FRAME))


MASK_TONE = {codec: _frames(codec) for codec in Codec}
"""Its frames for each codec, the same for every key to the last bit."""


class MaskTones:
    """The tones due on one leg. It is told when keys came, and not which."""

    __slots__ = ("_due", "_sounding")

    def __init__(self) -> None:
        self._due: deque[float] = deque()
        self._sounding = False

    @property
    def idle(self) -> bool:
        """Whether nothing sounds, and nothing will."""
        return not self._sounding and not self._due

    def key(self, at: float) -> None:
        """Note a key that was pressed at `at` seconds; of a flood, eight are kept."""
        if len(self._due) < _MOST_DUE:
            self._due.append(at + DELAY)

    def frame(self, beat: int, now: float, codec: Codec) -> bytes | None:
        """Return the tone's frame for this beat of the grid, or None for what else there is."""
        place = beat % SLOT
        if not place:
            self._sounding = bool(self._due) and self._due[0] <= now
            if self._sounding:
                self._due.popleft()
        if self._sounding and place < FRAMES:
            return MASK_TONE[codec][place]
        self._sounding = False
        return None
