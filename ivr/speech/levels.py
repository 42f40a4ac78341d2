"""From a synthesiser's sound to a telephone's: band, loudness, peak, trimming.

Samples are mono float32 from -1 to 1. Loudness is ITU-R BS.1770 in LUFS, peaks are in
dB below full scale.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

Samples = NDArray[np.float32]

RATE = 8000
FRAME = RATE // 50
"""Samples in the 20 ms that one RTP packet carries: a clip is a whole number of them."""
LOUDNESS = -21.0
PEAK = -3.0
TRIM = -45.0
LOWEST, HIGHEST = 200, 3600
PAD_MS = 20
FADE_MS = 5

PROCESSING = (
    f"2: {LOWEST}-{HIGHEST} Hz, soxr VHQ {RATE} Hz, {LOUDNESS} LUFS, peak {PEAK} dB, "
    f"trim {TRIM} dB, pad {PAD_MS} ms, fade {FADE_MS} ms, A-law"
)
"""The recipe: a clip is made again when it changes. Raise its number with the code."""

_PEAK_BEFORE_A_LAW = 10 ** ((PEAK - 0.3) / 20)
"""A-law rounds a sample near full scale by up to 2 %."""
_SHORTEST_MEASURED = RATE * 2 // 5
"""BS.1770 integrates over blocks of 400 ms."""


def write(path: Path, samples: Samples) -> None:
    """Write a clip as 8 kHz A-law WAV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="ALAW", format="WAV")


def narrow(samples: Samples, rate: int) -> Samples:
    """Return `samples` in the telephone's band, at 8 kHz."""
    band = butter(4, (LOWEST, HIGHEST), "bandpass", fs=rate, output="sos")
    filtered = sosfiltfilt(band, samples).astype(np.float32)
    return np.asarray(soxr.resample(filtered, rate, RATE, "VHQ"), np.float32)


def loudness(clips: Iterable[Samples]) -> float:
    """Return the integrated loudness of `clips` played one after the other."""
    whole = np.concatenate(list(clips))
    if len(whole) < _SHORTEST_MEASURED:
        whole = np.tile(whole, -(-_SHORTEST_MEASURED // len(whole)))
    return float(pyloudnorm.Meter(RATE).integrated_loudness(whole))


def gain_for(clips: Iterable[Samples]) -> float:
    """Return the gain in dB that brings `clips`, as one set, to the telephone's loudness.

    Limited peaks cost some loudness, so the gain is found by trying.
    """
    clips = list(clips)
    gain = 0.0
    for _ in range(6):
        gain += LOUDNESS - loudness(amplify(clip, gain) for clip in clips)
    return round(gain, 2)


def amplify(samples: Samples, gain: float) -> Samples:
    """Return `samples` louder by `gain` dB, the peaks rounded off below `PEAK`."""
    loud = samples * np.float32(10 ** (gain / 20))
    knee = 0.7 * _PEAK_BEFORE_A_LAW
    room = _PEAK_BEFORE_A_LAW - knee
    over = np.abs(loud) > knee
    loud[over] = np.sign(loud[over]) * (
        knee + room * np.tanh((np.abs(loud[over]) - knee) / room)
    )
    return loud


def trim(samples: Samples) -> Samples:
    """Return the spoken part in a whole number of frames.

    What is `TRIM` dB below the loudest sample, before the first sound and after the last,
    goes; 20 to 30 ms stay on both sides, faded over 5 ms.
    """
    spoken = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (TRIM / 20))
    if not len(spoken):
        return samples[:0]
    first, last = int(spoken[0]), int(spoken[-1]) + 1
    pad = PAD_MS * RATE // 1000
    length = -(-(last - first + 2 * pad) // FRAME) * FRAME
    start = first - (length - (last - first)) // 2
    clip = np.zeros(length, np.float32)
    kept = slice(max(start, 0), min(start + length, len(samples)))
    clip[kept.start - start : kept.stop - start] = samples[kept]
    fade = np.linspace(0, 1, FADE_MS * RATE // 1000, dtype=np.float32)
    clip[: len(fade)] *= fade
    clip[-len(fade) :] *= fade[::-1]
    return clip
