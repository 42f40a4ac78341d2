"""Talk-off: hours of speech and music in which no key may be heard.

python -m tests.media.talkoff --hours 10
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ivr.media.g711 import FRAME, Codec, decode, encode
from ivr.media.tone_detector import ToneDetector
from tests.media.speech import PITCHES, Sounds, chords, prompts, voices

PROMPTS = Path(__file__).parents[2] / "prompts" / "audio"
_STREAMS = 48
_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of one kind was heard, and how many keys were found in it."""

    kind: str
    hours: float
    keys: int


def kinds(seed: int) -> dict[str, Iterator[Sounds]]:
    """Every kind of sound, without end."""
    random = np.random.default_rng(seed)
    names = ("men", "women", "children")
    made: dict[str, Iterator[Sounds]] = {
        name: _endless(partial(voices, random, _STREAMS, _SECONDS, pitch))
        for name, pitch in zip(names, PITCHES, strict=True)
    }
    made["music"] = _endless(partial(chords, random, _STREAMS, _SECONDS))
    made["prompts"] = prompts(PROMPTS, random, _STREAMS, _SECONDS)
    return made


def listen(kind: str, sounds: Iterator[Sounds], hours: float) -> Heard:
    """Hear `hours` of `sounds`, by A-law and µ-law in turn."""
    batches = max(1, round(hours * 3600 / (_STREAMS * _SECONDS)))
    found = sum(keys_in(next(sounds), tuple(Codec)[n % 2]) for n in range(batches))
    return Heard(kind, batches * _STREAMS * _SECONDS / 3600, found)


def keys_in(sound: Sounds, codec: Codec) -> int:
    """How many keys one detector finds in all streams of `sound`."""
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in sound])
    sent = encode(codec, np.clip(sound, -32768, 32767).astype(np.int16))
    heard = decode(codec, sent).astype(np.float32).reshape(len(sound), -1)
    frames = heard[:, : heard.shape[1] // FRAME * FRAME].reshape(len(sound), -1, FRAME)
    return sum(len(detector.hear(rows, frames[:, n])) for n in range(frames.shape[1]))


def _endless(make: Callable[[], Sounds]) -> Iterator[Sounds]:
    while True:
        yield make()


def main(arguments: list[str] | None = None) -> int:
    """Tell how many keys were found; return 1 when there was one."""
    parser = argparse.ArgumentParser(prog="python -m tests.media.talkoff", description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=24)
    options = parser.parse_args(arguments)
    sounds = kinds(options.seed)
    total = 0
    for kind, source in sounds.items():
        began = time.process_time()
        heard = listen(kind, source, options.hours / len(sounds))
        total += heard.keys
        spent = time.process_time() - began
        sys.stdout.write(
            f"{kind:10} {heard.hours:6.2f} h  {heard.keys} keys  {spent:.0f} s of CPU\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"false keys: {total}\n")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
