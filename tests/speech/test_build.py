from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.speech.build import build, main
from ivr.speech.errors import CatalogueError
from ivr.speech.levels import LOUDNESS, PEAK, RATE, Samples, loudness
from ivr.speech.required import required_ids
from tests.speech.fake_voice import ToneVoice

pytestmark = pytest.mark.usefixtures("few_fragments")


def write_catalogue(folder: Path, changes: dict[str, str]) -> None:
    """Give each id `text = "Deux mots."` and `version = 1`, or what `changes` says."""
    entries = (
        f"[{prompt_id}]\n" + changes.get(prompt_id, 'text = "Deux mots."\nversion = 1')
        for prompt_id in (*required_ids(), *changes.keys() - set(required_ids()))
    )
    (folder / "fr.toml").write_text("\n".join(entries), "utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    audio = folder / "audio" / "fr"
    return {
        str(path.relative_to(audio)): path.read_bytes()
        for path in audio.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def built(tmp_path: Path) -> Path:
    write_catalogue(tmp_path, {})
    build(tmp_path, "fr", ToneVoice())
    return tmp_path


def test_everything_is_made_once_and_nothing_the_second_time(
    built: Path, few_fragments: tuple[str, ...]
) -> None:
    files = {f"{prompt_id}.wav" for prompt_id in required_ids()}
    files |= {f"fragments/{piece}.wav" for piece in few_fragments}
    before = contents(built)
    assert before.keys() == files | {"built.json"}
    voice = ToneVoice()
    again = build(built, "fr", voice)
    assert (again.made, again.own, again.removed, voice.said) == ([], [], [], [])
    assert contents(built) == before


def test_a_changed_text_is_said_again_and_nothing_else(built: Path) -> None:
    before = contents(built)
    write_catalogue(built, {"ready.ask": 'text = "Trois mots ici."\nversion = 2'})
    voice = ToneVoice()
    assert build(built, "fr", voice).made == ["ready.ask.wav"]
    assert voice.said == ["Trois mots ici."]
    changed = {file for file, content in contents(built).items() if content != before[file]}
    assert changed == {"ready.ask.wav", "built.json"}


def test_a_text_changed_under_the_same_version_is_refused_before_anything_is_made(
    built: Path,
) -> None:
    before = contents(built)
    write_catalogue(
        built,
        {
            "ready.ask": 'text = "Trois mots ici."\nversion = 1',
            "confirm.ask": 'text = "Trois mots ici."\nversion = 2',
        },
    )
    voice = ToneVoice()
    with pytest.raises(CatalogueError) as raised:
        build(built, "fr", voice)
    assert raised.value.problems == ("ready.ask: the text changed; raise its version above 1",)
    assert voice.said == []
    assert contents(built) == before


def test_another_reading_of_the_same_text_needs_no_new_version(built: Path) -> None:
    change = 'text = "Deux mots."\nspoken = "Deu mo."\nversion = 1'
    write_catalogue(built, {"brand.visa": change})
    voice = ToneVoice()
    assert build(built, "fr", voice).made == ["brand.visa.wav"]
    assert voice.said == ["Deu mo."]


def test_another_voice_makes_all_again(built: Path) -> None:
    report = build(built, "fr", ToneVoice("a better voice"))
    assert len(report.made) == len(contents(built)) - 1


def test_an_own_recording_is_never_overwritten_and_is_said(built: Path) -> None:
    own = built / "audio" / "fr" / "ready.ask.wav"
    soundfile.write(own, np.full(8000, 0.1), 16_000)
    recording = own.read_bytes()
    write_catalogue(built, {"ready.ask": 'text = "Trois mots ici."\nversion = 2'})
    report = build(built, "fr", ToneVoice("a better voice"))
    assert report.own == ["ready.ask.wav"]
    assert "ready.ask.wav" not in report.made
    assert own.read_bytes() == recording
    own.unlink()
    assert build(built, "fr", ToneVoice("a better voice")).made == ["ready.ask.wav"]


def key(low: int, high: int, rate: int) -> Samples:
    """Return 100 ms of a telephone's key."""
    t = 2 * np.pi * np.arange(rate // 10) / rate
    return np.asarray(0.2 * (np.sin(low * t) + np.sin(high * t)), np.float32)


class DialingVoice(ToneVoice):
    """Says the last word of each text as the key 5, when it is told to."""

    def say(self, text: str) -> tuple[Samples, int]:
        samples, rate = super().say(text)
        if "Cinq" in text:
            samples = np.concatenate([samples, key(770, 1336, rate), samples[:100] * 0])
        return samples, rate


def test_a_prompt_that_sounds_like_a_key_is_refused_before_anything_is_made(
    built: Path,
) -> None:
    before = contents(built)
    write_catalogue(
        built,
        {
            "ready.ask": 'text = "Tapez Cinq."\nversion = 2',
            "confirm.ask": 'text = "Trois mots ici."\nversion = 2',
        },
    )
    with pytest.raises(CatalogueError) as raised:
        build(built, "fr", DialingVoice())
    [problem] = raised.value.problems
    assert problem.startswith("ready.ask.wav: sounds like a telephone's key")
    assert contents(built) == before


@pytest.mark.parametrize("check", [True, False])
def test_an_own_recording_that_sounds_like_a_key_or_is_none_is_refused(
    built: Path, check: bool
) -> None:
    own = built / "audio" / "fr" / "ready.ask.wav"
    soundfile.write(own, key(697, 1209, 16_000), 16_000)
    with pytest.raises(CatalogueError, match=r"ready\.ask\.wav: sounds like"):
        build(built, "fr", ToneVoice(), check=check)
    own.write_bytes(b"no audio")
    with pytest.raises(CatalogueError, match=r"ready\.ask\.wav"):
        build(built, "fr", ToneVoice(), check=check)


def test_a_recording_that_came_before_the_first_build_is_kept(tmp_path: Path) -> None:
    write_catalogue(tmp_path, {})
    own = tmp_path / "audio" / "fr" / "ready.ask.wav"
    own.parent.mkdir(parents=True)
    soundfile.write(own, np.full(8000, 0.1), 16_000)
    recording = own.read_bytes()
    assert build(tmp_path, "fr", ToneVoice()).own == ["ready.ask.wav"]
    assert own.read_bytes() == recording


def test_what_is_no_longer_wanted_is_removed_unless_it_is_an_own_recording(
    built: Path,
) -> None:
    variant = 'text = "Deux mots."\nversion = 1'
    write_catalogue(built, {"ready.ask.2": variant, "ready.timeout.2": variant})
    build(built, "fr", ToneVoice())
    own = built / "audio" / "fr" / "ready.timeout.2.wav"
    soundfile.write(own, np.full(8000, 0.1), 8000)
    write_catalogue(built, {})
    report = build(built, "fr", ToneVoice())
    assert (report.removed, report.unused) == (["ready.ask.2.wav"], ["ready.timeout.2.wav"])
    assert own.is_file()
    assert not (built / "audio" / "fr" / "ready.ask.2.wav").exists()


def test_a_fragment_made_later_has_the_gain_of_its_set(built: Path) -> None:
    clip = built / "audio" / "fr" / "fragments" / "euros-2.final.wav"
    before = clip.read_bytes()
    clip.unlink()
    assert build(built, "fr", ToneVoice()).made == ["fragments/euros-2.final.wav"]
    assert clip.read_bytes() == before


def test_built_clips_are_a_law_at_the_telephone_loudness(built: Path) -> None:
    file = built / "audio" / "fr" / "ready.ask.wav"
    assert soundfile.info(file).subtype == "ALAW"
    samples, rate = soundfile.read(file, dtype="float32")
    assert rate == RATE
    assert loudness([samples]) == pytest.approx(LOUDNESS, abs=1)
    assert 20 * np.log10(np.abs(samples).max()) <= PEAK


def test_the_command_tells_what_is_out_of_date(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ivr.speech.build.VOICES", {"pico": lambda language: ToneVoice()})
    command = ["--folder", str(built), "--language", "fr"]
    assert main([*command, "--check"]) == 0
    soundfile.write(built / "audio" / "fr" / "any.timeout.wav", np.full(800, 0.1), 8000)
    (built / "audio" / "fr" / "ready.ask.wav").unlink()
    capsys.readouterr()
    assert main([*command, "--check"]) == 1
    told = capsys.readouterr().out
    assert "fr: to make: 1, to remove: 0" in told
    assert "fr: to make: ready.ask.wav" in told
    assert "fr: kept: any.timeout.wav, your own recording" in told
    assert not (built / "audio" / "fr" / "ready.ask.wav").exists()
    assert main(command) == 0
    assert "fr: made: ready.ask.wav" in capsys.readouterr().out
    assert main([*command, "--check"]) == 0


def test_the_command_says_what_is_wrong_with_the_catalogue(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (built / "fr.toml").write_text("", "utf-8")
    assert main(["--folder", str(built), "--language", "fr"]) == 2
    assert "ready.ask is missing" in capsys.readouterr().err
