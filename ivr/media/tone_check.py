"""A check of recordings: what sounds like a key to us may do so to the other end."""

from collections.abc import Sequence

import numpy as np

from ivr.media.g711 import FRAME, Samples
from ivr.media.tone_detector import ToneDetector
from ivr.media.tone_plan import BLOCK

_SHIFTS = range(0, FRAME, BLOCK)
"""The other end may cut the recording into other frames than ours."""
_AT_ONCE = 64
"""Recordings of about one length that are heard together, which costs little more than one."""


def looks_like_tones(samples: Samples) -> bool:
    """Whether a detector of keypad tones finds a key in 16-bit samples at 8 kHz."""
    return bool(which_look_like_tones([samples]))


def which_look_like_tones(recordings: Sequence[Samples]) -> list[int]:
    """Return the indices of those in which it finds one, in their order."""
    order = sorted(range(len(recordings)), key=lambda index: len(recordings[index]))
    found: set[int] = set()
    for start in range(0, len(order), _AT_ONCE):
        group = order[start : start + _AT_ONCE]
        found.update(group[at] for at in _heard([recordings[index] for index in group]))
    return sorted(found)


def _heard(group: Sequence[Samples]) -> set[int]:
    frames = -(-(max(map(len, group)) + FRAME) // FRAME)
    lines = np.zeros((len(group), len(_SHIFTS), frames * FRAME), dtype=np.float32)
    for samples, shifted in zip(group, lines, strict=True):
        for shift, line in zip(_SHIFTS, shifted, strict=True):
            line[shift : shift + len(samples)] = samples
    parts = lines.reshape(-1, frames, FRAME)
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in parts])
    of_row = {int(row): at // len(_SHIFTS) for at, row in enumerate(rows)}
    return {
        of_row[tone.row] for n in range(frames) for tone in detector.hear(rows, parts[:, n])
    }
