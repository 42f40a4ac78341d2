"""A card as far as it has been keyed: each field valid, sealed, and never shown."""

from typing import NamedTuple

from ivr.keypad.digits import Digits
from ivr.vocabulary import Step
from payment_gateway.brands import Brand, identify
from payment_gateway.card import Card

FIELDS = (Step.CARD_NUMBER, Step.EXPIRATION_DATE, Step.SECURITY_CODE)
"""In the order in which they are asked for."""


class SealedCard:
    """The three fields, each an entry that has been found valid."""

    def __init__(self) -> None:
        self._fields = {step: Digits() for step in FIELDS}
        self._brand: Brand | None = None

    def __contains__(self, step: object) -> bool:
        """Whether the field of `step` is held."""
        return isinstance(step, Step) and len(self._fields.get(step, ())) > 0

    @property
    def brand_name(self) -> str:
        """The brand, for the debtor to hear; `other` where it is not known."""
        return self._brand.name if self._brand else "other"

    @property
    def security_code_length(self) -> int:
        """How many digits the brand prints."""
        return self._brand.security_code_length if self._brand else 3

    @property
    def missing(self) -> Step | None:
        """The first field that is not held; None when the card is complete."""
        return next((step for step in FIELDS if step not in self), None)

    def keep(self, step: Step, digits: Digits) -> None:
        """Hold `digits` as the field of `step`. With another number all starts anew."""
        if step is Step.CARD_NUMBER:
            self.wipe()
            self._brand = identify(digits.peek())
        self._fields[step].clear()
        self._fields[step] = digits

    def take(self) -> Card:
        """Give the card away; the taker wipes it."""
        number, expiry, code = (self._fields[step].take() for step in FIELDS)
        # MMYYYY, from who writes the year in full, becomes MMYY.
        if len(expiry) == 6:
            del expiry[2:4]
        return Card(number, expiry, code)

    def wipe(self) -> None:
        """Zero whatever is held."""
        for digits in self._fields.values():
            digits.clear()
        self._brand = None


class Left(NamedTuple):
    """Where a journey was left, and what had been keyed."""

    step: Step
    card: SealedCard
