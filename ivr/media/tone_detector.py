"""Keypad tones in the sound of many calls at once, to the limits of ITU-T Q.24.

Each call has a row. Of all rows that got 20 ms of sound, the few that may be a key are
told by one matrix product (`suspects`); only those are looked at closely (`tone_fit`).
"""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import FRAME
from ivr.media.tone_fit import WINDOW, WINDOW_BLOCKS, fit, read_blocks
from ivr.media.tone_plan import (
    BLOCK,
    LOW,
    TONE_KEYS,
    ZONE_SUMS,
    ZONES,
    Floats,
    amplitude,
)

Integers = NDArray[np.intp]
Flags = NDArray[np.bool_]

BLOCKS = FRAME // BLOCK
"""Blocks of 5 ms in 20 ms."""

_FRAMES = 4
_KEPT = _FRAMES * BLOCKS
_STARTS = np.arange(_KEPT - WINDOW_BLOCKS - BLOCKS + 1, _KEPT - WINDOW_BLOCKS + 1)
"""The blocks with which those windows begin that end in the newest frame."""
_SPAN = np.arange(WINDOW_BLOCKS)

_NO_KEY = -1
_LIKELY = 0.72
_WEAKEST = amplitude(-29.0) ** 2 / 2 * FRAME
_SLAB = 48
"""Rows of a matrix product that OpenBLAS does not yet share among threads: those would
spin for more time between two products than the products take."""
_MOST_TWIST = 10 ** (13.0 / 10)

_HEARD = 0.5
"""A block sounds when both tones have half of their peak or more."""
_WHOLE = 0.9

_PURE = 0.97
_BEFORE = 4
_HUSH = 10 ** (-10.0 / 10)
"""Speech that resembles a key does so amid speech, whose energy is there before; a key
begins out of near silence, or else it must be purer than speech ever is."""

_PAUSE = 5
"""Blocks: between the 10 ms of an interruption, or a packet lost on the way, and 30 ms."""
_PAUSE_BESIDE_LOSS = 2
_PAUSE_WITH_LOSS = 6
_LOSS = 40
"""Of what never arrived, so much is no longer thought to be the tone."""


_ROW = np.dtype(
    [
        ("frames", np.int64),  # heard so far
        ("suspect", np.intp),  # what the newest frame may be
        ("active", np.intp),  # the key whose tone sounds
        ("peaks", np.float32, 2),  # its two tones'
        ("quiet", np.intp),  # blocks of silence since it was heard last
        ("lost", np.intp),  # blocks that never arrived since then
    ]
)
_NEW_ROW = (0, _NO_KEY, _NO_KEY, 0.0, 0, 0)


@dataclass(slots=True, eq=False)
class Tone:
    """One press of one key, in samples since its row was opened.

    `end` is where it was heard last; it grows until `over`.
    """

    row: int
    key: str
    begin: int
    end: int
    over: bool = False

    def __repr__(self) -> str:
        return "<Tone>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key press is never copied nor stored")


def suspects(frames: Floats) -> Integers:
    """Return, for each frame of 160 samples, which of `TONE_KEYS` it may be, or -1.

    No frame that lies wholly within a tone to be heard is passed over; a few of speech
    are suspected too.
    """
    energy = np.einsum("ij,ij->i", frames, frames)
    zones = np.empty((len(frames), ZONE_SUMS.shape[1]), dtype=np.float32)
    for at in range(0, len(frames), _SLAB):
        slab = slice(at, at + _SLAB)
        coordinates = frames[slab] @ ZONES
        np.matmul(np.square(coordinates, out=coordinates), ZONE_SUMS, out=zones[slab])
    lows, highs = zones[:, : len(LOW)], zones[:, len(LOW) :]
    low, high = lows.max(axis=1), highs.max(axis=1)
    weaker = np.minimum(low, high)
    suspect = (
        (weaker >= _WEAKEST)
        & (low + high >= _LIKELY * energy)
        & (np.maximum(low, high) <= _MOST_TWIST * weaker)
    )
    keys = lows.argmax(axis=1) * len(LOW) + highs.argmax(axis=1)
    return np.where(suspect, keys, _NO_KEY)


