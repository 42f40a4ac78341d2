"""Clips: any WAV in, ready frames out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ivr.media.clips import Clip, ClipError, load_clip, silence
from ivr.media.g711 import Codec, Samples, decode


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> Any:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def heard(clip: Clip, codec: Codec = Codec.PCMA) -> Samples:
    return decode(codec, b"".join(clip.frames(codec)))


def loudest_frequency(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.argmax(spectrum) * 8000 / len(samples))


def test_an_alaw_file_at_8_khz_goes_through_bit_for_bit(tmp_path: Path) -> None:
    words = bytes(range(256)) * 5
    path = tmp_path / "recorded.wav"
    soundfile.write(path, decode(Codec.PCMA, words), 8000, subtype="ALAW")
    clip = load_clip(path)
    assert b"".join(clip.pcma) == words
    assert clip.duration == pytest.approx(0.16)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_any_rate_and_width_is_heard_at_its_pitch_length_and_level(
    tmp_path: Path, rate: int, subtype: str
) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(1.0, rate), rate, subtype=subtype)
    clip = load_clip(path)
    assert clip.duration == pytest.approx(1.0, abs=0.001)
    for codec in Codec:
        samples = heard(clip, codec)
        assert loudest_frequency(samples[:8000]) == pytest.approx(440, abs=2)
        level = np.sqrt(np.mean((samples[:8000] / 32768.0) ** 2))
        assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_channels_are_mixed_to_one(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(0.5, 8000, 400, 0.4), tone(0.5, 8000, 1000, 0.8)
    soundfile.write(path, np.column_stack([left, right]), 8000)
    samples = heard(load_clip(path))[:4000]
    spectrum = np.abs(np.fft.rfft(samples / 32768.0)) / 2000
    assert spectrum[200] == pytest.approx(0.2, abs=0.01)
    assert spectrum[500] == pytest.approx(0.4, abs=0.01)


def test_frames_are_160_octets_and_the_last_is_filled_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, tone(0.025, 8000), 8000)
    clip = load_clip(path)
    assert clip.duration == pytest.approx(0.025)
    for codec in Codec:
        frames = clip.frames(codec)
        assert [len(frame) for frame in frames] == [160, 160]
        assert frames[1][40:] == codec.silence[40:]


def test_a_sample_beyond_full_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "hot.wav"
    soundfile.write(path, np.full(160, 1.5), 8000, subtype="FLOAT")
    assert set(load_clip(path).pcma[0]) == {0xAA}


def test_silence_lasts_as_long_as_asked_and_shares_its_frames() -> None:
    clip = silence(150)
    assert clip.duration == 0.15
    assert clip.pcma == (bytes([0xD5]) * 160,) * 8
    assert clip.pcmu == (bytes([0xFF]) * 160,) * 8
    assert len(set(map(id, clip.pcma))) == 1
    assert silence(0).pcma == ()


def test_a_clip_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        silence(20).duration = 1.0  # type: ignore[misc]  # what the test is about


def test_what_is_no_clip_is_refused_with_its_name(tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("not audio")
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0), 8000)
    broken = tmp_path / "broken.wav"
    soundfile.write(broken, np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    endless = tmp_path / "endless.wav"
    soundfile.write(endless, np.zeros(601 * 8000, dtype=np.int16), 8000)
    for path in (text, empty, broken, endless, tmp_path / "missing.wav"):
        with pytest.raises(ClipError, match=path.name):
            load_clip(path)
