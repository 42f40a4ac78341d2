"""What is asked for: its length, its time-outs, and how an entry is judged."""

from collections.abc import Callable
from dataclasses import dataclass

from ivr.keypad.digits import Digits
from ivr.vocabulary import EntryError, Step


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of silence: before the first key, and between two keys."""

    first: float
    between: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What may be told of an entry while it is keyed; never a digit."""

    digits: int
    brand: str | None = None
    luhn: bool | None = None


def _plain(digits: Digits) -> Progress:
    return Progress(len(digits))


@dataclass(frozen=True, slots=True)
class Field:
    """A run of digits. `#` validates it, `*` erases.

    `diagnose` returns what is wrong with an ended entry, or None. `complete` tells whether
    an entry is so certainly whole and right that it ends at once, without `#`.
    """

    step: Step
    max_length: int
    timeouts: Timeouts
    diagnose: Callable[[Digits], EntryError | None]
    complete: Callable[[Digits], bool]
    erase_group: int = 0
    """`*` erases back to a multiple of this many digits; 0: the whole field."""
    progress: Callable[[Digits], Progress] = _plain


@dataclass(frozen=True, slots=True)
class Menu:
    """One key out of `keys`."""

    step: Step
    keys: frozenset[str]
    timeouts: Timeouts
