"""Minutes of what `python -m tests.media.talkoff` hears for hours: nothing is a key."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.media.clips import load_clip
from ivr.media.g711 import Codec, decode
from ivr.media.tone_check import looks_like_tones
from tests.media import talkoff
from tests.media.sound import ALL_KEYS, coded, detect, joined, silence, tone
from tests.media.speech import Sounds

_HOURS = 0.2


@pytest.fixture(scope="module")
def sounds() -> dict[str, Iterator[Sounds]]:
    return talkoff.kinds(seed=7)


@pytest.mark.parametrize("kind", ["men", "women", "children", "music", "prompts"])
def test_no_key_is_heard_in(kind: str, sounds: dict[str, Iterator[Sounds]]) -> None:
    heard = talkoff.listen(kind, sounds[kind], _HOURS)
    assert heard.hours == pytest.approx(_HOURS)
    assert heard.keys == 0


def test_the_same_ear_would_have_heard_a_key() -> None:
    line = joined(silence(30), *[joined(tone(key, 50), silence(50)) for key in ALL_KEYS])
    assert talkoff.keys_in(line.astype("float32")[None], Codec.PCMA) == len(ALL_KEYS)


@pytest.mark.parametrize("late", [0, 55, 105])
def test_no_prompt_of_ours_holds_a_tone(late: int) -> None:
    """Nor would another end hear one that cuts the sound into other frames."""
    files = sorted(talkoff.PROMPTS.rglob("*.wav"), key=lambda file: file.stat().st_size)
    assert len(files) > 2000
    with_tones: list[Path] = []
    for at in range(0, len(files), 256):
        some = files[at : at + 256]
        clips = [decode(Codec.PCMA, b"".join(load_clip(file).pcma)) for file in some]
        heard = detect([np.concatenate([np.zeros(late), clip]) for clip in clips], None)
        with_tones += [file for file, tones in zip(some, heard, strict=True) if tones]
    assert with_tones == []


def test_the_check_of_a_build_passes_our_prompts_and_finds_a_tone_behind_one() -> None:
    beep = coded(tone("3", 60), Codec.PCMA)
    for file in sorted(talkoff.PROMPTS.rglob("*.wav"))[::50]:
        samples, _ = soundfile.read(file, dtype="int16")
        assert not looks_like_tones(samples)
        assert looks_like_tones(np.concatenate([samples, beep]))
