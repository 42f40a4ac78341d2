"""What the demo reports of an agent's ears is what is in the recording."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.demo.heard_digits import heard_digits
from ivr.demo.phone_audio import as_tones


def test_every_key_is_counted(tmp_path: Path) -> None:
    _, sound = as_tones("4242#", 100, 100)
    eight_bit = np.frombuffer(sound, dtype=np.uint8).astype(np.int16)
    soundfile.write(tmp_path / "keys.wav", (eight_bit - 128) * 256, 8000, subtype="PCM_16")
    assert heard_digits(tmp_path / "keys.wav") == 5


def test_silence_holds_no_key(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(8000, dtype=np.int16), 8000)
    assert heard_digits(tmp_path / "none.wav") == 0


def test_another_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(160, dtype=np.int16), 16000)
    with pytest.raises(ValueError, match="no telephone recording"):
        heard_digits(tmp_path / "other.wav")
