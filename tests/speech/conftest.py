import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.resources import shipped
from ivr.speech.fragments import Fragment
from ivr.speech.required import required_ids
from ivr.speech.spoken import LANGUAGES, fragments


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A prompts folder with the shipped texts and no audio."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    for language in LANGUAGES:
        shutil.copy(shipped("prompts") / f"{language}.toml", folder)
    return folder


@pytest.fixture
def few_fragments(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Lets a build make, and a library load, some fragments only."""
    kept = (
        "hundreds-2",
        "thousands-1",
        "euros-2.final",
        "euros-34.continuing",
        "euros-34.final",
        "and-cents-50",
        "digit-4.continuing",
        "digit-2.final",
        "day-05-01",
        "year-2026",
    )

    def some(language: str) -> tuple[Fragment, ...]:
        return tuple(piece for piece in fragments(language) if piece.id in kept)

    def some_texts(language: str) -> dict[str, str]:
        return {piece.id: piece.text for piece in some(language)}

    monkeypatch.setattr("ivr.speech.build.fragments", some)
    monkeypatch.setattr("ivr.speech.library.all_fragments", some_texts)
    return kept


@pytest.fixture
def audio(texts: Path, few_fragments: tuple[str, ...]) -> Path:
    """The audio of French in `texts`: each clip a level of its own, 40 ms long."""
    audio = texts / "audio" / "fr"
    (audio / "fragments").mkdir(parents=True)
    files = [f"{prompt_id}.wav" for prompt_id in required_ids()]
    files += [f"fragments/{piece}.wav" for piece in few_fragments]
    for number, file in enumerate(files, 1):
        soundfile.write(audio / file, np.full(320, number / 200), 8000, subtype="PCM_16")
    return audio
