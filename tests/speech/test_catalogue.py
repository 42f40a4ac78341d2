from pathlib import Path

import pytest

from ivr.media.clips import load_clip, silence
from ivr.speech.catalogue import Catalogue
from ivr.speech.errors import CatalogueError, PromptMissingError
from ivr.speech.required import required_ids
from ivr.vocabulary import EntryError, Step


def add(folder: Path, entry: str) -> None:
    path = folder / "fr.toml"
    path.write_text(path.read_text("utf-8") + entry, "utf-8")


def test_the_most_specific_prompt_wins(texts: Path, audio: Path) -> None:
    add(texts, '[reference.timeout.2]\ntext = "Encore ?"\nversion = 7\n')
    (audio / "reference.timeout.2.wav").write_bytes((audio / "any.timeout.wav").read_bytes())
    catalogue = Catalogue.load(texts, "fr")
    found = catalogue.find(Step.REFERENCE, EntryError.TIMEOUT, 2)
    assert (found.id, found.version, found.text) == ("reference.timeout.2", 7, "Encore ?")
    assert catalogue.find(Step.REFERENCE, EntryError.TIMEOUT, 1).id == "reference.timeout"
    assert catalogue.find(Step.REFERENCE, EntryError.TIMEOUT, 3).id == "reference.timeout"
    assert catalogue.find(Step.SECURITY_CODE, EntryError.DOUBLED_KEY).id == "any.doubled-key"
    assert catalogue.ids() == {*required_ids(), "reference.timeout.2"}


def test_a_general_variant_serves_any_step(texts: Path, audio: Path) -> None:
    add(texts, '[any.too-long.3]\ntext = "Encore ?"\nversion = 1\n')
    (audio / "any.too-long.3.wav").write_bytes((audio / "any.timeout.wav").read_bytes())
    catalogue = Catalogue.load(texts, "fr")
    assert catalogue.find(Step.READY, EntryError.TOO_LONG, 3).id == "any.too-long.3"
    assert catalogue.find(Step.READY, EntryError.TOO_LONG, 2).id == "any.too-long"
    assert catalogue.find(Step.REFERENCE, EntryError.TOO_LONG, 3).id == "reference.too-long"


def test_words_that_no_catalogue_holds_are_refused_by_name(texts: Path, audio: Path) -> None:
    with pytest.raises(PromptMissingError, match=r"no prompt ready\.dance in 'fr'"):
        Catalogue.load(texts, "fr").find("ready", "dance")


def test_a_missing_and_a_broken_file_are_both_named_with_their_ids(
    texts: Path, audio: Path
) -> None:
    (audio / "ready.ask.wav").unlink()
    (audio / "brand.visa.wav").write_bytes(b"not a recording")
    with pytest.raises(CatalogueError) as raised:
        Catalogue.load(texts, "fr")
    missing, broken = sorted(raised.value.problems, reverse=True)
    assert "audio of ready.ask" in missing
    assert str(audio / "ready.ask.wav") in missing
    assert "python -m ivr.speech.build" in missing
    assert "audio of brand.visa" in broken
    assert str(audio / "brand.visa.wav") in broken


@pytest.mark.parametrize(("prompt", "pause"), [("ready.ask", 320), ("amount.lead-in", 160)])
def test_a_prompt_ends_with_the_pause_that_belongs_after_it(
    texts: Path, audio: Path, prompt: str, pause: int
) -> None:
    step, moment = prompt.split(".")
    clip = Catalogue.load(texts, "fr").find(step, moment).clip
    said = load_clip(audio / f"{prompt}.wav")
    assert clip.pcma == said.pcma + silence(pause).pcma
    assert clip.pcmu == said.pcmu + silence(pause).pcmu
    assert clip.duration == pytest.approx(len(clip.pcma) * 0.02)
