"""The library's prompts in the language of one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ivr.media.clips import Clip
from ivr.vocabulary import EntryError, Step
from payment_gateway.results import Money


class Prompt(Protocol):
    """A sentence of the catalogue, with its audio."""

    @property
    def id(self) -> str:
        """Its name, `step.moment`."""

    @property
    def version(self) -> int:
        """Raised with each change of its text."""

    @property
    def clip(self) -> Clip:
        """Its audio."""


class Library(Protocol):
    """All that can be said, in every language (`ivr.speech.library`)."""

    def prompt(self, language: str, step: str, moment: str, attempt: int = 1) -> Prompt:
        """Return the most specific prompt."""

    def amount(
        self, language: str, amount: int, currency: str, *, final: bool = True
    ) -> Sequence[Clip]:
        """Return a spoken amount of minor units; `final` when it closes the sentence."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something to say. `prompt` and `version` are None for an amount or digits."""

    clips: Sequence[Clip]
    prompt: str | None = None
    version: int | None = None


class Voice:
    """Says prompts and amounts in one language."""

    def __init__(self, library: Library, language: str) -> None:
        self.language = language
        self._library = library

    def prompt(self, step: Step | str, moment: str, attempt: int = 1) -> Spoken:
        """Return the most specific prompt of `step` and `moment`."""
        prompt = self._library.prompt(self.language, str(step), moment, attempt)
        return Spoken((prompt.clip,), prompt.id, prompt.version)

    def mistake(self, step: Step, error: EntryError, attempt: int) -> Spoken:
        """Return what is said of a mistake, which also asks again."""
        return self.prompt(step, str(error), attempt)

    def amount(self, money: Money, *, final: bool = True) -> Spoken:
        """Return the spoken amount; `final` when it closes the sentence."""
        return Spoken(
            self._library.amount(self.language, money.amount, money.currency, final=final)
        )

    def brand(self, name: str) -> Spoken:
        """Return the spoken name of a card brand."""
        return self.prompt("brand", name)
