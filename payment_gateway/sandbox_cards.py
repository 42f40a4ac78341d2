"""Which card does what in the sandbox.

Stripe's own test numbers (docs.stripe.com/testing) do here what they do there,
less the `try_again_later` that Stripe's test mode adds to a generic decline. The
numbers under 4000 0000 0000 7xxx are the sandbox's: Luhn-valid, for advice codes
and for answers that are late or never come.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payment_gateway.brands import identify, luhn_valid
from payment_gateway.card import Card


class Manner(StrEnum):
    """How the answer comes."""

    PROMPT = "prompt"
    SLOW = "slow"
    """Decided at once, told late."""
    SILENT = "silent"
    """Nothing is done, and nothing is answered."""
    LOST = "lost"
    """Done, and the answer is lost."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the sandbox does with a card."""

    title: str
    refusal: str | None = None
    """A decline in Stripe's words, as `declines.read_decline` takes them; `None` approves."""
    advice: str | None = None
    """The issuer's advice code beside it."""
    manner: Manner = Manner.PROMPT
    stores: bool | None = None
    """Whether the card can be kept; by default as it can be charged."""
    networks: tuple[str, ...] = ()
    """The brands of a co-badged card."""

    @property
    def can_be_stored(self) -> bool:
        """Whether `store` succeeds."""
        return self.refusal is None if self.stores is None else self.stores


_APPROVED = Behaviour("approved")
_CO_BADGED = Behaviour("approved, co-badged", networks=("cartes-bancaires", "visa"))

SANDBOX_CARDS: dict[str, Behaviour] = {
    "4242424242424242": _APPROVED,
    "4000056655665556": _APPROVED,
    "5555555555554444": _APPROVED,
    "2223003122003222": _APPROVED,
    "378282246310005": _APPROVED,
    "36227206271667": _APPROVED,
    "6011111111111117": _APPROVED,
    "3566002020360505": _APPROVED,
    "6200000000000005": _APPROVED,
    "6759649826438453": _APPROVED,
    "5817000000000002": Behaviour("approved, Cartes Bancaires only"),
    "4000002500001001": _CO_BADGED,
    "5555552500001001": Behaviour(
        "approved, co-badged", networks=("cartes-bancaires", "mastercard")
    ),
    "4242424242424241": Behaviour("mistyped number", "incorrect_number"),
    "4000000000000127": Behaviour("wrong security code", "incorrect_cvc"),
    "4000000000000069": Behaviour("expired card", "expired_card"),
    "4000000000000119": Behaviour("passing fault at the issuer", "processing_error"),
    "4000000000000002": Behaviour("declined", "generic_decline"),
    "4000000000009995": Behaviour("not enough money", "insufficient_funds"),
    "4000000000006975": Behaviour("too many payments", "card_velocity_exceeded"),
    "4000000000000341": Behaviour("kept, then declined", "generic_decline", stores=True),
    "4000002500003155": Behaviour("issuer wants 3-D Secure", "authentication_required"),
    "4000002760003184": Behaviour("issuer wants 3-D Secure", "authentication_required"),
    "4000000000009987": Behaviour("lost card", "lost_card"),
    "4000000000009979": Behaviour("stolen card", "stolen_card"),
    "4100000000000019": Behaviour("suspected fraud", "fraudulent"),
    "4000000000007007": Behaviour("declined for good", "do_not_honor", "do_not_try_again"),
    "4000000000007106": Behaviour("declined, check it", "do_not_honor", "confirm_card_data"),
    "4000000000007205": Behaviour("declined for now", "do_not_honor", "try_again_later"),
    "4000000000007304": Behaviour("approved after a while", manner=Manner.SLOW),
    "4000000000007403": Behaviour("no answer, nothing charged", manner=Manner.SILENT),
    "4000000000007502": Behaviour("charged, answer lost", manner=Manner.LOST),
    "4000000000007601": Behaviour(
        "declined after a while", "generic_decline", manner=Manner.SLOW
    ),
}
"""Every number the sandbox knows; any other is refused as a card that is not a test card."""


def judge(card: Card, now: datetime) -> Behaviour:
    """Return what the sandbox does with this card at this time."""
    known = SANDBOX_CARDS.get(card.number_text())
    if known is not None and known.refusal == "incorrect_number":
        return known
    if not luhn_valid(card.number_text().encode()):
        return Behaviour("mistyped number", "incorrect_number")
    if known is None:
        return Behaviour("not a test card", "test_mode_live_card")
    if (card.expiry_year, card.expiry_month) < (now.year, now.month):
        return Behaviour("expiry date in the past", "invalid_expiry_year")
    brand = identify(card.number_text())
    if brand and len(card.security_code_text()) != brand.security_code_length:
        return Behaviour("security code of a wrong length", "invalid_cvc")
    return known
