"""Minutes of what `python -m tests.media.talkoff` hears for hours: nothing is a key."""

from collections.abc import Iterator

import pytest
import soundfile

from ivr.media.clips import load_clip
from ivr.media.g711 import Codec, decode
from ivr.media.tone_check import looks_like_tones
from tests.media import talkoff
from tests.media.sound import ALL_KEYS, joined, keys_in, silence, tone
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


def test_no_prompt_of_ours_holds_a_tone() -> None:
    files = sorted(talkoff.PROMPTS.rglob("*.wav"))
    assert len(files) > 2000
    with_tones = []
    for file in files:
        clip = load_clip(file)
        if looks_like_tones(decode(Codec.PCMA, b"".join(clip.pcma))):
            with_tones.append(file)
    assert with_tones == []


def test_the_prompts_played_end_to_end_hold_no_tone() -> None:
    played = [soundfile.read(file, dtype="int16")[0] for file in _some_prompts()]
    assert keys_in([joined(*[each.astype(float) for each in played])]) == [""]


def _some_prompts() -> list[str]:
    return [str(file) for file in sorted(talkoff.PROMPTS.rglob("*.wav"))[::10]]
