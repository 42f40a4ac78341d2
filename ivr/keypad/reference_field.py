"""The reference printed on the letter."""

from ivr.keypad.digits import Digits
from ivr.keypad.field import Field, Timeouts
from ivr.vocabulary import EntryError, Step


def reference(timeouts: Timeouts, shortest: int, longest: int) -> Field:
    """Return the field of a reference of `shortest` to `longest` digits.

    Where all references have one length, an entry ends at once when it is reached.
    """

    def diagnose(digits: Digits) -> EntryError | None:
        if len(digits) < shortest:
            return EntryError.TOO_SHORT
        return EntryError.TOO_LONG if len(digits) > longest else None

    return Field(
        step=Step.REFERENCE,
        max_length=longest + 4,
        timeouts=timeouts,
        diagnose=diagnose,
        complete=lambda digits: shortest == longest == len(digits),
    )
