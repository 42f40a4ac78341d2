from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.media.clips import Clip, load_clip, silence
from ivr.speech.errors import CatalogueError, PromptMissingError
from ivr.speech.library import Library
from ivr.vocabulary import EntryError, Step


def clips(audio: Path, *names: str) -> list[Clip]:
    return [load_clip(audio / "fragments" / f"{name}.wav") for name in names]


def test_an_amount_is_said_without_a_gap_and_ends_the_sentence(
    texts: Path, audio: Path
) -> None:
    library = Library.load(texts, ("fr",))
    pieces = clips(audio, "thousands-1", "hundreds-2", "euros-34.continuing", "and-cents-50")
    assert library.amount("fr", 123_450, "EUR") == [*pieces, silence(320)]
    assert library.amount("fr", 3_400) == [*clips(audio, "euros-34.final"), silence(320)]
    assert library.amount("fr", 3_400, final=False) == [
        *clips(audio, "euros-34.continuing"),
        silence(160),
    ]


def test_digits_are_said_with_a_gap_between_them(texts: Path, audio: Path) -> None:
    four, two = clips(audio, "digit-4.continuing", "digit-2.final")
    said = Library.load(texts, ("fr",)).digits("fr", "42")
    assert said == [four, silence(160), two, silence(320)]


def test_a_date(texts: Path, audio: Path) -> None:
    said = Library.load(texts, ("fr",)).date("fr", date(2026, 5, 1))
    assert said == [*clips(audio, "day-05-01", "year-2026"), silence(320)]


def test_clips_are_loaded_once_and_shared(texts: Path, audio: Path) -> None:
    library = Library.load(texts, ("fr",))
    first, again = library.amount("fr", 3_400), library.amount("fr", 3_400)
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert library.prompt("fr", "ready", "ask") is library.prompt("fr", "ready", "ask", 2)


def test_a_prompt_is_found_in_its_language(texts: Path, audio: Path) -> None:
    library = Library.load(texts, ("fr",))
    assert library.languages == ("fr",)
    assert library.prompt("fr", Step.READY, EntryError.TIMEOUT, 2).id == "ready.timeout"
    with pytest.raises(PromptMissingError, match="in 'en'"):
        library.prompt("en", "ready", "ask")


def test_all_problems_of_all_languages_are_listed(texts: Path, audio: Path) -> None:
    (audio / "fragments" / "euros-34.final.wav").unlink()
    (audio / "confirm.ask.wav").unlink()
    with pytest.raises(CatalogueError) as raised:
        Library.load(texts, ("fr", "en", "de"))
    problems = raised.value.problems
    assert any(
        "trente-quatre euros" in problem and "euros-34.final.wav" in problem
        for problem in problems
    )
    assert any("confirm.ask.wav" in problem for problem in problems)
    assert any("audio of amount.confirm" in p and "/en/" in p for p in problems)
    assert any("'de'" in problem for problem in problems)


def test_an_own_recording_of_another_kind_is_played(texts: Path, audio: Path) -> None:
    stereo = np.full((44_100, 2), 0.25)
    soundfile.write(audio / "ready.ask.wav", stereo, 44_100, subtype="PCM_24")
    clip = Library.load(texts, ("fr",)).prompt("fr", "ready", "ask").clip
    assert clip.duration == pytest.approx(1.0 + 0.32, abs=0.02)
