"""Attacks on the tone shield: whoever hears a shielded line tries to tell the keys.

python -m tests.media.shield_attack --lines 480
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from ivr.media import tone_gate
from ivr.media.g711 import FRAME, RATE, decode, encode
from ivr.media.mask_tone import FRAMES, SLOT
from ivr.media.tone_detector import ToneDetector
from ivr.media.tone_gate import ToneGate
from ivr.media.tone_suspicion import suspicious
from tests.media.shield_lines import (
    BACKGROUNDS,
    KEYS,
    Heard,
    Press,
    backgrounds,
    hear,
    presses,
    unshielded,
)
from tests.media.sound import HIGH_HERTZ, LOW_HERTZ, peak
from tests.media.speech import Sounds

Features = NDArray[np.float64]

CHANCE = 1 / len(KEYS)
LOUDEST = -50.0
"""dBm0 at a keypad's frequency, or twice one, that may be owed to a key."""
MOST_CLICKS = 0.002
SHORTEST = 40.0
"""ms that a key is down at least (ITU-T Q.24): shorter presses click a little more."""
MEASURED = "159#"
"""Keys that have all of the keypad's frequencies between them."""
_SPECTRUM = 256
_SPREAD = 3.3
"""Standard deviations: one honest shield in a thousand is suspected wrongly."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one kind of background gave away."""

    kind: str
    lines: int
    detected: int
    """Keys that our own detector found."""
    loudest: float
    """dBm0 at a keypad's frequency, owed to a key."""
    doubled: float
    """dBm0 at twice such a frequency, owed to a key, in windows of 50 and 100 ms."""
    clicks: float
    """Share of presses of 40 ms and more that begin or end, under louder speech, with more
    than -50 dBm0 at twice such a frequency, in windows of 20 ms: so short a window has the
    whole band of the click in it. That it does not tell the key, the guesses below show."""
    loudest_click: float
    """The loudest such level, in dBm0."""
    identical: float
    """Share of lines that sound the same to the last bit, whichever of two keys."""
    accuracy: float
    """Share of unseen lines whose key was guessed, by the better of two classifiers."""
    bound: float
    """What luck alone may guess."""
    on_grid: bool
    """Whether each mask tone began on the grid and was whole."""
    timing: float
    """Share of lines whose mask tones begin at the same time, whichever of two keys."""

    @property
    def held(self) -> bool:
        return (
            not self.detected
            and self.loudest <= LOUDEST
            and self.doubled <= LOUDEST
            and self.clicks <= MOST_CLICKS
            and self.accuracy <= self.bound
            and self.on_grid
        )

    def __str__(self) -> str:
        return (
            f"{self.kind:8} {self.lines:6} lines  {self.detected} detected  "
            f"loudest {self.loudest:6.1f} dBm0, doubled {self.doubled:6.1f}, "
            f"clicks {self.clicks:5.2%} up to {self.loudest_click:6.1f}  "
            f"identical {self.identical:6.1%}  "
            f"guessed {self.accuracy:5.1%} of at most {self.bound:5.1%}  "
            f"same timing {self.timing:6.1%}  {'held' if self.held else 'BROKEN'}"
        )


def attack(kind: str, count: int, seed: int) -> Report:
    """Send `count` presses of each key over `kind`, and try to tell the keys."""
    random = np.random.default_rng(seed)
    made = presses(random, count)
    sounds = backgrounds(random, kind, count)
    heard = {key: hear(made, key, sounds) for key in KEYS}
    owed = [residue(made, key, sounds) for key in MEASURED]
    whole = np.array([press.length >= SHORTEST for press in made])
    clicks = np.array([each.clicks[whole] for each in owed])
    accuracy, tried = guessed([features(made, heard[key].sound) for key in KEYS])
    return Report(
        kind=kind,
        lines=count * len(KEYS),
        detected=sum(detected(each.speech) for each in heard.values()),
        loudest=max(float(each.at_keys.max()) for each in owed),
        doubled=max(float(each.at_doubles.max()) for each in owed),
        clicks=float(np.mean(clicks > LOUDEST)),
        loudest_click=float(clicks.max()),
        identical=_agreement([each.octets for each in heard.values()]),
        accuracy=accuracy,
        bound=bound(tried),
        on_grid=on_grid(list(heard.values())),
        timing=_agreement([each.masks for each in heard.values()]),
    )


