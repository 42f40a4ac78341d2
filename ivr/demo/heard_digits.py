"""How many keys can be heard in a recording: what an agent must never hear of a card."""

from pathlib import Path

import numpy as np
import soundfile

from ivr.media.g711 import FRAME, RATE
from ivr.media.tone_detector import ToneDetector


def heard_digits(recording: Path) -> int:
    """Return how many keypad tones a detector finds in a WAV file of 8 kHz."""
    samples, rate = soundfile.read(recording, dtype="int16")
    if rate != RATE:
        raise ValueError(f"{recording} is no telephone recording")
    frames = -(-len(samples) // FRAME)
    sound = np.zeros(frames * FRAME, dtype=np.float32)
    sound[: len(samples)] = samples
    detector = ToneDetector()
    row = np.array([detector.open()])
    return sum(
        len(detector.hear(row, frame[np.newaxis])) for frame in sound.reshape(frames, FRAME)
    )
