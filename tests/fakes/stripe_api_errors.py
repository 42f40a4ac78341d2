"""Stripe's error answers (docs.stripe.com/api/errors)."""

from dataclasses import dataclass

from tests.fakes.stripe_api_cards import KnownCard
from tests.fakes.stripe_api_objects import Json

RAW_CARD_REFUSED = (
    "Sending credit card numbers directly to the Stripe API is generally unsafe. "
    "We suggest you use test tokens that map to the test card you are using."
)


@dataclass
class StripeError(Exception):
    """An error answer."""

    status: int
    body: Json


def refusal(
    message: str, *, status: int = 400, kind: str = "invalid_request_error", **words: object
) -> StripeError:
    error = {"type": kind, "message": message} | {
        name: value for name, value in words.items() if value is not None
    }
    return StripeError(status, {"error": error})


def card_error(card: KnownCard, charge: str | None = None) -> StripeError:
    return refusal(
        "Your card was declined.",
        status=402,
        kind="card_error",
        code=card.code,
        decline_code=card.decline_code,
        advice_code=card.advice_code,
        charge=charge,
    )


def problem_code(fault: str) -> str | None:
    return {"unknown parameter": "parameter_unknown", "missing": "parameter_missing"}.get(fault)
