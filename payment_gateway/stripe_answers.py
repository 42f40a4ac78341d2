"""Stripe's objects read as results and notices."""

import stripe

from payment_gateway.declines import read_decline
from payment_gateway.interface import (
    GatewayConfigurationError,
    KeyReusedError,
    RequestRefusedError,
)
from payment_gateway.results import CardSummary, DeclineCode, Money, Notice, Outcome, Result
from payment_gateway.stripe_calls import Failure, FailureKind
from payment_gateway.stripe_requests import ATTEMPT

_KINDS = {
    "payment_intent.succeeded": "payment.succeeded",
    "payment_intent.payment_failed": "payment.declined",
    "charge.refunded": "payment.refunded",
    "charge.dispute.created": "payment.disputed",
}

_AUTHENTICATION = {"code": "authentication_required"}


def read_intent(
    intent: stripe.PaymentIntent, card: CardSummary | None = None, *, settled: bool = False
) -> Result:
    """Return how a PaymentIntent stands.

    `settled`: it is old enough that nobody is still working on it, so what was begun
    and has neither succeeded nor failed was not charged.
    """
    card = card or _charged_card(intent)
    currency = intent.currency.upper()
    if intent.status == "succeeded":
        return Result(
            Outcome.SUCCEEDED,
            reference=intent.id,
            amount=Money(intent.amount_received, currency),
            card=card,
        )
    raw = {"status": str(intent.status)}
    if intent.status == "requires_capture":
        amount = Money(intent.amount_capturable, currency)
        return Result(Outcome.SUCCEEDED, reference=intent.id, amount=amount, card=card, raw=raw)
    if intent.status == "requires_action":
        return _declined(raw | _AUTHENTICATION, intent.id, card)
    error = intent.last_payment_error
    if intent.status == "requires_payment_method" and error is not None:
        words = {
            word: value
            for word in ("code", "decline_code", "advice_code")
            if isinstance(value := getattr(error, word, None), str)
        }
        return _declined(raw | words, intent.id, card)
    done = intent.status == "canceled" or (settled and intent.status != "processing")
    outcome = Outcome.NOT_CHARGED if done else Outcome.UNKNOWN
    return Result(outcome, reference=intent.id, card=card, raw=raw)


def read_setup(intent: stripe.SetupIntent, stored: str, card: CardSummary | None) -> Result:
    """Return whether a card is kept under the token `stored`."""
    if intent.status == "succeeded":
        return Result(Outcome.SUCCEEDED, reference=intent.id, card=card, stored=stored)
    raw = {"status": str(intent.status)}
    if intent.status == "requires_action":
        return _declined(raw | _AUTHENTICATION, intent.id, card)
    return Result(Outcome.UNKNOWN, reference=intent.id, card=card, raw=raw)


def read_refund(refund: stripe.Refund, reference: str) -> Result:
    """Return a refund's end; a pending one is on its way and counts as done."""
    money = Money(refund.amount, refund.currency.upper())
    raw = {"refund": refund.id, "status": str(refund.status)}
    failed = refund.status in ("failed", "canceled")
    outcome = Outcome.DECLINED if failed else Outcome.SUCCEEDED
    return Result(outcome, reference=reference, amount=money, raw=raw)


def read_method(method: stripe.PaymentMethod) -> CardSummary | None:
    """Return what may be shown of a card, once Stripe has taken it."""
    card = getattr(method, "card", None)
    if card is None:
        return None
    networks = getattr(card, "networks", None)
    return CardSummary(
        brand=_brand(card.brand),
        last4=card.last4,
        networks=tuple(_brand(name) for name in networks.available) if networks else (),
    )


def read_end(
    failure: Failure, card: CardSummary | None = None, *, about: str | None = None
) -> Result:
    """Return the end that a failed request has.

    `about` is the payment the request would have changed. Raise
    `GatewayConfigurationError`, `RequestRefusedError` or `KeyReusedError` where
    nothing was done and nobody decided.
    """
    if failure.kind is FailureKind.CONFIGURATION:
        if about is not None and failure.raw.get("status") == "400":
            # Stripe has no code for it when the amount is more than what is left.
            raise RequestRefusedError(failure.cause + _request_id(failure))
        raise GatewayConfigurationError(failure.cause + _request_id(failure))
    if failure.kind is FailureKind.REFUSED:
        raise RequestRefusedError(failure.cause + _request_id(failure))
    if failure.kind is FailureKind.KEY_REUSED:
        raise KeyReusedError("stripe: this key has asked for something else before")
    if failure.kind is FailureKind.DECLINED:
        return _declined(failure.raw, failure.reference, card)
    outcome = (
        Outcome.NOT_CHARGED if failure.kind is FailureKind.NOT_PROCESSED else Outcome.UNKNOWN
    )
    return Result(outcome, reference=failure.reference, card=card, raw=failure.raw)


def read_end_before_charge(failure: Failure) -> Result:
    """Return the end of a request that could not have charged, like `read_end`."""
    end = read_end(failure)
    if end.outcome is Outcome.DECLINED:
        return end
    return Result(Outcome.NOT_CHARGED, raw=end.raw)


def duplicate_is_unknown(result: Result) -> Result:
    """Return a payment's end, with an issuer's "duplicate" as unknown.

    The issuer has seen the same card and amount a moment ago. Whether that was paid is not
    known yet, so the caller must not be asked for another card.
    """
    if result.code is not DeclineCode.DUPLICATE:
        return result
    return Result(
        Outcome.UNKNOWN,
        reference=result.reference,
        code=result.code,
        advice=result.advice,
        card=result.card,
        raw=result.raw,
    )


def read_event(event: stripe.Event) -> Notice:
    """Return a verified webhook as a notice; what it does not know is `other`."""
    kind = _KINDS.get(event.type, "other")
    about = event.data.object
    attempt = getattr(getattr(about, "metadata", None), ATTEMPT, None)
    if isinstance(about, stripe.PaymentIntent):
        return Notice(event.id, kind, about.id, attempt, read_intent(about))
    payment = getattr(about, "payment_intent", None)
    reference = payment if isinstance(payment, str) else getattr(payment, "id", None)
    if isinstance(about, stripe.Charge) and kind == "payment.refunded":
        money = Money(about.amount_refunded, about.currency.upper())
        refund = Result(Outcome.SUCCEEDED, reference=reference, amount=money)
        return Notice(event.id, kind, reference, attempt, refund)
    return Notice(event.id, kind, reference, attempt)


def _declined(raw: dict[str, str], reference: str | None, card: CardSummary | None) -> Result:
    decline = read_decline(raw.get("code"), raw.get("decline_code"), raw.get("advice_code"))
    return Result(
        Outcome.DECLINED,
        reference=reference,
        code=decline.code,
        advice=decline.advice,
        card=card,
        raw=raw,
    )


def _charged_card(intent: stripe.PaymentIntent) -> CardSummary | None:
    charge = intent.latest_charge
    if not isinstance(charge, stripe.Charge):
        return None
    card = getattr(charge.payment_method_details, "card", None)
    if card is None or not card.brand or not card.last4:
        return None
    network = getattr(card, "network", None)
    return CardSummary(
        brand=_brand(card.brand),
        last4=card.last4,
        networks=(_brand(network),) if network else (),
    )


def _brand(name: str) -> str:
    return name.replace("_", "-")


def _request_id(failure: Failure) -> str:
    found = failure.raw.get("request_id")
    return f" (request {found})" if found else ""
