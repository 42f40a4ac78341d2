"""What is asked of Stripe, as the parameter types of its SDK want it.

`moto` marks a telephone order, out of scope of strong authentication (PSD2 RTS);
a stored card is charged off-session as an instalment instead.
"""

import re
import unicodedata
from typing import cast

from stripe.params import (
    CustomerCreateParams,
    PaymentIntentCreateParams,
    PaymentIntentCreateParamsPaymentMethodOptionsCard,
    PaymentIntentListParams,
    PaymentMethodCreateParams,
    SetupIntentCreateParams,
)

from payment_gateway.card import Card
from payment_gateway.interface import PaymentRequest

ATTEMPT = "solde_attempt"
"""The metadata entry that carries our key: `inquire` and webhooks find the attempt by it."""

SUFFIX_LENGTH = 10
"""22 characters, less the account's prefix (2 to 10), the asterisk and the space."""

_PAGE = 100
_NOT_IN_SUFFIX = re.compile(r"[^A-Za-z0-9 .,&/+-]+")


def payment_method(card: Card) -> PaymentMethodCreateParams:
    """Return the only request that carries a card; `wipe` it once it was sent."""
    return {
        "type": "card",
        "card": {
            "number": card.number_text(),
            "exp_month": card.expiry_month,
            "exp_year": card.expiry_year,
            "cvc": card.security_code_text(),
        },
    }


def wipe(params: PaymentMethodCreateParams) -> None:
    """Take the card out of a request, so that no frame which still has it can show it."""
    cast("dict[str, object]", params["card"]).clear()


def charge(
    request: PaymentRequest, method: str, *, capture: bool = True
) -> PaymentIntentCreateParams:
    """Return a charge now, or an authorisation, by telephone order."""
    options: PaymentIntentCreateParamsPaymentMethodOptionsCard = {"moto": True}
    if request.network is not None:
        options["network"] = request.network.replace("-", "_")
    params: PaymentIntentCreateParams = {
        "amount": request.money.amount,
        "currency": request.money.currency.lower(),
        "payment_method": method,
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        "error_on_requires_action": True,
        "payment_method_options": {"card": options},
        "metadata": _metadata(request),
        "expand": ["latest_charge"],
    }
    if not capture:
        params["capture_method"] = "manual"
    suffix = statement_suffix(request.statement_suffix)
    if suffix:
        params["statement_descriptor_suffix"] = suffix
    return params


def stored_charge(
    request: PaymentRequest, customer: str, method: str
) -> PaymentIntentCreateParams:
    """Return a merchant-initiated charge of a stored card."""
    params = charge(request, method)
    params["customer"] = customer
    params["off_session"] = True
    params["payment_method_options"] = {"card": {"stored_credential_usage": "installment"}}
    return params


def customer(key: str) -> CustomerCreateParams:
    """Return the nameless customer that a stored card has to belong to."""
    return {"metadata": {ATTEMPT: key}}


def setup(key: str, customer_id: str, method: str) -> SetupIntentCreateParams:
    """Return the request that keeps a card for instalments and charges nothing."""
    return {
        "customer": customer_id,
        "payment_method": method,
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        "usage": "off_session",
        "payment_method_options": {
            "card": {"moto": True, "setup_credential_usage": "installment"}
        },
        "metadata": {ATTEMPT: key},
    }


def latest(begin: int, last: str = "") -> PaymentIntentListParams:
    """Return a page of the PaymentIntents made since `begin` (epoch seconds), newest first.

    `last` is the last one of the page before.
    """
    params: PaymentIntentListParams = {
        "created": {"gte": begin},
        "limit": _PAGE,
        "expand": ["data.latest_charge"],
    }
    if last:
        params["starting_after"] = last
    return params


def statement_suffix(text: str) -> str:
    """Return `text` as Stripe accepts it: plain Latin words with a letter in them, cut to fit.

    Accents are taken off. Empty when nothing is left. A number gets an N before it.
    (docs.stripe.com/get-started/account/statement-descriptors)
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    words = " ".join(_NOT_IN_SUFFIX.sub(" ", plain).split())
    if words and not re.search("[A-Za-z]", words[:SUFFIX_LENGTH]):
        words = f"N{words}"
    return words[:SUFFIX_LENGTH].strip()


def _metadata(request: PaymentRequest) -> dict[str, str]:
    return {**request.metadata, ATTEMPT: request.key}
