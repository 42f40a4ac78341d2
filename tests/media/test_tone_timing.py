"""When a tone begins and ends, what divides two, and what does not (ITU-T Q.24 §2.7)."""

import numpy as np
import pytest

from ivr.media.g711 import FRAME, Codec
from ivr.media.tone_detector import Tone, ToneDetector
from tests.media.sound import (
    ALL_KEYS,
    Sound,
    coded,
    detect,
    joined,
    keys_in,
    peak,
    samples,
    silence,
    tone,
)


def at_any_moment(*parts: Sound) -> list[Sound]:
    """The same sound, begun at each 5 samples of two packets."""
    whole = joined(*parts)
    return [joined(np.zeros(160 + shift), whole) for shift in range(0, 320, 5)]


def twice(key: str, pause: float, *, ms: float = 60) -> list[Sound]:
    again = tone(key, ms, phases=(1.0, 2.0))
    return at_any_moment(tone(key, ms), silence(pause), again)


@pytest.mark.parametrize("key", ["1", "5", "D"])
@pytest.mark.parametrize("pause", [30, 40, 65, 100])
@pytest.mark.parametrize("ms", [40, 60])
def test_a_pause_makes_two_presses_of_one_key(key: str, pause: float, ms: float) -> None:
    assert set(keys_in(twice(key, pause, ms=ms))) == {key * 2}


@pytest.mark.parametrize("key", ["1", "5", "D"])
@pytest.mark.parametrize("gap", [2, 5, 8, 10, 12])
def test_an_interruption_does_not(key: str, gap: float) -> None:
    assert set(keys_in(twice(key, gap))) == {key}


def test_a_pause_with_an_echo_10_db_down_and_20_ms_late_still_divides() -> None:
    for key in "3*":
        for line in twice(key, 40):
            echo = np.zeros_like(line)
            echo[samples(20) :] = line[: -samples(20)] / np.sqrt(10)
            assert keys_in([line + echo]) == [key * 2]


def test_the_fastest_dialling_that_q24_knows() -> None:
    """93 ms a digit (AT&T), each 43 ms long at the least; here 40 and 40."""
    random = np.random.default_rng(3)
    words = ["".join(random.permutation(list(ALL_KEYS))) for _ in range(40)]
    lines = [joined(*[joined(tone(key, 40), silence(40)) for key in word]) for word in words]
    assert keys_in(lines) == words
    doubled = ["".join(key * 2 for key in word) for word in words]
    lines = [joined(*[joined(tone(key, 40), silence(40)) for key in word]) for word in doubled]
    assert keys_in(lines) == doubled


def test_keys_that_follow_each_other_without_a_pause() -> None:
    pairs = [a + b for a in ALL_KEYS for b in ALL_KEYS if a != b]
    lines = [joined(silence(33), *[tone(key, 60) for key in pair]) for pair in pairs]
    assert keys_in(lines) == pairs
    assert all(each.over for tones in detect(lines) for each in tones)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("ms", [40, 70, 100, 1000])
def test_it_tells_when_a_tone_began_and_ended_within_3_ms(ms: float, codec: Codec) -> None:
    lines = at_any_moment(tone("6", ms))
    for shift, (heard,) in zip(range(0, 320, 5), detect(lines, codec), strict=True):
        begin = 160 + shift
        assert heard.over
        assert abs(heard.begin - begin) <= samples(3)
        assert abs(heard.end - begin - samples(ms)) <= samples(3)


def test_a_tone_that_swells_and_fades_in_5_ms_is_heard() -> None:
    shape = np.ones(samples(50))
    ramp = np.linspace(0, 1, samples(5))
    shape[: len(ramp)] = ramp
    shape[-len(ramp) :] = ramp[::-1]
    assert set(keys_in(at_any_moment(tone("9", 50) * shape))) == {"9"}


def hear(line: Sound, lost: set[int]) -> list[Tone]:
    """Hear a line of which the packets numbered in `lost` never came."""
    detector = ToneDetector()
    rows = np.array([detector.open()])
    padded = joined(line, silence(200))
    frames = coded(padded[: len(padded) // FRAME * FRAME], Codec.PCMA).reshape(-1, 1, FRAME)
    found = []
    for n, frame in enumerate(frames.astype(np.float32)):
        if n in lost:
            found += detector.hear(
                rows, np.zeros((1, FRAME), np.float32), np.full((1, 4), True)
            )
        else:
            found += detector.hear(rows, frame)
    return found


@pytest.mark.parametrize("lost", range(12))
@pytest.mark.parametrize("shift", [0, 7, 13])
def test_a_lost_packet_never_doubles_a_key(shift: float, lost: int) -> None:
    line = joined(silence(40 + shift), tone("7", 160))
    assert [each.key for each in hear(line, {lost})] == ["7"]


@pytest.mark.parametrize("lost", range(16))
@pytest.mark.parametrize("shift", [0, 7, 13])
def test_a_lost_packet_never_joins_two_presses(shift: float, lost: int) -> None:
    line = joined(silence(40 + shift), tone("7", 100), silence(40), tone("7", 100))
    assert [each.key for each in hear(line, {lost})] == ["7", "7"]


def test_a_packet_lost_before_the_gateway_never_doubles_a_key() -> None:
    """A hop that fills a lost packet with silence leaves a hole of 20 ms, unmarked."""
    line = joined(silence(40), tone("2", 60), silence(20), tone("2", 60, phases=(4.0, 5.0)))
    assert [each.key for each in hear(line, set())] == ["2"]


def test_a_tone_does_not_outlive_a_long_silence_of_the_network() -> None:
    line = joined(silence(40), tone("2", 100), silence(300), tone("2", 100))
    assert [each.key for each in hear(line, set(range(7, 22)))] == ["2", "2"]


def test_speech_over_the_line_before_a_key_does_not_hide_it() -> None:
    """Keypads silence the microphone: what comes after speech is a pure tone."""
    random = np.random.default_rng(8)
    talk = random.standard_normal(samples(300)) * peak(-15)
    assert set(keys_in(at_any_moment(talk, tone("4", 60)))) == {"4"}
