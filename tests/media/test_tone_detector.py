"""The batch detector: any keys at any legal level and pace, rows that know no others."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.g711 import FRAME, Codec
from ivr.media.tone_check import looks_like_tones, which_look_like_tones
from ivr.media.tone_detector import ToneDetector
from tests.media.sound import (
    ALL_KEYS,
    Sound,
    coded,
    detect,
    joined,
    keys_in,
    noise,
    silence,
    sine,
    tone,
)


@dataclass(frozen=True)
class Dialled:
    """Keys, and what they sound like."""

    keys: str
    sound: Sound


@st.composite
def dialled(draw: st.DrawFn) -> Dialled:
    """One caller's keypad and hands: within Q.24's limits, otherwise anything."""
    keys = draw(st.text(ALL_KEYS, min_size=1, max_size=12))
    low = draw(st.floats(-17, -2))
    twist = draw(st.floats(-8, 4))
    off = draw(st.tuples(*[st.floats(-0.015, 0.015)] * 2))
    parts = [silence(draw(st.floats(0, 60)))]
    for key in keys:
        phases = draw(st.tuples(*[st.floats(0, 6.28)] * 2))
        press = tone(key, draw(st.floats(40, 250)), low, low + twist, off=off, phases=phases)
        parts += [press, silence(draw(st.floats(40, 250)))]
    sound = joined(*parts)
    ratio = draw(st.floats(15, 50))
    power = 10 * np.log10(10 ** (low / 10) + 10 ** ((low + twist) / 10))
    hiss = noise(len(sound) / 8, power - ratio, draw(st.integers(0, 2**32)))
    return Dialled(keys, sound + hiss)


@settings(max_examples=150)
@given(st.lists(dialled(), min_size=1, max_size=4), st.sampled_from(Codec))
def test_what_is_dialled_is_what_is_heard(calls: list[Dialled], codec: Codec) -> None:
    assert keys_in([call.sound for call in calls], codec) == [call.keys for call in calls]


def test_many_rows_hear_what_each_would_alone() -> None:
    lines = [
        joined(silence(7 * n), *[joined(tone(key, 60), silence(50)) for key in ALL_KEYS[n:]])
        for n in range(len(ALL_KEYS))
    ]
    lines += [noise(1000, -20, seed) for seed in range(100)]
    together = detect(lines)
    for line, tones in zip(lines, together, strict=True):
        alone = detect([line])[0]
        assert [(t.key, t.begin, t.end) for t in alone] == [
            (t.key, t.begin, t.end) for t in tones
        ]


def test_rows_may_rest_while_others_hear() -> None:
    detector = ToneDetector()
    first, second = detector.open(), detector.open()
    frames = coded(joined(silence(40), tone("8", 100), silence(60)), Codec.PCMU)
    parts = frames.reshape(-1, 1, FRAME).astype(np.float32)
    found = []
    for n, part in enumerate(parts):
        found += detector.hear(np.array([first]), part)
        if n % 2:
            for earlier in parts[n - 1 : n + 1]:
                found += detector.hear(np.array([second]), earlier)
    assert sorted((t.row, t.key, t.begin) for t in found) == sorted(
        (row, "8", found[0].begin) for row in (first, second)
    )


def test_a_row_given_back_forgets() -> None:
    detector = ToneDetector()
    row = detector.open()
    sound = tone("8", 60).astype(np.float32).reshape(-1, 1, FRAME)
    heard = [t for part in sound for t in detector.hear(np.array([row]), part)]
    assert len(heard) == 1
    detector.close(row)
    assert not detector._sound.any()
    assert detector.open() == row
    assert detector.hear(np.array([row]), sound[0]) == []
    again = [t for part in sound for t in detector.hear(np.array([row]), part)]
    assert [t.begin for t in again] == [0]


def test_rows_are_as_many_as_are_asked_for() -> None:
    detector = ToneDetector()
    rows = [detector.open() for _ in range(1000)]
    assert len(set(rows)) == 1000
    quiet = np.zeros((1000, FRAME), dtype=np.float32)
    assert detector.hear(np.array(rows), quiet) == []


def test_a_tone_shows_no_key_and_is_not_stored() -> None:
    ((heard,),) = detect([tone("8", 100)])
    assert heard.key == "8"
    assert "8" not in f"{heard!r} {heard!s}"
    with pytest.raises(TypeError):
        pickle.dumps(heard)


CALL_PROGRESS = {
    "dial tone (US)": [(350, -13), (440, -13)],
    "dial tone (Europe)": [(425, -10)],
    "ringing (US)": [(440, -19), (480, -19)],
    "ringing (UK)": [(400, -13), (450, -13)],
    "busy (US)": [(480, -24), (620, -24)],
    "information tone 1": [(950, -10)],
    "information tone 2": [(1400, -10)],
    "information tone 3": [(1800, -10)],
    "fax calling": [(1100, -10)],
    "fax answering": [(2100, -10)],
    "answering modem": [(2225, -10), (550, -12)],
    "off hook": [(1400, -6), (2060, -6), (2450, -6), (2600, -6)],
    "R2 forward": [(1380, -8), (1500, -8)],
    "R1 (MF) 1": [(700, -7), (900, -7)],
    "R1 (MF) 8": [(900, -7), (1500, -7)],
    "R1 (MF) KP": [(1100, -7), (1700, -7)],
    "C5 register": [(700, -7), (1700, -7)],
    "three keys' tones": [(697, -10), (1209, -10), (1336, -10)],
    "two low tones": [(697, -10), (852, -10)],
    "two high tones": [(1209, -10), (1477, -10)],
}


@pytest.mark.parametrize("parts", CALL_PROGRESS.values(), ids=CALL_PROGRESS)
def test_tones_of_the_network_are_no_keys(parts: list[tuple[float, float]]) -> None:
    sound = sum((sine(hertz, 2000, level) for hertz, level in parts), start=np.zeros(16000))
    cadence = np.tile(np.repeat([1.0, 0.0], 4000), 2)
    assert keys_in([sound, sound * cadence]) == ["", ""]


def test_a_key_over_a_dial_tone_20_db_below_is_heard() -> None:
    dial = sine(350, 200, -33) + sine(440, 200, -33)
    press = np.zeros(1600)
    press[400:1200] = tone("0", 100)
    assert keys_in([press + dial]) == ["0"]


@pytest.mark.parametrize("pitch", [174.0, 192.5])
def test_a_vowel_like_a_key_is_one_out_of_silence_only(pitch: float) -> None:
    """Two strong harmonics, 13 dB above all the others: rare in speech, and amid speech."""
    level = {round(697 / 174): -12.0, 7: -12.0}
    vowel = sum(
        (sine(pitch * n, 200, level.get(n, -31.0), 1.7 * n) for n in range(1, 16)),
        start=np.zeros(1600),
    )
    other = sum((sine(pitch * n, 200, -20, 0.9 * n) for n in range(1, 6)), start=np.zeros(1600))
    for shift in range(0, 160, 16):
        quiet = np.zeros(800 + shift)
        amid, alone = keys_in([joined(quiet, other, vowel), joined(quiet, vowel)])
        assert (amid, len(alone)) == ("", 1)


@pytest.mark.parametrize("shift", [0, 40, 75])
def test_a_recording_with_a_key_in_it_is_told(shift: int) -> None:
    quiet = np.zeros(4000 + shift)
    hidden = coded(joined(quiet, tone("5", 45, -22, -20), quiet), Codec.PCMA)
    assert looks_like_tones(hidden)
    assert not looks_like_tones(coded(noise(1000, -15), Codec.PCMA))
    assert not looks_like_tones(np.zeros(0, dtype=np.int16))


def test_recordings_with_keys_are_told_from_those_without() -> None:
    hidden = coded(joined(np.zeros(4000), tone("5", 45, -22, -20)), Codec.PCMA)
    plain = [coded(noise(ms, -15), Codec.PCMA) for ms in range(100, 900, 10)]
    mixed = [*plain[:70], hidden, *plain[70:], hidden]
    assert which_look_like_tones(mixed) == [70, 81]
    assert which_look_like_tones([]) == []
