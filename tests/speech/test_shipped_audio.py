"""The audio that ships: complete, up to date with its texts, and right for a telephone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.resources import shipped
from ivr.speech.build import build, wanted
from ivr.speech.files import audio_folder
from ivr.speech.levels import FRAME, LOUDNESS, PEAK, RATE, Samples, loudness
from ivr.speech.library import Library
from ivr.speech.spoken import LANGUAGES, all_fragments
from ivr.speech.voices import VOICES

PROMPTS = shipped("prompts")
LONGEST = 12.0
LONGEST_FRAGMENT = 2.5
SHORTEST_FRAGMENT = 0.2


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def audio(language: str) -> dict[str, Samples]:
    """Each clip as a caller hears it, by file."""
    folder = audio_folder(PROMPTS, language)
    clips = {}
    for clip in wanted(PROMPTS, language):
        info = soundfile.info(folder / clip.file)
        assert (info.subtype, info.samplerate, info.channels) == ("ALAW", RATE, 1), clip.file
        clips[clip.file], _ = soundfile.read(folder / clip.file, dtype="float32")
    return clips


def test_all_of_it_was_built_from_the_texts_as_they_are(language: str) -> None:
    report = build(PROMPTS, language, VOICES["pico"](language), check=True)
    assert (report.made, report.own, report.removed, report.unused) == ([], [], [], [])


def test_nothing_lies_there_that_is_never_played(
    language: str, audio: dict[str, Samples]
) -> None:
    folder = audio_folder(PROMPTS, language)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == audio.keys() | {"built.json"}


def test_no_prompt_is_long_and_no_fragment_cut_short(audio: dict[str, Samples]) -> None:
    seconds = {file: len(samples) / RATE for file, samples in audio.items()}
    prompts = {file: t for file, t in seconds.items() if not file.startswith("fragments/")}
    fragments = {file: t for file, t in seconds.items() if file.startswith("fragments/")}
    assert not {file: t for file, t in prompts.items() if not 0.3 <= t <= LONGEST}
    assert not {
        file: t
        for file, t in fragments.items()
        if not SHORTEST_FRAGMENT <= t <= LONGEST_FRAGMENT
    }


def test_each_prompt_has_the_telephone_loudness(
    language: str, audio: dict[str, Samples]
) -> None:
    sets: dict[str, list[Samples]] = {}
    for clip in wanted(PROMPTS, language):
        sets.setdefault(clip.level_set or clip.file, []).append(audio[clip.file])
    levels = {name: loudness(clips) for name, clips in sets.items()}
    assert not {name: level for name, level in levels.items() if abs(level - LOUDNESS) > 1}


def test_no_peak_is_too_high_and_no_clip_is_nearly_silent(audio: dict[str, Samples]) -> None:
    peaks = {file: 20 * np.log10(np.abs(samples).max()) for file, samples in audio.items()}
    assert not {file: peak for file, peak in peaks.items() if not -18 <= peak <= PEAK}


def test_each_clip_is_whole_frames_and_begins_and_ends_in_silence(
    audio: dict[str, Samples],
) -> None:
    for file, samples in audio.items():
        assert len(samples) % FRAME == 0, file
        assert max(abs(samples[0]), abs(samples[-1])) < 0.001, file


def test_the_library_loads_it_and_shares_what_it_loaded(language: str) -> None:
    library = Library.load(PROMPTS, (language,))
    greeting = library.prompt(language, "welcome", "greeting")
    assert greeting.version >= 1
    assert 3 < greeting.clip.duration < LONGEST
    said = library.amount(language, 23_450)
    assert 1.5 < sum(clip.duration for clip in said) < 5


def test_the_credits_name_each_voice() -> None:
    credits_ = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text("utf-8")
    assert "SVOX Pico" in credits_
    assert "Apache-2.0" in credits_
    for language in LANGUAGES:
        assert VOICES["pico"](language).name.split()[1].rstrip(":") in credits_
        assert f"{len(all_fragments(language)):,} fragments" in credits_
