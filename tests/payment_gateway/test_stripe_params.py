"""The checker that every request of the Stripe adapter passes: it must catch what it is for."""

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode
from stripe.params import (
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    PaymentMethodCreateParams,
    RefundCreateParams,
    SetupIntentCreateParams,
)

from tests.fakes.stripe_params import Form, decode_form, problems

CHARGE = (
    "amount=100&currency=eur&payment_method=pm_1&confirm=true&error_on_requires_action=true"
    "&allowed_payment_method_types[0]=card&payment_method_options[card][moto]=true"
    "&payment_method_options[card][network]=cartes_bancaires&metadata[a]=1&expand[0]=latest_charge"
)
CARD = "type=card&card[number]=4242&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123"


@pytest.mark.parametrize(
    ("params_type", "text"),
    [
        (PaymentIntentCreateParams, CHARGE),
        (PaymentIntentCreateParams, CHARGE + "&off_session=true"),
        (PaymentIntentCreateParams, CHARGE + "&off_session=recurring"),
        (PaymentIntentCreateParams, CHARGE + "&capture_method=manual"),
        (PaymentIntentCreateParams, CHARGE + "&description=&metadata[b]="),
        (PaymentMethodCreateParams, CARD),
        (PaymentIntentListParams, "created[gte]=1&limit=100&expand[0]=data.latest_charge"),
        (PaymentIntentListParams, "created=1"),
        (RefundCreateParams, "payment_intent=pi_1&amount=5&reason=requested_by_customer"),
        (SetupIntentCreateParams, "customer=cus_1&payment_method_options[card][moto]=true"),
        (SetupIntentCreateParams, ""),
    ],
)
def test_right_requests_pass(params_type: type, text: str) -> None:
    assert problems(params_type, decode_form(text)) == []


@pytest.mark.parametrize(
    ("params_type", "text", "problem"),
    [
        (PaymentIntentCreateParams, "currency=eur", "amount: missing"),
        (PaymentIntentCreateParams, CHARGE + "&confirmm=true", "confirmm: unknown parameter"),
        (
            PaymentIntentCreateParams,
            CHARGE + "&payment_method_options[card][motto]=true",
            "payment_method_options[card][motto]: unknown parameter",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE + "&payment_method_types[0]=card",
            "payment_method_types: unknown parameter",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE + "&payment_method_data[type]=paypal&payment_method_data[card][number]=4242",
            "payment_method_data[card]: unknown parameter",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("=cartes_bancaires", "=cb"),
            "payment_method_options[card][network]: none of the types or words allowed",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("types[0]=card", "types[0]=crad"),
            "allowed_payment_method_types[0]: none of the types or words allowed",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("types[0]=card", "types=card"),
            "allowed_payment_method_types: not a list",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("types[0]=card", "types[1]=card"),
            "allowed_payment_method_types: not a list",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("amount=100", "amount=1.5"),
            "amount: wrong type",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("confirm=true", "confirm=yes"),
            "confirm: wrong type",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE + "&off_session=sometimes",
            "off_session: none of the types or words allowed",
        ),
        (
            PaymentIntentCreateParams,
            CHARGE.replace("metadata[a]=1", "metadata[a][b]=1"),
            "metadata: none of the types or words allowed",
        ),
        (PaymentIntentCreateParams, CHARGE + "&api_key=sk_1", "api_key: unknown parameter"),
        (
            PaymentIntentCreateParams,
            CHARGE + "&idempotency_key=k",
            "idempotency_key: unknown parameter",
        ),
        (PaymentMethodCreateParams, CARD + "&card[month]=1", "card[month]: unknown parameter"),
        (PaymentMethodCreateParams, "type=card&card=tok", "card: not a hash"),
        (
            PaymentMethodCreateParams,
            CARD.replace("=12&", "=xii&"),
            "card[exp_month]: wrong type",
        ),
        (PaymentIntentListParams, "created[since]=1", "created[since]: unknown parameter"),
        (RefundCreateParams, "reason=angry", "reason: none of the types or words allowed"),
    ],
)
def test_wrong_requests_are_named(params_type: type, text: str, problem: str) -> None:
    assert problems(params_type, decode_form(text)) == [problem]


def test_a_problem_never_tells_a_value() -> None:
    form = decode_form("type=card&card[number][0]=4242424242424242&card[cvc][a]=918")
    found = problems(PaymentMethodCreateParams, form)
    assert found == ["card[number]: not a single value", "card[cvc]: not a single value"]


@pytest.mark.parametrize("text", ["a=1&a=2", "a=1&a[b]=2", "a[b=1", "[a]=1", "a"])
def test_a_malformed_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode_form(text)


_words = st.text("abc_", min_size=1, max_size=5)
_forms: st.SearchStrategy[Form] = st.recursive(
    st.dictionaries(_words, st.text(max_size=8), min_size=1, max_size=3),
    lambda inner: st.dictionaries(_words, st.text(max_size=8) | inner, min_size=1, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(_forms)
def test_a_form_is_read_as_the_sdk_writes_it(form: Form) -> None:
    assert decode_form(urlencode(list(_api_encode(form)))) == form
