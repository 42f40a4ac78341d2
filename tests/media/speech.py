"""What callers' lines carry besides keys, made to be mistaken for them: voices and music.

Voices are harmonics of a gliding or held pitch under formants that favour the keypad's
frequencies; music is chords of notes with overtones. Sound is (streams, samples) at 8 kHz
on the scale of 16 bits.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

from ivr.media.g711 import RATE

Sounds = NDArray[np.float32]

_STEP = 80
"""Samples in the 10 ms from one value of pitch and formants to the next."""
_SYLLABLE = 8
"""Such steps from one target to the next."""

_FORMANTS = np.array(
    [
        (300, 870, 2240),
        (460, 1310, 2690),
        (640, 1190, 2390),
        (710, 1100, 2540),
        (750, 1250, 2500),
        (550, 1770, 2490),
        (400, 1920, 2560),
        (280, 2250, 2890),
        (850, 1220, 2810),
        (860, 1450, 2850),
        # Vowels of nobody's, on the keypad's frequencies.
        (697, 1209, 2600),
        (770, 1336, 2700),
        (852, 1477, 2800),
        (941, 1633, 2900),
    ],
    dtype=np.float32,
)
PITCHES = ((80.0, 160.0), (160.0, 320.0), (320.0, 640.0))
"""In Hz: of men, of women, of children and singers."""


def voices(
    random: Generator, streams: int, seconds: float, pitch: tuple[float, float]
) -> Sounds:
    """Voices of a pitch within `pitch`; each second one is cut to the telephone's band."""
    steps = int(seconds * RATE) // _STEP
    base = np.exp(random.uniform(np.log(pitch[0]), np.log(pitch[1]), (streams, 1)))
    wander = _track(random, random.normal(0, 0.06, (streams, _targets(steps), 1)), steps)
    jitter = random.normal(0, 0.004, (streams, steps + 1)) * random.integers(0, 2, (streams, 1))
    fundamental = (base * np.exp(wander[:, :, 0] + jitter)).astype(np.float32)
    formants = _track(
        random, _FORMANTS[random.integers(0, len(_FORMANTS), (streams, _targets(steps)))], steps
    )
    widths = random.uniform((50, 70, 110), (90, 110, 170), (streams, 3)).astype(np.float32)
    tilt = random.uniform(0.7, 1.6, (streams, 1)).astype(np.float32)
    banded = np.arange(streams)[:, np.newaxis] % 2 == 0
    loud = np.clip(random.normal(0.8, 0.5, (streams, _targets(steps), 1)), 0, 1.5)
    level = _track(random, loud, steps)[:, :, 0]

    def strength(harmonic: int) -> Sounds:
        hertz = harmonic * fundamental
        response = level * (hertz / 500) ** -tilt
        for n in range(3):
            formant, width = formants[:, :, n], widths[:, n, np.newaxis]
            response *= formant**2 / np.hypot(formant**2 - hertz**2, width * hertz)
        response[banded & (hertz < 300)] *= 0.1
        response[hertz > 3600] = 0
        return np.asarray(response, dtype=np.float32)

    sound = _harmonics(fundamental, strength, int(3600 / fundamental.min()))
    return _scaled(random, sound + random.normal(0, 0.002, sound.shape).astype(np.float32))


def chords(random: Generator, streams: int, seconds: float) -> Sounds:
    """One to four notes at once from C4 to C7; overtones fall by 3 to 8 dB an octave."""
    steps = int(seconds * RATE) // _STEP
    slope = random.uniform(0.5, 1.4, (streams, 1)).astype(np.float32)
    tuning = random.uniform(-0.3, 0.3, (streams, 1))
    sound = np.zeros((streams, steps * _STEP), dtype=np.float32)
    for note in range(4):
        held = random.integers(60, 97, (streams, _targets(steps)))
        played = np.repeat(held, 2 * _SYLLABLE, axis=1)[:, : steps + 1]
        vibrato = random.uniform(0, 0.08, (streams, 1)) * np.sin(np.arange(steps + 1) / 3.2)
        hertz = (440 * 2 ** ((played + tuning + vibrato - 69) / 12)).astype(np.float32)
        sounding = random.random((streams, _targets(steps))) < (1.0, 0.9, 0.5, 0.3)[note]
        fading = np.exp(-np.arange(2 * _SYLLABLE) * random.uniform(0, 0.15))
        gain = (sounding[:, :, np.newaxis] * fading).reshape(streams, -1)[:, : steps + 1]
        gain = gain.astype(np.float32)

        def strength(harmonic: int, hertz: Sounds = hertz, gain: Sounds = gain) -> Sounds:
            heard = harmonic * hertz < 3600
            return np.asarray(gain * harmonic**-slope * heard, dtype=np.float32)

        sound += _harmonics(hertz, strength, 8)
    return _scaled(random, sound)