def detected(sound: Sounds) -> int:
    """How many keys the project's own detector finds."""
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in sound])
    frames = np.ascontiguousarray(sound.reshape(len(sound), -1, FRAME).transpose(1, 0, 2))
    return sum(len(detector.hear(rows, frame)) for frame in frames)


@dataclass(frozen=True, slots=True, eq=False)
class Residue:
    """What of a key's tone passes the gate, in dBm0 at the loudest of each line."""

    at_keys: NDArray[np.float64]
    """At the keypad's frequencies, in windows of 20, 50 and 100 ms."""
    at_doubles: NDArray[np.float64]
    """At twice these, in windows of 50 and 100 ms."""
    clicks: NDArray[np.float64]
    """At twice these, in windows of 20 ms."""


def residue(made: Sequence[Press], key: str, sounds: Sounds) -> Residue:
    """Measure what passes: the gate drops what it suspects, and filters the tone alone."""
    with_tone = unshielded(made, key, sounds)
    suspicions: list[NDArray[np.bool_]] = []

    def listen(windows: Sounds) -> NDArray[np.bool_]:
        suspicions.append(suspicious(windows))
        return suspicions[-1]

    with mock.patch.object(tone_gate, "suspicious", listen):
        _gated(_coded(made, with_tone))
    with mock.patch.object(tone_gate, "suspicious", side_effect=suspicions):
        owed = _gated(with_tone - sounds)
    hertz = np.array([*LOW_HERTZ, *HIGH_HERTZ])
    return Residue(
        at_keys=np.max([_levels(owed, hertz, ms) for ms in (20, 50, 100)], axis=0),
        at_doubles=np.max([_levels(owed, 2 * hertz, ms) for ms in (50, 100)], axis=0),
        clicks=_levels(owed, 2 * hertz, 20),
    )


