"""A voice in which each word is a tone of its own, so that a cut can be heard."""

import re

import numpy as np

from ivr.speech.levels import Samples

RATE = 16_000
WORD_MS = 160
PAUSE_MS = 300
CLOSURE_MS = 50


WORDS = ["Voici", "le", "montant", "deux", "cent", "trois", "euros", "et", "dix", "centimes"]


def tone_of(word: str) -> int:
    """Return the frequency of a word in Hz; all but `WORDS` share one."""
    return 500 + 150 * (WORDS.index(word) + 1 if word in WORDS else 0)


class ToneVoice:
    """Says words as tones, pauses at punctuation, closes before a /t/ as speech does."""

    def __init__(
        self, name: str = "tones", level: float = 0.3, *, breathless: bool = False
    ) -> None:
        self.name = name
        self.said: list[str] = []
        self._level = level
        self._breathless = breathless

    def say(self, text: str) -> tuple[Samples, int]:
        self.said.append(text)
        pieces = [_silence(80)]
        for word, mark in re.findall(r"([^\s.,:!?]+)([.,:!?]?)", text):
            if word.startswith("t"):
                pieces.append(_silence(CLOSURE_MS))
            pieces.append(self._tone(word))
            if mark and not self._breathless:
                pieces.append(_silence(PAUSE_MS))
        return np.concatenate([*pieces, _silence(80)]), RATE

    def _tone(self, word: str) -> Samples:
        t = np.arange(RATE * WORD_MS // 1000) / RATE
        tone = self._level * np.sin(2 * np.pi * tone_of(word) * t)
        return (tone + 0.0005 * np.cos(2 * np.pi * 900 * t)).astype(np.float32)


def _silence(ms: int) -> Samples:
    return np.zeros(RATE * ms // 1000, np.float32)


def words_heard(samples: Samples) -> list[str]:
    """Return which of `WORDS` sound in 8 kHz `samples`, in order."""
    heard: list[str] = []
    for at in range(0, len(samples) - 320, 160):
        window = samples[at : at + 320] * np.hanning(320)
        if np.abs(window).max() < 0.02:
            continue
        loudest = int(np.abs(np.fft.rfft(window, 8000)).argmax())
        word = min(WORDS, key=lambda word: abs(tone_of(word) - loudest))
        if abs(tone_of(word) - loudest) <= 10 and heard[-1:] != [word]:
            heard.append(word)
    return heard
