import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech.levels import (
    FRAME,
    LOUDNESS,
    PEAK,
    RATE,
    Samples,
    amplify,
    gain_for,
    loudness,
    narrow,
    trim,
)


def tone(hertz: float, seconds: float, level: float = 0.1, rate: int = RATE) -> Samples:
    t = np.arange(int(seconds * rate)) / rate
    return np.asarray(level * np.sin(2 * np.pi * hertz * t), np.float32)


def speech_like(seconds: float, level: float) -> Samples:
    """Noise in syllables: crests as high as those of a voice."""
    noise = np.random.default_rng(1).normal(size=int(seconds * RATE))
    syllables = np.abs(np.sin(2 * np.pi * 2 * np.arange(len(noise)) / RATE)) ** 2
    return np.asarray(level * noise * syllables, np.float32)


@pytest.mark.parametrize(("hertz", "passes"), [(60, False), (1000, True), (6000, False)])
def test_only_the_telephone_band_is_left(hertz: int, passes: bool) -> None:
    narrowed = narrow(tone(hertz, 1.0, rate=24_000), 24_000)
    assert len(narrowed) == RATE
    middle = np.abs(narrowed[2000:6000]).max()
    assert middle > 0.09 if passes else middle < 0.005


@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_the_gain_brings_any_voice_to_one_loudness_and_its_peaks_below_the_limit(
    level: float,
) -> None:
    clip = speech_like(3, level)
    loud = amplify(clip, gain_for([clip]))
    assert loudness([loud]) == pytest.approx(LOUDNESS, abs=0.5)
    assert 20 * np.log10(np.abs(loud).max()) <= PEAK


def test_a_set_shares_its_gain_so_that_its_clips_keep_their_proportion() -> None:
    loud, soft = speech_like(2, 0.02), speech_like(2, 0.01)
    gain = gain_for([loud, soft])
    ratio = np.abs(amplify(loud, gain)).mean() / np.abs(amplify(soft, gain)).mean()
    assert ratio == pytest.approx(2, rel=0.05)


def test_a_clip_shorter_than_the_measure_has_a_loudness_too() -> None:
    assert loudness([tone(1000, 0.1)]) == pytest.approx(loudness([tone(1000, 1.0)]), abs=0.3)


@given(spoken=st.integers(80, 4000), before=st.integers(0, 3000), after=st.integers(0, 3000))
def test_trimming_leaves_whole_frames_with_twenty_to_thirty_milliseconds_around(
    spoken: int, before: int, after: int
) -> None:
    sound = np.full(spoken, 0.5, np.float32)
    hiss = np.float32(0.5 * 10 ** (-60 / 20))
    clip = trim(
        np.concatenate([np.full(before, hiss), sound, np.full(after, hiss)]).astype(np.float32)
    )
    assert len(clip) % FRAME == 0
    loud = np.flatnonzero(clip == np.float32(0.5))
    assert len(loud) == spoken
    for pad in (loud[0], len(clip) - 1 - loud[-1]):
        assert 0.020 * RATE <= pad <= 0.030 * RATE
    assert clip[0] == 0
    assert clip[-1] == 0


def test_silence_is_trimmed_to_nothing() -> None:
    assert len(trim(np.zeros(800, np.float32))) == 0
