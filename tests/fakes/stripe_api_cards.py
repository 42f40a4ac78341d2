"""Stripe's test cards, with what a request that uses them is told (docs.stripe.com/testing)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownCard:
    """What Stripe's test mode knows of one card number; nothing here holds the number."""

    brand: str = "visa"
    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    networks: tuple[str, ...] = ()
    refused_at: str = "charge"
    """`method`, `charge`, or `later` (kept without complaint, then refused)."""


def _declined(decline_code: str, advice_code: str | None = None) -> KnownCard:
    return KnownCard(code="card_declined", decline_code=decline_code, advice_code=advice_code)


TEST_CARDS: dict[str, KnownCard] = {
    "4242424242424242": KnownCard(),
    "5555555555554444": KnownCard("mastercard"),
    "378282246310005": KnownCard("amex"),
    "6011111111111117": KnownCard("discover"),
    "36227206271667": KnownCard("diners"),
    "3566002020360505": KnownCard("jcb"),
    "6200000000000005": KnownCard("unionpay"),
    "4000002500001001": KnownCard(networks=("cartes_bancaires", "visa")),
    "5555552500001001": KnownCard("mastercard", networks=("cartes_bancaires", "mastercard")),
    "4000000000000002": _declined("generic_decline", "try_again_later"),
    "4000000000009995": _declined("insufficient_funds"),
    "4000000000009987": _declined("lost_card"),
    "4000000000009979": _declined("stolen_card"),
    "4000000000006975": _declined("card_velocity_exceeded"),
    "4100000000000019": _declined("fraudulent"),
    "4000000000000341": KnownCard(
        code="card_declined", decline_code="generic_decline", refused_at="later"
    ),
    "4000000000000069": KnownCard(code="expired_card", decline_code="expired_card"),
    "4000000000000127": KnownCard(code="incorrect_cvc", decline_code="incorrect_cvc"),
    "4000000000000119": KnownCard(code="processing_error", decline_code="processing_error"),
    "4000002760003184": KnownCard(
        code="authentication_required", decline_code="authentication_required"
    ),
    "4242424242424241": KnownCard(code="incorrect_number", refused_at="method"),
    # Not Stripe's: answers its test mode has no number for.
    "4000000000007007": _declined("do_not_honor", "do_not_try_again"),
    "4000000000007106": _declined("do_not_honor", "confirm_card_data"),
    "4000000000007809": _declined("duplicate_transaction"),
}

NOT_A_TEST_CARD = KnownCard(
    code="card_declined", decline_code="test_mode_live_card", refused_at="method"
)