class ToneDetector:
    """Rows of sound, and the tones in them."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._tones: list[Tone | None] = []
        self._rows = np.zeros(0, dtype=_ROW)
        self._sound: Floats = np.zeros((0, _FRAMES, FRAME), dtype=np.float32)
        """The newest 80 ms of each row; frame `n` is at place `n` modulo 4."""

    def open(self) -> int:
        """Return a row for a new stream of sound."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._rows[row] = _NEW_ROW
        return row

    def close(self, row: int) -> None:
        """Forget a row's sound and give the row back."""
        self._sound[row] = 0
        self._tones[row] = None
        self._free.append(row)

    def hear(self, rows: Integers, frames: Floats, lost: Flags | None = None) -> list[Tone]:
        """Take 20 ms for each of `rows`, none twice; return the tones that were recognised.

        `frames` is (rows, 160), 16-bit samples as floats; `lost` is (rows, 4), the blocks
        of 5 ms that never arrived and are zero in `frames`. A tone is recognised once,
        35 ms after it began, and lives on in the `Tone`.
        """
        state = self._rows
        self._sound[rows, state["frames"][rows] % _FRAMES] = frames
        state["frames"][rows] += 1
        before, now = state["suspect"][rows], suspects(frames)
        state["suspect"][rows] = now
        self._follow(rows, frames, lost)
        active = state["active"][rows]
        asked = [
            (now != _NO_KEY) & (now != active),
            (before != _NO_KEY) & (before != active) & (before != now),
        ]
        if not (asked[0] | asked[1]).any():
            return []
        at = np.concatenate([np.flatnonzero(each) for each in asked])
        keys = np.concatenate([now[asked[0]], before[asked[1]]])
        return self._look(rows[at], keys)

    def _follow(self, rows: Integers, frames: Floats, lost: Flags | None) -> None:
        """Follow the tones that sound, and end those that a pause has ended."""
        state = self._rows
        at = np.flatnonzero(state["active"][rows] != _NO_KEY)
        if not len(at):
            return
        sounding = rows[at]
        loud = np.abs(read_blocks(frames[at], state["active"][sounding]))
        shares = (loud / state["peaks"][sounding][:, np.newaxis]).min(axis=2)
        missing = np.zeros(shares.shape, dtype=np.bool_) if lost is None else lost[at]
        on = (shares >= _HEARD).all(axis=1)
        state["quiet"][sounding[on]] = state["lost"][sounding[on]] = 0
        for row in sounding[on].tolist():
            self._sounds_on(row)
        parted = zip(
            sounding[~on].tolist(), shares[~on].tolist(), missing[~on].tolist(), strict=True
        )
        for row, share, gone in parted:
            self._follow_closely(row, share, gone)

    def _sounds_on(self, row: int) -> None:
        tone = self._tones[row]
        if tone is not None:
            tone.end = int(self._rows["frames"][row]) * FRAME

    def _follow_closely(self, row: int, shares: list[float], lost: list[bool]) -> None:
        """Follow a tone through a frame in which it does not sound all the time."""
        tone, state = self._tones[row], self._rows[row]
        if tone is None:
            return
        quiet, gone = int(state["quiet"]), int(state["lost"])
        start = (int(state["frames"]) - 1) * FRAME
        for block, (share, is_lost) in enumerate(zip(shares, lost, strict=True)):
            if is_lost:
                gone += 1
            elif share >= _HEARD:
                quiet = gone = 0
                tone.end = start + round((block + min(share, 1.0)) * BLOCK)
            else:
                quiet += 1
            if _ended(quiet, gone):
                tone.over = True
                self._tones[row] = None
                state["active"] = _NO_KEY
                return
        state["quiet"], state["lost"] = quiet, gone

    def _look(self, rows: Integers, keys: Integers) -> list[Tone]:
        """Look closely for `keys`, each in the newest 80 ms of its row; earliest first."""
        order = (self._rows["frames"][rows][:, np.newaxis] + np.arange(_FRAMES)) % _FRAMES
        samples = self._sound[rows[:, np.newaxis], order].reshape(len(rows), -1)
        amplitudes = read_blocks(samples, keys)
        starts = np.repeat(_STARTS, len(rows))
        asked = np.tile(np.arange(len(rows)), len(_STARTS))
        spans = asked[:, np.newaxis], starts[:, np.newaxis] + _SPAN
        blocks = samples.reshape(len(rows), _KEPT, BLOCK)
        fits = fit(blocks[spans].reshape(-1, WINDOW), amplitudes[spans], keys[asked])
        found: list[Tone] = []
        told: set[int] = set()
        for window, peaks, purity in zip(*fits, strict=True):
            at = int(asked[window])
            if at in told:
                continue
            shares = (np.abs(amplitudes[at]) / peaks).min(axis=1)
            onset = _onset(shares, int(starts[window]))
            if purity >= _PURE or _was_quiet(samples[at], peaks, onset):
                told.add(at)
                found.append(self._begin(int(rows[at]), int(keys[at]), peaks, shares, onset))
        return found

    def _begin(self, row: int, key: int, peaks: Floats, shares: Floats, onset: float) -> Tone:
        """Begin a tone at block `onset` of the newest 80 ms."""
        replaced = self._tones[row]
        if replaced is not None:
            replaced.over = True
        state = self._rows[row]
        opened = (int(state["frames"]) - _FRAMES) * FRAME
        # Of the newest frame, what the tone has already left counts as its pause.
        sounds = int(np.flatnonzero(shares >= _HEARD)[-1]) + 1
        begin = opened + round(onset * BLOCK)
        tone = Tone(row, TONE_KEYS[key], begin, end=opened + sounds * BLOCK)
        self._tones[row] = tone
        state["active"] = key
        state["peaks"] = peaks
        state["quiet"] = _KEPT - sounds
        state["lost"] = 0
        return tone

    def _grow(self) -> None:
        """Make room for as many rows again."""
        size = len(self._rows)
        more = max(16, size)
        self._rows = np.concatenate([self._rows, np.zeros(more, dtype=_ROW)])
        silence = np.zeros((more, _FRAMES, FRAME), dtype=np.float32)
        self._sound = np.concatenate([self._sound, silence])
        self._tones += [None] * more
        self._free += range(size + more - 1, size - 1, -1)


def _onset(shares: Floats, first: int) -> float:
    """Return where a tone began, in blocks: at `first`, somewhat later, or before."""
    block = first + 1
    while block and shares[block - 1] >= _WHOLE:
        block -= 1
    return block - min(float(shares[block - 1]), 1.0) if block else 0.0


def _was_quiet(samples: Floats, peaks: Floats, onset: float) -> bool:
    """Whether nothing loud was heard from 25 to 5 ms before an onset, as far as is known."""
    # The block next to the onset may hold some of the tone.
    end = int(onset) - 1
    if end < _BEFORE:
        return False
    before = samples[(end - _BEFORE) * BLOCK : end * BLOCK]
    return float(np.square(before).mean()) <= _HUSH * float(np.square(peaks).sum()) / 2


def _ended(quiet: int, lost: int) -> bool:
    """Whether so many blocks of silence and of loss, since a tone sounded, are a pause."""
    beside_loss = quiet >= _PAUSE_BESIDE_LOSS and quiet + lost >= _PAUSE_WITH_LOSS
    return quiet >= _PAUSE or beside_loss or lost >= _LOSS
