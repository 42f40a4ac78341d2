"""Whether a keypad tone may be in a window of sound: asked with far less than a key's proof.

The detector must not take speech for a key. Here it is the other way round: a tone may
be weak, short, single, twisted or off its frequency, or lie under speech, and must still
be suspected; speech that looks alike is suspected with it.
"""

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import RATE
from ivr.media.tone_plan import HIGH, LOW, Floats, amplitude

Flags = NDArray[np.bool_]

SPAN = 256
"""Samples in a window: 32 ms, most of whose weight is on the middle 16."""

_OFF = 0.05
"""Beyond the ±3.5 % at which a tone is surely no key."""

_FAINTEST = amplitude(-55.0) ** 2
_PAIR = 0.5
"""Two narrow peaks, one in each group of frequencies, hold half of all energy; or"""
_SINGLE = 0.6
"""one of them most of it; or"""
_WITHIN_GROUP = 0.65
"""each holds most of its group's, in speech whose other frequencies are louder,"""
_NOT_NOTHING = 0.1
"""but not by very much."""
_MOST_TWIST = 1e-3

_ABOVE_HUM = 7
_PEAK = 3
"""Bins around a peak: a steady sine has 99 % of its energy there."""

_WINDOW: Floats = np.hanning(SPAN + 1)[:SPAN].astype(np.float32)
_AS_PEAK_SQUARED = 1 / (1.5 * (SPAN / 4) ** 2)


def _bins(group: tuple[int, ...]) -> range:
    hertz = RATE / SPAN
    return range(int(group[0] * (1 - _OFF) / hertz), int(group[-1] * (1 + _OFF) / hertz) + 2)


def _sums() -> Floats:
    """Return what adds up a spectrum: every peak of both groups, both groups, and all."""
    columns: list[range] = [
        range(bin_ - _PEAK // 2, bin_ + _PEAK // 2 + 1)
        for group in (LOW, HIGH)
        for bin_ in _bins(group)
    ]
    columns += [range(_bins(g)[0] - 1, _bins(g)[-1] + 2) for g in (LOW, HIGH)]
    columns.append(range(_ABOVE_HUM, SPAN // 2 + 1))
    sums = np.zeros((SPAN // 2 + 1, len(columns)), dtype=np.float32)
    for at, bins in enumerate(columns):
        sums[bins, at] = _AS_PEAK_SQUARED
    return sums


_SUMS = _sums()
_LOWS = len(_bins(LOW))


def suspicious(windows: Floats) -> Flags:
    """Tell of each window, (…, `SPAN`) of 16-bit samples as floats, whether to suspect it."""
    spectrum = np.fft.rfft(windows * _WINDOW)
    energies = (spectrum.real**2 + spectrum.imag**2) @ _SUMS
    low = energies[..., :_LOWS].max(axis=-1)
    high = energies[..., _LOWS:-3].max(axis=-1)
    lows, highs, everything = energies[..., -3], energies[..., -2], energies[..., -1]
    both = low + high
    weaker, louder = np.minimum(low, high), np.maximum(low, high)
    pair = (both >= _PAIR * everything) & (weaker >= _MOST_TWIST * louder)
    under_speech = (
        (low >= _WITHIN_GROUP * lows)
        & (high >= _WITHIN_GROUP * highs)
        & (both >= _NOT_NOTHING * everything)
    )
    single = (louder >= _SINGLE * everything) & (louder >= _FAINTEST)
    flags: Flags = single | ((pair | under_speech) & (weaker >= _FAINTEST))
    return flags