def prompts(folder: Path, random: Generator, streams: int, seconds: float) -> Iterator[Sounds]:
    """Yield, without end, what is recorded in `folder`, at many speeds and levels.

    A voice at another speed is another voice. Raise `ValueError` when nothing is there.
    """
    files = sorted(folder.rglob("*.wav"))
    if not files:
        raise ValueError(f"{folder}: no prompts in it")
    clips = [soundfile.read(file, dtype="float32")[0] for file in files]
    length = int(seconds * RATE)
    pieces: list[Sounds] = []
    for turn in cycle(range(1000)):
        speed = 1.0 if turn == 0 else random.uniform(0.8, 1.25)
        whole = np.concatenate([clips[n] for n in random.permutation(len(clips))])
        places = np.arange(0, len(whole) - 1, speed)
        played = np.interp(places, np.arange(len(whole)), whole).astype(np.float32)
        pieces += [played[at : at + length] for at in range(0, len(played) - length, length)]
        while len(pieces) >= streams:
            yield _scaled(random, np.stack(pieces[:streams]))
            del pieces[:streams]


def _targets(steps: int) -> int:
    return steps // _SYLLABLE + 2


def _track(random: Generator, targets: NDArray[np.floating], steps: int) -> Sounds:
    """Glide from target to target, or hold: (streams, targets, n) to (…, steps + 1, n)."""
    held = random.random(targets.shape[:2]) < 0.5
    held[:, 0] = False
    kept = np.maximum.accumulate(np.where(held, 0, np.arange(targets.shape[1])), axis=1)
    targets = np.take_along_axis(targets, kept[:, :, np.newaxis], axis=1)
    share = (np.arange(_SYLLABLE) / _SYLLABLE)[:, np.newaxis]
    now, then = targets[:, :-1, np.newaxis], targets[:, 1:, np.newaxis]
    glides = now + (then - now) * share
    tracks = glides.reshape(len(targets), -1, targets.shape[2])
    return tracks[:, : steps + 1].astype(np.float32)


def _harmonics(fundamental: Sounds, strength: Callable[[int], Sounds], count: int) -> Sounds:
    """Add up cosines at multiples of a pitch; `strength` tells each one's peak."""
    turns: NDArray[np.float64] = np.cumsum(_between(fundamental).astype(np.float64), axis=1) * (
        2 * np.pi / RATE
    )
    first: Sounds = np.cos(turns).astype(np.float32)
    before, now = np.ones_like(first), first
    sound: Sounds = np.zeros_like(first)
    for harmonic in range(1, count + 1):
        sound += _between(strength(harmonic)) * now
        before, now = now, 2 * first * now - before
    return sound


def _between(values: Sounds) -> Sounds:
    """Fill the samples between the steps in straight lines."""
    share = (np.arange(_STEP, dtype=np.float32) / _STEP)[np.newaxis, np.newaxis]
    now, rise = values[:, :-1, np.newaxis], np.diff(values, axis=1)[:, :, np.newaxis]
    lines: Sounds = now + rise * share
    return lines.reshape(len(values), -1)


def _scaled(random: Generator, sound: Sounds) -> Sounds:
    """Bring each stream to between -27 and -9 dBm0, as loud as telephone talkers are."""
    power = np.sqrt(np.mean(np.square(sound), axis=1, keepdims=True)) + 1e-9
    wanted = 32768 * 10 ** ((random.uniform(-27, -9, (len(sound), 1)) - 3.14) / 20) / np.sqrt(2)
    return (sound * (wanted / power)).astype(np.float32)
