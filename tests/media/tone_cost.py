"""What in-band detection costs: CPU time for each call and second, many calls at once.

python -m tests.media.tone_cost --legs 500
"""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
from twisted.internet.task import Clock

from ivr.media.g711 import FRAME, Codec, encode
from ivr.media.inband import ToneBank
from ivr.media.rtp import RtpPacket
from tests.media.sound import Sound, joined, noise, silence, tone
from tests.media.speech import PITCHES, voices

_SECONDS = 10
_FRAMES = _SECONDS * 50


def lines() -> dict[str, list[Sound]]:
    """Ten seconds of what callers send while they listen, speak and press keys."""
    random = np.random.default_rng(1)
    speech = voices(random, 20, float(_SECONDS), PITCHES[1])
    typed = [
        joined(*[joined(tone(key, 100), silence(400)) for key in "4242*0#D159A" + "2580" * 2])
        for _ in range(20)
    ]
    return {
        "nothing": [noise(1000 * _SECONDS, -65, seed) for seed in range(20)],
        "speech": [each.astype(np.float64) for each in speech],
        "two keys a second": typed,
    }


def cost(sounds: Sequence[Sound], legs: int) -> tuple[float, int]:
    """Return CPU milliseconds for each call and second, and how many keys were heard."""
    clock = Clock()
    bank = ToneBank(clock)
    keys = 0

    def pressed(_: object) -> None:
        nonlocal keys
        keys += 1

    ears = [bank.open(Codec.PCMA, pressed) for _ in range(legs)]
    octets = [encode(Codec.PCMA, sound.astype(np.int16)) for sound in sounds]
    spent = 0.0
    for n in range(_FRAMES):
        packets = [
            RtpPacket(8, n, n * FRAME, 1, sound[n * FRAME : (n + 1) * FRAME])
            for sound in octets
        ]
        began = time.process_time()
        for leg, ear in enumerate(ears):
            ear.receive(packets[leg % len(packets)], n * 0.02)
        clock.advance(0.02)
        spent += time.process_time() - began
    return 1000 * spent / legs / _SECONDS, keys


def main(arguments: list[str] | None = None) -> int:
    """Tell the cost for each kind of line."""
    prog = "python -m tests.media.tone_cost"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--legs", type=int, default=500)
    legs = parser.parse_args(arguments).legs
    for kind, sounds in lines().items():
        spent, keys = cost(sounds, legs)
        sys.stdout.write(f"{kind:18} {spent:.3f} ms per call and second, {keys} keys\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
