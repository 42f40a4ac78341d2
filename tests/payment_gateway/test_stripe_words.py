"""What is sent to Stripe, and how its objects are read."""

from typing import Any

import pytest
import stripe as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_gateway.interface import (
    PaymentRequest,
    UnsupportedOperationError,
    WebhookRefusedError,
)
from payment_gateway.results import Advice, Money, Outcome
from payment_gateway.stripe_answers import read_intent
from payment_gateway.stripe_gateway import StripeGateway
from payment_gateway.stripe_requests import statement_suffix
from tests.fakes import stripe_api_objects as objects
from tests.payment_gateway.bench import AMOUNT, ask_for, card
from tests.payment_gateway.stripe_bench import StripeBench

LISTENER = StripeGateway("sk_test_1", webhook_secret="whsec_1")


async def test_a_purchase_is_a_method_and_then_a_telephone_order(bench: StripeBench) -> None:
    request = PaymentRequest(
        "a-1", AMOUNT, statement_suffix="Dossier n° 12", network="cartes-bancaires"
    )
    await bench.gateway.purchase(request, card("4000002500001001"))
    (first, method), (second, charge) = bench.account.seen
    assert (first, method) == ("POST /v1/payment_methods", {"type": "card"})
    assert second == "POST /v1/payment_intents"
    assert charge.pop("payment_method") in bench.account.methods
    assert charge == {
        "amount": "12345",
        "currency": "eur",
        "allowed_payment_method_types": {"0": "card"},
        "confirm": "true",
        "error_on_requires_action": "true",
        "payment_method_options": {"card": {"moto": "true", "network": "cartes_bancaires"}},
        "metadata": {"solde_attempt": "a-1"},
        "expand": {"0": "latest_charge"},
        "statement_descriptor_suffix": "Dossier n",
    }


async def test_a_stored_card_is_charged_off_session_and_not_by_telephone(
    bench: StripeBench,
) -> None:
    kept = await bench.gateway.store(card(), "s-1")
    await bench.gateway.charge_stored(ask_for("s-2"), kept.stored or "")
    charge = bench.account.seen[-1][1]
    assert charge["off_session"] == "true"
    assert charge["payment_method_options"] == {
        "card": {"stored_credential_usage": "installment"}
    }
    assert kept.stored == f"{charge['customer']}/{charge['payment_method']}"


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("", ""),
        ("Solde", "Solde"),
        ("Électricité de Brest", "Electricit"),
        ("<\\'*\">", ""),
        ("a*b", "a b"),
        ("12345678", "N12345678"),
        ("1234567890", "N123456789"),
        ("12345678901A", "N123456789"),
        ("日本", ""),
        ("  REF   9  ", "REF 9"),
        ("ABCDEFGHI JK", "ABCDEFGHI"),
    ],
)
def test_a_suffix_is_made_fit_for_stripe(text: str, suffix: str) -> None:
    assert statement_suffix(text) == suffix


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_suffix_keeps_stripes_rules(text: str) -> None:
    suffix = statement_suffix(text)
    assert suffix == "" or any(character.isalpha() for character in suffix)
    assert suffix.isascii()
    assert len(suffix) <= 10
    assert not set(suffix) & set("<>\\'\"*")


def intent(**changes: Any) -> sdk.PaymentIntent:
    values = objects.payment_intent(500, "eur", "pm_1", {"solde_attempt": "a"}) | changes
    return sdk.PaymentIntent.construct_from(values, "sk_test")


@pytest.mark.parametrize(
    ("changes", "settled", "outcome"),
    [
        ({"status": "succeeded", "amount_received": 500}, False, Outcome.SUCCEEDED),
        ({"status": "requires_capture", "amount_capturable": 500}, False, Outcome.SUCCEEDED),
        ({"status": "processing"}, False, Outcome.UNKNOWN),
        ({"status": "processing"}, True, Outcome.UNKNOWN),
        ({"status": "requires_confirmation"}, False, Outcome.UNKNOWN),
        ({"status": "requires_confirmation"}, True, Outcome.NOT_CHARGED),
        ({"status": "requires_payment_method"}, False, Outcome.UNKNOWN),
        ({"status": "requires_payment_method"}, True, Outcome.NOT_CHARGED),
        ({"status": "canceled"}, False, Outcome.NOT_CHARGED),
        ({"status": "a_status_of_tomorrow"}, False, Outcome.UNKNOWN),
        ({"status": "requires_action"}, False, Outcome.DECLINED),
    ],
)
def test_each_status_has_its_outcome(
    changes: dict[str, Any], settled: bool, outcome: Outcome
) -> None:
    result = read_intent(intent(**changes), settled=settled)
    assert result.outcome is outcome
    assert result.amount == (Money(500, "EUR") if outcome is Outcome.SUCCEEDED else None)


def test_what_needs_authentication_offers_a_link() -> None:
    advice = read_intent(intent(status="requires_action")).advice
    assert advice is Advice.OTHER_CARD_OR_LINK


async def test_a_generic_decline_of_test_mode_follows_the_issuers_advice(
    bench: StripeBench,
) -> None:
    # Stripe's test mode adds `try_again_later` to this card's decline, and advice wins.
    result = await bench.gateway.purchase(ask_for("a"), card("4000000000000002"))
    assert result.advice is Advice.TRY_ONCE_MORE
    assert result.raw["advice_code"] == "try_again_later"


async def test_a_refunds_webhook_tells_what_went_back(bench: StripeBench) -> None:
    paid = await bench.gateway.purchase(ask_for("a"), card())
    await bench.gateway.refund(paid.reference or "", Money(45, "EUR"), "b")
    notice = bench.gateway.parse_webhook(*bench.account.sign(bench.account.events[-1]))
    assert (notice.kind, notice.attempt_key) == ("payment.refunded", "a")
    assert notice.reference == paid.reference
    assert notice.result is not None
    assert notice.result.amount == Money(45, "EUR")


@pytest.mark.parametrize(
    ("kind", "about", "read"),
    [
        (
            "charge.dispute.created",
            {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "metadata": {}},
            ("payment.disputed", "pi_1"),
        ),
        ("customer.created", {"id": "cus_1", "object": "customer"}, ("other", None)),
    ],
)
async def test_other_webhooks_are_read_as_far_as_they_go(
    bench: StripeBench, kind: str, about: dict[str, Any], read: tuple[str, str | None]
) -> None:
    event = objects.event(kind, about)
    notice = bench.gateway.parse_webhook(*bench.account.sign(event))
    assert (notice.kind, notice.reference) == read
    assert (notice.id, notice.attempt_key, notice.result) == (event["id"], None, None)


@pytest.mark.parametrize("body", [b"[]", b"1", b"{}", b"null", b'{"object": "v2.core.event"}'])
async def test_a_signed_body_that_is_no_event_is_refused(
    bench: StripeBench, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.stripe_api_account.json.dumps", lambda _: body.decode())
    with pytest.raises(WebhookRefusedError):
        bench.gateway.parse_webhook(*bench.account.sign({}))


@settings(deadline=None)
@given(st.binary(max_size=60), st.text(max_size=60))
def test_any_unsigned_webhook_is_refused(body: bytes, signature: str) -> None:
    with pytest.raises(WebhookRefusedError):
        LISTENER.parse_webhook(body, {"stripe-signature": signature})


def test_webhooks_need_a_secret() -> None:
    with pytest.raises(UnsupportedOperationError, match="webhook_secret"):
        StripeGateway("sk_test_1").parse_webhook(b"{}", {})
