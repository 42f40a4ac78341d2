"""The prompts of one language with their audio, checked whole when they are loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ivr.media.clips import Clip, ClipError, load_clip
from ivr.speech.errors import CatalogueError, PromptMissingError
from ivr.speech.files import audio_folder, prompt_file
from ivr.speech.pauses import AFTER_LEAD_IN, AFTER_SENTENCE, followed_by
from ivr.speech.required import ANY_STEP
from ivr.speech.texts import PromptText, load_texts


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is said once, and which reviewed version of it.

    The clip ends with the pause that belongs after it, so clips are played one after
    the other as they are.
    """

    id: str
    version: int
    text: str
    clip: Clip


class Catalogue:
    """The prompts of one language."""

    def __init__(self, language: str, prompts: dict[str, Prompt]) -> None:
        self.language = language
        self._prompts = prompts

    @classmethod
    def load(cls, folder: Path, language: str) -> Self:
        """Read `<folder>/<language>.toml` and `<folder>/audio/<language>/<id>.wav`.

        Raise `CatalogueError` that lists each missing id, malformed entry and missing or
        unreadable audio file.
        """
        texts = load_texts(folder, language)
        audio = audio_folder(folder, language)
        prompts: dict[str, Prompt] = {}
        problems: list[str] = []
        for text in texts.values():
            try:
                prompts[text.id] = _prompt(text, audio / prompt_file(text.id))
            except ClipError as error:
                problems.append(f"audio of {text.id}: {error}")
        if problems:
            raise CatalogueError(problems)
        return cls(language, prompts)

    def find(self, step: str, moment: str, attempt: int = 1) -> Prompt:
        """Return the most specific prompt: this attempt's, the step's, then any step's.

        Raise `PromptMissingError` when none is there.
        """
        for prompt_id in (
            f"{step}.{moment}.{attempt}",
            f"{step}.{moment}",
            f"{ANY_STEP}.{moment}.{attempt}",
            f"{ANY_STEP}.{moment}",
        ):
            if prompt_id in self._prompts:
                return self._prompts[prompt_id]
        raise PromptMissingError(f"no prompt {step}.{moment} in {self.language!r}")

    def ids(self) -> frozenset[str]:
        """Return the id of each prompt."""
        return frozenset(self._prompts)


def _prompt(text: PromptText, path: Path) -> Prompt:
    if not path.is_file():
        raise ClipError(f"{path}: missing; record it, or run python -m ivr.speech.build")
    pause = AFTER_SENTENCE if text.ends_sentence else AFTER_LEAD_IN
    return Prompt(text.id, text.version, text.text, followed_by(load_clip(path), pause))
