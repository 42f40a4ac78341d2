"""A piece of a spoken amount, number or date, and how it is said."""

from dataclasses import dataclass
from enum import StrEnum


class Manner(StrEnum):
    """What follows a fragment, which its intonation and last sound depend on."""

    FINAL = "final"
    """Nothing: the voice falls."""
    CONTINUING = "continuing"
    """More of the sentence, after a breath: the voice stays up."""
    ENDING = "ending"
    """Nothing, after a phrase that went before it: the cents of an amount."""
    JOINED = "joined"
    """The next number, without a breath."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """`text` as it is said; `id` names its audio file."""

    id: str
    text: str
    manner: Manner


def closing(name: str, text: str) -> tuple[Fragment, Fragment]:
    """Return a fragment in the two intonations that may close a phrase."""
    return (
        Fragment(f"{name}.{Manner.CONTINUING}", text, Manner.CONTINUING),
        Fragment(f"{name}.{Manner.FINAL}", text, Manner.FINAL),
    )