def features(made: Sequence[Press], sound: Sounds) -> Features:
    """What an attacker who knows when the key was pressed looks at, one row a line."""
    rows = []
    for press, line in zip(made, sound, strict=True):
        begin = int(press.begin * RATE / 1000) - FRAME * 2
        heard = line[begin : begin + 12_800].astype(np.float64)
        pieces = np.lib.stride_tricks.sliding_window_view(heard, _SPECTRUM)[:: _SPECTRUM // 2]
        spectrum = np.abs(np.fft.rfft(pieces * np.hanning(_SPECTRUM), axis=1)) ** 2
        by_time = np.log10(spectrum[:, 8:64].sum(axis=1) + 1e3)
        by_hertz = np.log10(spectrum.mean(axis=0) + 1e3)
        fine = np.log10(np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2 + 1e5)
        keys = [fine[int(f * 1.6) - 24 : int(f * 1.6) + 24].max() for f in _KEY_HERTZ]
        rows.append(np.concatenate([by_time, by_hertz, keys]))
    return np.array(rows)


_KEY_HERTZ = (*LOW_HERTZ, *HIGH_HERTZ, *(2 * f for f in (*LOW_HERTZ, *HIGH_HERTZ)))


def guessed(by_key: Sequence[Features]) -> tuple[float, int]:
    """Share of lines that the better classifier guesses, and how many lines it was tried on.

    Each learns from one half of the presses and is tried on the other, both ways round:
    a nearest centroid, and a linear regression on the keys.
    """
    half = len(by_key[0]) // 2
    right = np.zeros(2)
    tried = 0
    for learn, try_ in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        known = np.concatenate([each[learn] for each in by_key])
        unknown = np.concatenate([each[try_] for each in by_key])
        known_keys = np.repeat(np.arange(len(by_key)), len(known) // len(by_key))
        keys = np.repeat(np.arange(len(by_key)), len(unknown) // len(by_key))
        middle, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
        known, unknown = (known - middle) / spread, (unknown - middle) / spread
        right[0] += (_by_centroid(known, known_keys, unknown) == keys).sum()
        right[1] += (_by_regression(known, known_keys, unknown) == keys).sum()
        tried += len(keys)
    return float(right.max() / tried), tried


def bound(tried: int) -> float:
    """What luck guesses of `tried` lines, once in a thousand times."""
    return CHANCE + _SPREAD * float(np.sqrt(CHANCE * (1 - CHANCE) / tried))


def on_grid(heard: Sequence[Heard]) -> bool:
    """Whether all mask tones last for 120 ms and begin on one grid of 160 ms."""
    places: set[int] = set()
    lengths: set[int] = set()
    for each in heard:
        masks = np.pad(each.masks, ((0, 0), (1, 1)))
        edges = masks[:, 1:].astype(int) - masks[:, :-1]
        begins, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
        places.update((begins % SLOT).tolist())
        lengths.update((ends - begins).tolist())
    return len(places) == 1 and lengths == {FRAMES}


def _by_centroid(
    known: Features, keys: NDArray[np.intp], unknown: Features
) -> NDArray[np.intp]:
    centroids = np.array([known[keys == n].mean(axis=0) for n in range(len(KEYS))])
    distances = ((unknown[:, np.newaxis] - centroids) ** 2).sum(axis=2)
    nearest: NDArray[np.intp] = distances.argmin(axis=1)
    return nearest


def _by_regression(
    known: Features, keys: NDArray[np.intp], unknown: Features
) -> NDArray[np.intp]:
    with_one = np.column_stack([known, np.ones(len(known))])
    ridge = 0.03 * len(known) * np.eye(with_one.shape[1])
    wanted = np.eye(len(KEYS))[keys]
    weights = np.linalg.solve(with_one.T @ with_one + ridge, with_one.T @ wanted)
    scores = np.column_stack([unknown, np.ones(len(unknown))]) @ weights
    best: NDArray[np.intp] = scores.argmax(axis=1)
    return best


def _agreement(by_key: Sequence[NDArray[np.generic]]) -> float:
    """Share of lines that are the same for two keys, over all pairs of keys."""
    pairs = [
        (one == other).reshape(len(one), -1).all(axis=1).mean()
        for n, one in enumerate(by_key)
        for other in by_key[:n]
    ]
    return float(np.mean(pairs))


def _coded(made: Sequence[Press], lines: Sounds) -> Sounds:
    whole = np.clip(np.rint(lines), -32768, 32767).astype(np.int16)
    heard = [
        decode(press.codec, encode(press.codec, line))
        for press, line in zip(made, whole, strict=True)
    ]
    return np.array(heard, dtype=np.float32)


def _gated(lines: Sounds) -> Sounds:
    gate = ToneGate(np.random.default_rng(1))
    rows = np.array([gate.open() for _ in lines])
    nothing = np.zeros(len(lines), dtype=np.bool_)
    frames = lines.reshape(len(lines), -1, FRAME).transpose(1, 0, 2)
    heard = [gate.hear(rows, np.ascontiguousarray(frame), nothing)[0] for frame in frames]
    return np.concatenate(heard, axis=1)


def _levels(sound: Sounds, hertz: NDArray[np.int64], ms: int) -> NDArray[np.float64]:
    length = ms * RATE // 1000
    window = np.hanning(length + 2)[1:-1]
    turns = np.exp(-2j * np.pi * np.outer(np.arange(length), hertz) / RATE)
    reader = (window[:, np.newaxis] * turns * 2 / window.sum()).astype(np.complex64)
    pieces = np.lib.stride_tricks.sliding_window_view(sound, length, axis=1)[:, :: RATE // 100]
    amplitudes = np.abs(pieces @ reader).max(axis=(1, 2)).astype(np.float64)
    levels: NDArray[np.float64] = 20 * np.log10(np.maximum(amplitudes, 1e-3) / peak(0.0))
    return levels


def main(arguments: list[str] | None = None) -> int:
    """Tell what each kind of line gave away; return 1 when a shield was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.media.shield_attack", description=__doc__
    )
    parser.add_argument("--lines", type=int, default=480, help="of each kind and key")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args(arguments)
    held = True
    for n, kind in enumerate(BACKGROUNDS):
        report = attack(kind, options.lines, options.seed + n)
        held = held and report.held
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
