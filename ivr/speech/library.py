"""All that can be said, loaded once and shared by all calls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from ivr.media.clips import Clip, ClipError, load_clip, silence
from ivr.speech.catalogue import Catalogue, Prompt
from ivr.speech.errors import CatalogueError, PromptMissingError
from ivr.speech.files import audio_folder, fragment_file
from ivr.speech.pauses import AFTER_LEAD_IN, AFTER_SENTENCE, BETWEEN_DIGITS
from ivr.speech.spoken import (
    LANGUAGES,
    all_fragments,
    speak_amount,
    speak_date,
    speak_digits,
)


@dataclass(frozen=True, slots=True)
class _Speech:
    catalogue: Catalogue
    fragments: Mapping[str, Clip]


class Library:
    """Prompts, amounts, digits and dates in each language, as clips ready to play in order."""

    def __init__(self, speech: Mapping[str, _Speech]) -> None:
        self._speech = speech
        self._in_amount = silence(AFTER_LEAD_IN)
        self._in_digits = silence(BETWEEN_DIGITS)
        self._sentence = silence(AFTER_SENTENCE)

    @classmethod
    def load(cls, folder: Path, languages: Sequence[str] = LANGUAGES) -> Self:
        """Read the `prompts` folder.

        Raise `CatalogueError` that lists all problems of all languages.
        """
        speech: dict[str, _Speech] = {}
        problems: list[str] = []
        for language in languages:
            if language not in LANGUAGES:
                known = ", ".join(LANGUAGES)
                problems.append(f"language {language!r}: amounts can be spoken in {known} only")
                continue
            fragments, missing = _fragments(folder, language)
            problems += missing
            try:
                speech[language] = _Speech(Catalogue.load(folder, language), fragments)
            except CatalogueError as error:
                problems += error.problems
        if problems:
            raise CatalogueError(problems)
        return cls(speech)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that were loaded."""
        return tuple(self._speech)

    def prompt(self, language: str, step: str, moment: str, attempt: int = 1) -> Prompt:
        """Return the most specific prompt. Raise `PromptMissingError`."""
        return self._in(language).catalogue.find(step, moment, attempt)

    def amount(
        self, language: str, amount: int, currency: str = "EUR", *, final: bool = True
    ) -> list[Clip]:
        """Return `amount` minor units, to be played after a lead-in.

        `final`: it closes the sentence. Raise `ValueError` as `speak_amount` does.
        """
        clips = self._clips(language, speak_amount(amount, currency, language, final=final))
        return [*clips, self._sentence if final else self._in_amount]

    def digits(self, language: str, digits: str) -> list[Clip]:
        """Return `digits` one by one: a card's last four, a reference."""
        clips = self._clips(language, speak_digits(digits))
        spaced = [piece for clip in clips for piece in (clip, self._in_digits)]
        return [*spaced[:-1], self._sentence]

    def date(self, language: str, day: date) -> list[Clip]:
        """Return `day` with its year. Raise `ValueError` as `speak_date` does."""
        return [*self._clips(language, speak_date(day)), self._sentence]

    def _clips(self, language: str, ids: Iterable[str]) -> list[Clip]:
        fragments = self._in(language).fragments
        return [fragments[fragment] for fragment in ids]

    def _in(self, language: str) -> _Speech:
        try:
            return self._speech[language]
        except KeyError:
            raise PromptMissingError(f"no prompts were loaded in {language!r}") from None


def _fragments(folder: Path, language: str) -> tuple[dict[str, Clip], list[str]]:
    audio = audio_folder(folder, language)
    clips: dict[str, Clip] = {}
    problems: list[str] = []
    for fragment, text in all_fragments(language).items():
        try:
            clips[fragment] = load_clip(audio / fragment_file(fragment))
        except ClipError as error:
            problems.append(f'audio of "{text}": {error}')
    return clips, problems
