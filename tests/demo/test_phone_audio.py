"""What the phone sends for a key, and how it puts together what it heard."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivr.demo.phone_audio import KEYS, Heard, as_events, as_tones

PCMU_LOUD, PCMA_LOUD = b"\x00" * 160, b"\x2a" * 160
PCMU_LOUDEST, PCMA_LOUDEST = -32124, -32256


@given(
    keys=st.text(alphabet=KEYS, min_size=1, max_size=20),
    press=st.integers(1, 12),
    gap=st.integers(2, 12),
)
def test_each_key_is_one_run_of_events_and_three_ends(keys: str, press: int, gap: int) -> None:
    ticks = list(as_events(keys, press * 20, gap * 20))
    assert len(ticks) == len(keys) * (press + gap)
    assert [tick.last for tick in ticks] == [False] * (len(ticks) - 1) + [True]
    for index, key in enumerate(keys):
        one = ticks[index * (press + gap) : (index + 1) * (press + gap)]
        assert [tick.key_goes_down for tick in one] == [True] + [False] * (press + gap - 1)
        events = [struct.unpack("!BBH", tick.event) for tick in one if tick.event]
        assert {event[0] for event in events} == {KEYS.index(key)}
        assert [event[1] >> 7 for event in events] == [0] * (press - 1) + [1] * 3
        assert [event[2] for event in events] == [
            160 * min(tick + 1, press) for tick in range(press + 2)
        ]
        assert all(tick.event is None for tick in one[press + 2 :])


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [("1", 697, 1209), ("5", 770, 1336), ("0", 941, 1336), ("D", 941, 1633)],
)
def test_a_tone_has_its_two_frequencies_at_nine_decibels_below_full_scale(
    key: str, low: int, high: int
) -> None:
    ticks, sound = as_tones(key, 1000, 40)
    assert len(sound) == len(ticks) * 160 == 52 * 160
    samples = np.frombuffer(sound, dtype=np.uint8).astype(float) - 128
    amplitudes = np.abs(np.fft.rfft(samples[:8000])) / 4000
    assert sorted(np.argsort(amplitudes)[-2:]) == [low, high]
    level = 20 * np.log10(amplitudes[[low, high]] / 127)
    assert level == pytest.approx([-9, -9], abs=0.1)
    assert not samples[8000:].any()


@pytest.mark.parametrize(
    ("keys", "press", "gap"), [("", 100, 80), ("4x2", 100, 80), ("1", 0, 80), ("1", 100, 20)]
)
def test_what_cannot_be_pressed_is_refused_without_being_quoted(
    keys: str, press: int, gap: int
) -> None:
    with pytest.raises(ValueError, match="must be") as events:
        list(as_events(keys, press, gap))
    with pytest.raises(ValueError, match="must be"):
        as_tones(keys, press, gap)
    assert "4x2" not in str(events.value)


def written(heard: Heard, directory: Path, ended: float) -> NDArray[np.int16]:
    """Return the samples of the file."""
    seconds = heard.write(directory / "heard.wav", ended)
    samples, rate = soundfile.read(directory / "heard.wav", dtype="int16")
    assert rate == 8000
    assert seconds == len(samples) / 8000
    return np.asarray(samples)


def test_packets_lie_where_their_timestamps_put_them(tmp_path: Path) -> None:
    heard = Heard(began=100.0)
    heard.add(100.5, 1, 2**32 - 160, "ULAW", PCMU_LOUD)
    heard.add(100.6, 1, 480, "ALAW", PCMA_LOUD)
    heard.add(100.6, 1, 0, "ULAW", PCMU_LOUD)
    samples = written(heard, tmp_path, ended=101.0)
    assert len(samples) == 8000
    expected = np.zeros(8000, dtype=np.int16)
    expected[4000:4320] = PCMU_LOUDEST
    expected[4640:4800] = PCMA_LOUDEST
    assert np.array_equal(samples, expected)


def test_a_new_stream_begins_where_it_arrives(tmp_path: Path) -> None:
    heard = Heard(began=0.0)
    heard.add(0.0, 1, 5000, "ULAW", PCMU_LOUD)
    heard.add(0.5, 2, 77, "ULAW", PCMU_LOUD)
    heard.add(0.52, 2, 237, "ULAW", PCMU_LOUD)
    heard.add(1.0, 2, 900_000, "ULAW", PCMU_LOUD)
    samples = written(heard, tmp_path, ended=0.0)
    starts = np.flatnonzero(np.diff(samples != 0, prepend=False))
    assert list(starts) == [0, 160, 4000, 4320, 8000]
    assert len(samples) == 8160, "the last packet outlasts the call's end"


def test_nothing_heard_is_silence(tmp_path: Path) -> None:
    samples = written(Heard(began=1.0), tmp_path, ended=3.0)
    assert len(samples) == 16000
    assert not samples.any()
