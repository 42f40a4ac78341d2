"""Lets speech through and no keypad tone: two fences, for the sound of many calls at once.

A frame is held back until 40 ms more have been heard. When a tone is suspected in it, or
less than 20 ms later or 40 ms before, it is dropped. Frames beside those that are dropped
are faded, so that no tone is cut where it can be heard as a click. What passes goes
through a filter that stops both groups of keypad frequencies altogether, so that what the
first fence cannot see under louder speech is not heard either.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ivr.media.g711 import FRAME, RATE
from ivr.media.tone_plan import Floats
from ivr.media.tone_suspicion import HOP, SPAN, Flags, suspicious

Integers = NDArray[np.intp]

LOOK_AHEAD = 2
"""Frames held back: a suspicion drops the newest and the one before it, and fades that
before these."""
_HOLD = 1
"""Frames that are dropped after a suspicion, and up to two more at random."""

_STOPPED = ((612.0, 1034.0), (1106.0, 1752.0))
"""The groups ±3.5 %, and 60 Hz more in which the filter falls."""
_TAPS = 289
_STEEPNESS = 6.2
"""Of a Kaiser window: 60 dB and more."""

DELAY = LOOK_AHEAD * FRAME + (_TAPS - 1) // 2
"""Samples from a sound to when it is heard: 58 ms."""

_SLAB = 8
"""Rows of a matrix product that OpenBLAS does not yet share among threads: on busy cores
those wait for each other 300 times as long as the product takes."""

_KEPT = (LOOK_AHEAD + 1) * FRAME
"""Samples of a row: more than the three windows that tell of a frame span."""


def _band_stop() -> Floats:
    time = np.arange(_TAPS) - (_TAPS - 1) / 2
    window = np.kaiser(_TAPS, _STEEPNESS)
    taps = (time == 0).astype(np.float64)
    for low, high in _STOPPED:
        for edge, sign in ((low, 1.0), (high, -1.0)):
            taps += sign * window * 2 * edge / RATE * np.sinc(2 * edge / RATE * time)
    as_floats: Floats = taps.astype(np.float32)
    return as_floats


def _as_matrix(taps: Floats) -> Floats:
    """Return what filters 160 samples, given the 288 before them, by one product."""
    matrix = np.zeros((FRAME + _TAPS - 1, FRAME), dtype=np.float32)
    for at in range(FRAME):
        matrix[at : at + _TAPS, at] = taps[::-1]
    return matrix


_FILTER = _as_matrix(_band_stop())

_RISING: Floats = (np.sin(np.pi / 2 * (np.arange(FRAME) + 0.5) / FRAME) ** 2).astype(np.float32)
_FALLING: Floats = _RISING[::-1]


class ToneGate:
    """Rows of sound, one for each direction of a call that is shielded."""

    __slots__ = ("_dropped", "_free", "_hold", "_passed", "_random", "_sound")

    def __init__(self, random: np.random.Generator) -> None:
        """`random` lengthens each gap a little, so that its length tells less."""
        self._random = random
        self._free: list[int] = []
        self._sound: Floats = np.zeros((0, _KEPT), dtype=np.float32)
        """The newest samples, for the windows and until their frame is due."""
        self._passed: Floats = np.zeros((0, _TAPS - 1), dtype=np.float32)
        """What has passed the first fence last."""
        self._dropped: Flags = np.zeros((0, LOOK_AHEAD + 1), dtype=np.bool_)
        """Whether the frame that passed last was dropped, and which of those held back
        will be, the oldest first."""
        self._hold = np.zeros(0, dtype=np.int64)
        """So many frames to come will be dropped."""

    def open(self) -> int:
        """Return a row for a new stream of sound. Its first 40 ms are silence."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._sound[row] = 0
        self._passed[row] = 0
        self._dropped[row] = False
        self._hold[row] = 0
        return row

    def close(self, row: int) -> None:
        """Take a row back."""
        self._free.append(row)

    def hear(self, rows: Integers, frames: Floats, known: Flags) -> tuple[Floats, Flags]:
        """Take 20 ms for each of `rows`, none twice; return 20 ms that may be heard.

        `frames` is (rows, 160), 16-bit samples as floats; `known` marks where a key is
        known to be pressed, whatever is heard. Also return where nothing passed, now
        or in frames to come.
        """
        sound = np.concatenate([self._sound[rows, FRAME:], frames], axis=1)
        self._sound[rows] = sound
        windows = sliding_window_view(sound, SPAN, axis=1)[:, -1 - 2 * HOP :: HOP]
        suspect = suspicious(windows).any(axis=1) | known
        dropped, hold = self._hold_back(rows, suspect)
        due = sound[:, :FRAME] * _gains(dropped)
        passing = np.concatenate([self._passed[rows], due], axis=1)
        self._passed[rows] = passing[:, FRAME:]
        return _filtered(passing), dropped[:, 1:].any(axis=1) | (hold > 0)

    def _hold_back(self, rows: Integers, suspect: Flags) -> tuple[Flags, Integers]:
        before = self._hold[rows]
        longer = _HOLD + self._random.integers(0, 3, len(rows))
        hold = np.where(suspect, np.maximum(before - 1, longer), np.maximum(before - 1, 0))
        newest = suspect | (before > 0)
        dropped = np.column_stack([self._dropped[rows], newest])
        dropped[:, -2] |= suspect
        self._hold[rows] = hold
        self._dropped[rows] = dropped[:, 1:]
        return dropped, hold

    def _grow(self) -> None:
        """Make room for as many rows again."""
        size = len(self._sound)
        more = max(16, size)
        self._sound = np.concatenate([self._sound, np.zeros((more, _KEPT), np.float32)])
        self._passed = np.concatenate([self._passed, np.zeros((more, _TAPS - 1), np.float32)])
        self._dropped = np.concatenate(
            [self._dropped, np.zeros((more, LOOK_AHEAD + 1), np.bool_)]
        )
        self._hold = np.concatenate([self._hold, np.zeros(more, np.int64)])
        self._free += range(size + more - 1, size - 1, -1)


def _filtered(passing: Floats) -> Floats:
    heard = np.empty((len(passing), FRAME), dtype=np.float32)
    for at in range(0, len(passing), _SLAB):
        np.matmul(passing[at : at + _SLAB], _FILTER, out=heard[at : at + _SLAB])
    return heard


def _gains(dropped: Flags) -> Floats:
    """Return by what to multiply the oldest frame held back.

    `dropped` tells of the frame before it, of it, and of those after it.
    """
    gains = np.where(dropped[:, :1], _RISING, np.float32(1))
    gains = np.where(dropped[:, 2:3], gains * _FALLING, gains)
    gains[dropped[:, 1]] = 0
    return gains
