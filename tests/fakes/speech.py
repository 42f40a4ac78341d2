"""A prompt library whose audio says nothing and lasts two seconds a prompt."""

from dataclasses import dataclass

from ivr.media.clips import Clip, silence

PROMPT_SECONDS = 2


@dataclass(frozen=True)
class FakePrompt:
    id: str
    clip: Clip
    version: int = 1


class FakeLibrary:
    """Answers with the ids asked for, and remembers the amounts."""

    def __init__(self) -> None:
        self.amounts: list[tuple[str, int, str]] = []

    def prompt(self, language: str, step: str, moment: str, attempt: int = 1) -> FakePrompt:
        return FakePrompt(f"{step}.{moment}", silence(1000 * PROMPT_SECONDS))

    def amount(
        self, language: str, amount: int, currency: str, *, final: bool = True
    ) -> list[Clip]:
        self.amounts.append((language, amount, currency))
        return [silence(1000)]
