"""Whether 35 ms of sound are two steady tones of a key and nothing else.

The frequencies are measured first, by how the phases of both tones turn from block to
block; then the two sines are fitted to all samples, and what they leave unexplained is
what speech, noise and a tone cut short have and a key has not.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import RATE
from ivr.media.tone_plan import BLOCK, PAIRS, READERS, TOLERANCE, Floats, amplitude

Complexes = NDArray[np.complex64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.intp]

WINDOW_BLOCKS = 7
WINDOW = WINDOW_BLOCKS * BLOCK
"""35 ms: a tone of 40 ms fills one window of those that begin 5 ms apart, whenever it
begins, and one of 24 ms fills no more than 69 % of any."""

PURITY = 0.92
"""The least share of a window's energy that two sines must explain; noise 15 dB below
the tones leaves 0.96."""

QUIETEST = amplitude(-27.0)
"""Between -25 dBm0 that must be heard and -29 dBm0 that must not."""

HIGH_OVER_LOW = 10 ** (5.0 / 20)
LOW_OVER_HIGH = 10 ** (9.0 / 20)
"""A dB beyond the twist of +4 to -8 dB that must be heard."""

_STEADY = 0.6
"""The least share of coherence between neighbouring blocks that is worth a fit."""


class Fits(NamedTuple):
    """Windows that hold a key: which of those asked about.

    With the peaks of their two tones, and the share of their energy that is these tones.
    """

    window: Integers
    peaks: Floats
    purity: Floats


def read_blocks(samples: Floats, keys: Integers) -> Complexes:
    """Return each row's amplitudes of its key, (rows, blocks, 2), turning block by block."""
    rows, length = samples.shape
    blocks = samples.reshape(rows, length // BLOCK, BLOCK)
    amplitudes: Complexes = np.matmul(blocks, READERS[keys]).view(np.complex64)
    return amplitudes


def fit(samples: Floats, amplitudes: Complexes, keys: Integers) -> Fits:
    """Find the windows that are a key. `samples` is (windows, `WINDOW`).

    `amplitudes` are those of `read_blocks` for the same windows, (windows, 7, 2).
    """
    frequencies, steadiness = _frequencies(amplitudes, keys)
    nominal = PAIRS[keys]
    near = np.abs(frequencies - nominal) <= TOLERANCE * nominal
    worth = np.flatnonzero(near.all(axis=1) & (steadiness > _STEADY).all(axis=1))
    if not len(worth):
        return Fits(worth, np.empty((0, 2), np.float32), np.empty(0, np.float32))
    peaks, purity = _fit_sines(samples[worth], frequencies[worth])
    low, high = peaks[:, 0], peaks[:, 1]
    is_key = (
        (purity >= PURITY)
        & (peaks.min(axis=1) >= QUIETEST)
        & (high <= HIGH_OVER_LOW * low)
        & (low <= LOW_OVER_HIGH * high)
    )
    return Fits(worth[is_key], peaks[is_key], purity[is_key])


_STEPS = np.arange(1, WINDOW_BLOCKS, dtype=np.float32)
_WEIGHTS = (_STEPS * (WINDOW_BLOCKS - _STEPS))[:, np.newaxis]
"""Those of S. Kay's estimator: of least variance for one sine in noise."""

_BLOCK_TURNS: Complexes = np.exp(2j * np.pi * PAIRS * BLOCK / RATE).astype(np.complex64)
_HERTZ_PER_RADIAN = RATE / (2 * np.pi * BLOCK)


def _frequencies(amplitudes: Complexes, keys: Integers) -> tuple[Floats, Floats]:
    """Return both tones' frequencies in Hz, told within ±100 Hz, and how steady they are."""
    turns = amplitudes[:, 1:] * amplitudes[:, :-1].conj()
    summed = (turns * _WEIGHTS).sum(axis=1) * _BLOCK_TURNS[keys].conj()
    weight = (np.abs(turns) * _WEIGHTS).sum(axis=1)
    offset = np.angle(summed) * np.float32(_HERTZ_PER_RADIAN)
    steadiness = np.abs(summed) / np.maximum(weight, np.float32(1e-9))
    return PAIRS[keys] + offset, steadiness


_TIMES = ((np.arange(WINDOW) - (WINDOW - 1) / 2) * 2 * np.pi / RATE).astype(np.float32)


def _fit_sines(samples: Floats, frequencies: Floats) -> tuple[Floats, Floats]:
    """Return the peaks of the two sines that fit best, and the share of energy they explain."""
    turns = frequencies[:, :, np.newaxis] * _TIMES
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    moments = np.matmul(waves, samples[:, :, np.newaxis])
    weights = np.linalg.solve(np.matmul(waves, waves.transpose(0, 2, 1)), moments)
    explained = (weights * moments).sum(axis=(1, 2))
    energy = np.einsum("ij,ij->i", samples, samples)
    peaks = np.hypot(weights[:, :2, 0], weights[:, 2:, 0])
    return peaks, explained / np.maximum(energy, np.float32(1e-9))
