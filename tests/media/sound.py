"""Telephone sound for the tests of keypad tones: tones as keypads send them, lines, laws.

Sound is float samples at 8 kHz on the scale of 16 bits; levels are in dBm0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import FRAME, RATE, Codec, decode, encode
from ivr.media.tone_detector import Tone, ToneDetector

Sound = NDArray[np.float64]

# Q.23 and G.711 once more, so that a slip in the detector's tables is found.
GRID = ("123A", "456B", "789C", "*0#D")
LOW_HERTZ = (697, 770, 852, 941)
HIGH_HERTZ = (1209, 1336, 1477, 1633)
ALL_KEYS = "".join(GRID)
OVERLOAD = 3.14


def frequencies(key: str) -> tuple[int, int]:
    row = next(n for n, line in enumerate(GRID) if key in line)
    return LOW_HERTZ[row], HIGH_HERTZ[GRID[row].index(key)]


def peak(dbm0: float) -> float:
    return float(32768 * 10 ** ((dbm0 - OVERLOAD) / 20))


def samples(ms: float) -> int:
    return round(ms * RATE / 1000)


def silence(ms: float) -> Sound:
    return np.zeros(samples(ms))


def sine(hertz: float, ms: float, dbm0: float, phase: float = 0.0) -> Sound:
    time = np.arange(samples(ms)) / RATE
    return peak(dbm0) * np.sin(2 * np.pi * hertz * time + phase)


def tone(
    key: str,
    ms: float = 100,
    low: float = -10.0,
    high: float = -10.0,
    *,
    off: tuple[float, float] = (0.0, 0.0),
    phases: tuple[float, float] = (0.0, 0.0),
) -> Sound:
    """A key's tone: the levels of its two frequencies, and how far they are off (0.01: 1 %)."""
    low_hertz, high_hertz = frequencies(key)
    return sine(low_hertz * (1 + off[0]), ms, low, phases[0]) + sine(
        high_hertz * (1 + off[1]), ms, high, phases[1]
    )


def noise(ms: float, dbm0: float, seed: int = 0) -> Sound:
    """White noise over the 4 kHz of the line; a sine of `dbm0` has its power."""
    source = np.random.default_rng(seed)
    made: Sound = source.standard_normal(samples(ms)) * peak(dbm0) / np.sqrt(2)
    return made


def joined(*parts: Sound) -> Sound:
    return np.concatenate(parts)


def coded(sound: Sound, codec: Codec) -> NDArray[np.int16]:
    """What is left of `sound` after a codec: clipped, quantised by its law, decoded."""
    whole = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return decode(codec, encode(codec, whole))


def detect(streams: Sequence[Sound], codec: Codec | None = Codec.PCMA) -> list[list[Tone]]:
    """Let one detector hear all streams at once; return the tones of each.

    Each stream ends with 100 ms of silence, so that its last tone is over.
    """
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in streams])
    longest = max(map(len, streams)) + samples(100)
    frames = -(-longest // FRAME)
    heard = np.zeros((len(streams), frames * FRAME), dtype=np.float32)
    for place, sound in zip(heard, streams, strict=True):
        place[: len(sound)] = sound if codec is None else coded(sound, codec)
    found: dict[int, list[Tone]] = {int(row): [] for row in rows}
    for frame in heard.reshape(len(streams), frames, FRAME).transpose(1, 0, 2):
        for recognised in detector.hear(rows, np.ascontiguousarray(frame)):
            found[recognised.row].append(recognised)
    return [found[int(row)] for row in rows]


def keys_in(streams: Sequence[Sound], codec: Codec | None = Codec.PCMA) -> list[str]:
    """The keys heard in each stream."""
    return ["".join(each.key for each in tones) for tones in detect(streams, codec)]
