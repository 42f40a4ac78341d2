"""ITU-T Q.24 as a table: what a receiver of keypad tones must hear, and what it must not.

The values are those of Q.24 table A-1 for AT&T, and for NTT and Brazil where they ask for
more. The Recommendation itself was not at hand to check them. Public texts that quote it
agree where they say anything: RFC 4733 §2.5.2.1 (40 ms of tone and of pause), and other
receivers' documents (twist of +4 and -8 dB, 23 ms, ±1.5 % and ±3.5 %, 15 dB over noise). No
such text was found for the lines marked NTT or Brazil, nor for the levels.

Each line is tried with all sixteen keys, at moments spread over a packet, by A-law and
µ-law.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from ivr.media.g711 import Codec
from tests.media.sound import ALL_KEYS, Sound, joined, keys_in, noise, silence, tone

Press = Callable[..., Sound]

HEARD: dict[str, Press] = {
    "as most keypads send": partial(tone, ms=100, low=-8, high=-6),
    "both frequencies 1.5 % high": partial(tone, ms=40, off=(0.015, 0.015)),
    "both frequencies 1.5 % low": partial(tone, ms=40, off=(-0.015, -0.015)),
    "frequencies 1.5 % apart": partial(tone, ms=40, off=(0.015, -0.015)),
    "frequencies 1.5 % together": partial(tone, ms=40, off=(-0.015, 0.015)),
    "frequencies 1.8 % off (NTT)": partial(tone, ms=100, off=(0.018, -0.018)),
    "0 dBm0 each, which overloads": partial(tone, ms=40, low=0, high=0),
    "-25 dBm0 each": partial(tone, ms=40, low=-25, high=-25),
    "high tone 4 dB above": partial(tone, ms=40, low=-14, high=-10),
    "high tone 8 dB below": partial(tone, ms=40, low=-10, high=-18),
    "high tone 4 dB above, quiet": partial(tone, ms=40, low=-25, high=-21),
    "high tone 8 dB below, quiet": partial(tone, ms=40, low=-17, high=-25),
    "5 dB apart (NTT)": partial(tone, ms=40, low=-10, high=-15),
    "40 ms": partial(tone, ms=40),
    "for 5 seconds": partial(tone, ms=5000),
    "the worst of all at once": partial(tone, ms=40, low=-17, high=-25, off=(0.015, -0.015)),
}

NOT_HEARD: dict[str, Press] = {
    "both frequencies 3.5 % high": partial(tone, off=(0.035, 0.035)),
    "both frequencies 3.5 % low": partial(tone, off=(-0.035, -0.035)),
    "low frequency 3.5 % high": partial(tone, off=(0.035, 0.0)),
    "low frequency 3.5 % low": partial(tone, off=(-0.035, 0.0)),
    "high frequency 3.5 % high": partial(tone, off=(0.0, 0.035)),
    "high frequency 3.5 % low": partial(tone, off=(0.0, -0.035)),
    "low frequency 3 % high (NTT)": partial(tone, off=(0.03, 0.0)),
    "high frequency 3 % low (NTT)": partial(tone, off=(0.0, -0.03)),
    "-29 dBm0 each (NTT)": partial(tone, low=-29, high=-29),
    "low tone of -29 dBm0": partial(tone, low=-29, high=-25),
    "high tone of -29 dBm0": partial(tone, low=-25, high=-29),
    "high tone 6 dB above": partial(tone, low=-16, high=-10),
    "high tone 10 dB below": partial(tone, low=-10, high=-20),
    "24 ms (NTT)": partial(tone, ms=24),
    "23 ms (AT&T)": partial(tone, ms=23),
    "20 ms (Brazil)": partial(tone, ms=20),
    "the low tone alone": partial(tone, high=-80),
    "the high tone alone": partial(tone, low=-80),
}


def lines(press: Press, *, db_above_noise: float | None = None) -> list[Sound]:
    """Each key, begun at five moments of a packet, with phases of its own."""
    made = []
    for n, key in enumerate(ALL_KEYS * 5):
        phases = (0.37 * n % 6.28, 0.83 * n % 6.28)
        line = joined(silence(25 + n * 20 / 81), press(key, phases=phases), silence(40))
        if db_above_noise is not None:
            power = np.square(line[line != 0]).mean()
            source = np.random.default_rng(n)
            scale = np.sqrt(power / 10 ** (db_above_noise / 10))
            line = line + source.standard_normal(len(line)) * scale
        made.append(line)
    return made


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("press", HEARD.values(), ids=HEARD)
def test_it_is_heard_once(press: Press, codec: Codec) -> None:
    assert keys_in(lines(press), codec) == list(ALL_KEYS * 5)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("press", NOT_HEARD.values(), ids=NOT_HEARD)
def test_it_is_not_heard(press: Press, codec: Codec) -> None:
    assert keys_in(lines(press), codec) == [""] * len(ALL_KEYS) * 5


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("press", HEARD.values(), ids=HEARD)
def test_it_is_heard_through_noise_15_db_below(press: Press, codec: Codec) -> None:
    heard = keys_in(lines(press, db_above_noise=15), codec)
    assert heard == list(ALL_KEYS * 5)


def test_noise_of_any_level_is_no_key() -> None:
    levels = np.repeat(np.arange(-60, 4, 4), 4).tolist()
    sounds = [noise(5000, level, seed) for seed, level in enumerate(levels)]
    assert keys_in(sounds) == [""] * len(sounds)


def test_1600_keys_in_noise_15_db_below_are_all_heard_and_no_other() -> None:
    """Q.24 leaves the error rate open; AT&T asks for fewer than one in 10,000 at 23 dB."""
    random = np.random.default_rng(24)
    presses = []
    for key in ALL_KEYS * 100:
        off, phases = random.choice([-0.015, 0.015], 2), random.uniform(0, 6.28, 2)
        low, high = random.choice([(-17, -25), (-25, -21), (-10, -10)])
        press = tone(key, 40, low, high, off=(off[0], off[1]), phases=(phases[0], phases[1]))
        presses.append(joined(silence(random.uniform(20, 60)), press, silence(40)))
        power = np.square(press).mean() / 10**1.5
        presses[-1] += random.standard_normal(len(presses[-1])) * np.sqrt(power)
    assert keys_in(presses) == list(ALL_KEYS * 100)
