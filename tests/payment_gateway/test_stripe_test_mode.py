"""Against Stripe's own test mode; collected only when SOLDE_STRIPE_TEST_KEY is set.

The key's account needs raw card data and MOTO enabled.
"""

import os
import uuid
from datetime import UTC, datetime

import pytest

from payment_gateway.results import Advice, Outcome
from payment_gateway.stripe_gateway import StripeGateway
from tests.payment_gateway.bench import AMOUNT, ask_for, card

KEY = os.environ["SOLDE_STRIPE_TEST_KEY"]


def gateway() -> StripeGateway:
    assert KEY.startswith(("sk_test_", "rk_test_")), "never with a live key"
    return StripeGateway(KEY)


async def test_a_payment_and_its_inquiries() -> None:
    stripe, key, begun = gateway(), f"solde-test-{uuid.uuid4().hex}", datetime.now(UTC)
    paid = await stripe.purchase(ask_for(key), card())
    again = await stripe.purchase(ask_for(key), card())
    by_reference = await stripe.inquire(key, paid.reference)
    by_key = await stripe.inquire(key, since=begun)
    assert {end.reference for end in (paid, again, by_reference, by_key)} == {paid.reference}
    assert {end.outcome for end in (paid, again, by_reference, by_key)} == {Outcome.SUCCEEDED}
    assert by_key.amount == AMOUNT
    await stripe.close()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        ("4000000000000127", Advice.SAME_CARD_AGAIN),
        ("4000002760003184", Advice.OTHER_CARD_OR_LINK),
    ],
)
async def test_a_decline(number: str, advice: Advice) -> None:
    stripe = gateway()
    result = await stripe.purchase(ask_for(f"solde-test-{uuid.uuid4().hex}"), card(number))
    assert (result.outcome, result.advice) == (Outcome.DECLINED, advice)
    await stripe.close()
