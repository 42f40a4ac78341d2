"""What can be wrong with prompts.

SpeechError
├── CatalogueError       a text catalogue or its audio, found when it is loaded
├── PromptMissingError   a step asked for words that no catalogue holds
└── SynthesisError       the build could not make a clip
"""

from collections.abc import Iterable


class SpeechError(Exception):
    """Base of what the speech package raises."""


class CatalogueError(SpeechError):
    """The prompts cannot be used. `problems` lists all that was found, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the prompts cannot be used:\n  " + "\n  ".join(self.problems))


class PromptMissingError(SpeechError):
    """No prompt of this step or moment: a name that `required_ids` does not list."""


class SynthesisError(SpeechError):
    """A voice is not installed, or its audio could not be cut; the message says which."""
