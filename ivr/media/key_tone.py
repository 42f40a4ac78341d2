"""Keypad tones to be sent: ITU-T Q.23, for a peer that has no telephone-events."""

import numpy as np

from ivr.media.g711 import FRAME, RATE, Codec, Samples, encode
from ivr.media.tone_plan import PAIRS, TONE_KEYS, amplitude

LEVEL = -9.0
"""dBm0 of each of the two frequencies: as loud as telephones send them (Q.23, Q.24)."""


def tone(key: str, begin: int, length: int, level: float = LEVEL) -> Samples:
    """Return `length` samples of a key's tone, from the sample `begin` of it on."""
    turns = 2 * np.pi / RATE * np.outer(np.arange(begin, begin + length), _hertz(key))
    samples: Samples = np.rint(amplitude(level) * np.sin(turns).sum(axis=1)).astype(np.int16)
    return samples


def tone_frame(key: str, begin: int, codec: Codec) -> bytes:
    """Return 20 ms of a key's tone in `codec`, from the sample `begin` of it on."""
    return encode(codec, tone(key, begin, FRAME))


def _hertz(key: str) -> list[float]:
    hertz: list[float] = PAIRS[TONE_KEYS.index(key)].tolist()
    return hertz
