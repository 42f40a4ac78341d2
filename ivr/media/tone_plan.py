"""The sixteen keypad tones of ITU-T Q.23, and the tables with which they are looked for.

A key sounds as one frequency of the low group and one of the high group. Levels are in
dBm0, the scale of the telephone network on which G.711 overloads at +3.14.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import FRAME, RATE

Floats = NDArray[np.float32]

LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)
TONE_KEYS = "123A456B789C*0#D"
"""Keys in the order of their low, then their high frequency: key `4 * low + high`."""

PAIRS: Floats = np.array(list(product(LOW, HIGH)), dtype=np.float32)
"""The two frequencies of each key, in Hz."""

TOLERANCE = 0.019
"""Above the ±1.5 % (±1.8 % in Japan) that are a key, well below the ±3.5 % (±3 %) that are
not: the 3rd and 5th harmonic of a voice can be 1.97 % off both tones of a key."""

ZERO_DBM0 = 22_826.0
"""Peak of a 0 dBm0 sine in 16-bit samples (ITU-T G.711 table 5: the digital milliwatt)."""

BLOCK = RATE * 5 // 1000
"""Samples in 5 ms, the grain in which tones begin and end."""

DIMENSIONS = 4
_GROUP = len(LOW)


def amplitude(dbm0: float) -> float:
    """Return the peak, in 16-bit samples, of a sine of `dbm0`."""
    return float(ZERO_DBM0 * 10 ** (dbm0 / 20))


def _zone(frequency: float) -> Floats:
    """Return an orthonormal basis of what 20 ms of one tone, near enough, can look like."""
    nearby = frequency * np.linspace(1 - TOLERANCE, 1 + TOLERANCE, 21)
    turns = np.exp(2j * np.pi * np.outer(np.arange(FRAME), nearby) / RATE)
    left, _, _ = np.linalg.svd(np.hstack([turns.real, turns.imag]), full_matrices=False)
    basis: Floats = left[:, :DIMENSIONS].astype(np.float32)
    return basis


def _reader(low: float, high: float) -> Floats:
    """Return what reads both tones' complex amplitudes, by least squares, out of one block."""
    turns = 2 * np.pi * np.outer(np.arange(BLOCK), (low, high)) / RATE
    waves = np.stack([np.cos(turns), -np.sin(turns)], axis=2).reshape(BLOCK, 4)
    reader: Floats = np.linalg.pinv(waves).T.astype(np.float32)
    return reader


ZONES: Floats = np.hstack([_zone(frequency) for frequency in (*LOW, *HIGH)])
"""160 samples to four coordinates in each of the eight zones, 32 columns."""

ZONE_SUMS: Floats = np.repeat(np.eye(2 * _GROUP, dtype=np.float32), DIMENSIONS, axis=0)
"""Squares of coordinates to the energy in each zone."""

READERS: Floats = np.stack([_reader(*pair) for pair in PAIRS])
"""For each key, 40 samples to real and imaginary part of the low, then of the high tone."""
