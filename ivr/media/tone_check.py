"""A check of recordings: what sounds like a key to us may do so to the other end."""

import numpy as np

from ivr.media.g711 import FRAME, Samples
from ivr.media.tone_detector import ToneDetector
from ivr.media.tone_plan import BLOCK

_SHIFTS = range(0, FRAME, BLOCK)
"""The other end may cut the recording into other frames than ours."""


def looks_like_tones(samples: Samples) -> bool:
    """Whether a detector of keypad tones finds a key in 16-bit samples at 8 kHz."""
    frames = -(-(len(samples) + FRAME) // FRAME)
    heard = np.zeros((len(_SHIFTS), frames * FRAME), dtype=np.float32)
    for shift, line in zip(_SHIFTS, heard, strict=True):
        line[shift : shift + len(samples)] = samples
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in _SHIFTS])
    parts = heard.reshape(len(rows), frames, FRAME)
    return any(detector.hear(rows, parts[:, n]) for n in range(frames))
