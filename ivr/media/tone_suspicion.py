"""Whether a keypad tone may be in a window of sound: asked with far less than a key's proof.

The detector must not take speech for a key. Here it is the other way round: a tone may
be weak, short, single, twisted or off its frequency, or lie under speech, and must still
be suspected; speech that looks alike is suspected with it.

Under speech two windows, one after the other, tell a key: its frequencies stay where a
keypad has them and as loud as they were, while those of a voice move.
"""

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import RATE
from ivr.media.tone_plan import HIGH, LOW, Floats, amplitude

Flags = NDArray[np.bool_]
Complex = NDArray[np.complexfloating]

SPAN = 256
"""Samples in a window: 32 ms, most of whose weight is on the middle 16."""

HOP = 80
"""Samples from one window to the next: 10 ms."""

_OFF = 0.05
"""Beyond the ±3.5 % at which a tone is surely no key."""

_FAINTEST = amplitude(-55.0) ** 2
_PAIR = 0.55
"""Two narrow peaks, one in each group of frequencies, hold most of all energy; or"""
_SINGLE = 0.6
"""one of them most of it; or"""
_WITHIN_GROUP = 0.65
"""each holds most of its group's, in speech whose other frequencies are louder,"""
_NOT_NOTHING = 0.05
"""but not by very much,"""
_NEAR = 0.025
"""is that near to a keypad's frequency, by how far its phase has turned in 10 ms,"""
_STEADY = 4.0
"""and has no more than so many times the energy of 10 ms ago, nor less."""
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
_TURN = 2 * np.pi * HOP / SPAN
"""By how much the phase in a bin turns from window to window, times the bin's number."""
_AS_BINS = SPAN / (2 * np.pi * HOP)


def suspicious(windows: Floats) -> Flags:
    """Tell of each window but the first whether to suspect it.

    `windows` is (…, windows, `SPAN`), 16-bit samples as floats, one each `HOP`.
    """
    spectrum = np.fft.rfft(windows * _WINDOW)
    energies = (spectrum.real**2 + spectrum.imag**2) @ _SUMS
    now = energies[..., 1:, :]
    lows, highs = now[..., :_LOWS], now[..., _LOWS:-3]
    low, high = lows.max(axis=-1), highs.max(axis=-1)
    all_low, all_high, everything = now[..., -3], now[..., -2], now[..., -1]
    both = low + high
    weaker, louder = np.minimum(low, high), np.maximum(low, high)
    pair = (both >= _PAIR * everything) & (weaker >= _MOST_TWIST * louder)
    under_speech = (
        (low >= _WITHIN_GROUP * all_low)
        & (high >= _WITHIN_GROUP * all_high)
        & (both >= _NOT_NOTHING * everything)
    )
    single = (louder >= _SINGLE * everything) & (louder >= _FAINTEST)
    flags: Flags = single | ((pair | under_speech) & (weaker >= _FAINTEST))
    maybe = under_speech & flags & ~pair & ~single
    if maybe.any():
        flags &= ~maybe | _stay(spectrum, energies, lows.argmax(axis=-1), LOW)
        flags &= ~maybe | _stay(spectrum, energies, highs.argmax(axis=-1), HIGH)
    return flags


def _stay(
    spectrum: Complex,
    energies: NDArray[np.floating],
    peaks: NDArray[np.intp],
    group: tuple[int, ...],
) -> Flags:
    """Tell whether the peak of a group is as loud as before, and on one of its frequencies."""
    first = _bins(group)[0]
    bins = (peaks + first)[..., np.newaxis]
    column = (peaks + (0 if group is LOW else _LOWS))[..., np.newaxis]
    was = np.take_along_axis(energies[..., :-1, :], column, axis=-1)[..., 0]
    is_ = np.take_along_axis(energies[..., 1:, :], column, axis=-1)[..., 0]
    turned = np.take_along_axis(spectrum[..., 1:, :], bins, axis=-1) * np.conj(
        np.take_along_axis(spectrum[..., :-1, :], bins, axis=-1)
    )
    place = bins + np.angle(turned * np.exp(-1j * _TURN * bins)) * _AS_BINS
    off = np.abs(place * (RATE / SPAN) / np.array(group) - 1).min(axis=-1)
    steady: Flags = (off < _NEAR) & (is_ <= _STEADY * was) & (was <= _STEADY * is_)
    return steady
