"""One request to Stripe, tried again where that is safe, and its failure as plain words.

An SDK exception is turned into a `Failure` where it is caught and goes no
further: its traceback holds the frames in which the card was sent. For the same
reason nothing is raised while it is being handled (`__context__` would keep it).

The SDK's own retries stay off. They hide whether an earlier try may have been
processed, and that decides between "not charged" and "unknown".
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import stripe

from payment_gateway.stripe_http import ConnectionFailedError

_FIRST_PAUSE = 0.5
_RAW_CARD = "credit card numbers directly"
"""In the message with which Stripe refuses card numbers from accounts not enabled for them."""

_REFUSED_CODES = frozenset(
    {
        "amount_too_large",
        "amount_too_small",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "charge_exceeds_transaction_limit",
        "payment_intent_unexpected_state",
        "payment_method_unactivated",
        "resource_missing",
    }
)
_WORDS = ("type", "code", "decline_code", "advice_code", "network_decline_code", "param")

T = TypeVar("T")


class FailureKind(StrEnum):
    """What a failure says about the request."""

    DECLINED = "declined"
    REFUSED = "refused"
    """Stripe will not do this to that payment."""
    CONFIGURATION = "configuration"
    KEY_REUSED = "key-reused"
    NOT_PROCESSED = "not-processed"
    """Never sent, or turned away at the door."""
    UNCLEAR = "unclear"
    """It may have been processed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no answer; holds Stripe's own codes and nothing of the request."""

    kind: FailureKind
    raw: dict[str, str]
    reference: str | None = None
    """The PaymentIntent the error is about."""
    final: bool = True
    """Whether to try again would be of no use."""

    @property
    def cause(self) -> str:
        """What the operator has to look at, in words."""
        if self.raw.get("status") == "401":
            return "Stripe does not accept gateway.stripe.api_key"
        if self.raw.get("status") == "403":
            return "gateway.stripe.api_key lacks a permission this request needs"
        if "raw_card" in self.raw:
            return "raw card data is not enabled on the Stripe account"
        if self.raw.get("param", "").endswith("[moto]"):
            return "MOTO (telephone orders) is not enabled on the Stripe account"
        named = [f"{word} {self.raw[word]}" for word in _WORDS if word in self.raw]
        return "Stripe refuses the request: " + (", ".join(named) or "no reason given")


async def ask(
    send: Callable[[], Awaitable[T]],
    *,
    deadline: float,
    retries: int,
    sleep: Callable[[float], Awaitable[None]],
) -> T | Failure:
    """Send, and send again with the same idempotency key while that may help.

    `deadline` is in seconds, for all tries together. `send` also reads the answer:
    one that cannot be read is `UNCLEAR`.
    """
    try:
        async with asyncio.timeout(deadline):
            return await _tries(send, retries, sleep)
    except TimeoutError:
        return Failure(FailureKind.UNCLEAR, {"connection": "deadline"})


async def _tries(
    send: Callable[[], Awaitable[T]],
    retries: int,
    sleep: Callable[[float], Awaitable[None]],
) -> T | Failure:
    # What was turned away in the end is unclear all the same when an earlier try may have
    # been processed; a decline is not, since a key has one answer only.
    unclear = False
    for attempt in range(retries + 1):
        if attempt:
            await sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        answer = await _once(send)
        if not isinstance(answer, Failure):
            return answer
        failure = answer
        unclear = unclear or failure.kind is FailureKind.UNCLEAR
        if failure.final:
            break
    if unclear and failure.kind is not FailureKind.DECLINED:
        return replace(failure, kind=FailureKind.UNCLEAR)
    return failure


async def _once(send: Callable[[], Awaitable[T]]) -> T | Failure:
    try:
        return await send()
    except asyncio.CancelledError:
        pass
    except Exception as error:  # noqa: BLE001 - a bug after the charge must not look like none
        return read_failure(error)
    # Cancelled anew, without the frames of the SDK.
    raise asyncio.CancelledError


def read_failure(error: Exception) -> Failure:
    """Read what went wrong, and whether the request may have been processed."""
    if not isinstance(error, stripe.StripeError):
        return Failure(FailureKind.UNCLEAR, {"bug": type(error).__name__})
    if isinstance(error, ConnectionFailedError):
        kind = FailureKind.UNCLEAR if error.sent else FailureKind.NOT_PROCESSED
        return Failure(kind, {"connection": error.fault}, final=False)
    raw = _raw(error)
    kind = _kind(error, raw)
    retried = (FailureKind.UNCLEAR, FailureKind.NOT_PROCESSED)
    hopeless = (error.headers or {}).get("stripe-should-retry") == "false"
    return Failure(
        kind, raw, reference=_reference(error), final=hopeless or kind not in retried
    )


def _kind(error: stripe.StripeError, raw: dict[str, str]) -> FailureKind:
    if error.error is None:
        # Not Stripe's words: a proxy's page, or half an answer.
        return FailureKind.UNCLEAR
    if isinstance(error, stripe.RateLimitError):
        # A lock is met while the request is processed, a rate limit before.
        locked = raw.get("code") == "lock_timeout"
        return FailureKind.UNCLEAR if locked else FailureKind.NOT_PROCESSED
    if isinstance(error, stripe.IdempotencyError):
        return FailureKind.KEY_REUSED
    if isinstance(error, stripe.CardError) and raw.get("type") == "card_error":
        return FailureKind.DECLINED
    if isinstance(error, stripe.CardError | stripe.InvalidRequestError):
        refused = raw.get("code") in _REFUSED_CODES
        return FailureKind.REFUSED if refused else FailureKind.CONFIGURATION
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return FailureKind.CONFIGURATION
    return FailureKind.UNCLEAR


def _raw(error: stripe.StripeError) -> dict[str, str]:
    said = {word: getattr(error.error, word, None) for word in _WORDS}
    raw = {word: value for word, value in said.items() if isinstance(value, str)}
    if error.http_status is not None:
        raw["status"] = str(error.http_status)
    if error.request_id:
        raw["request_id"] = error.request_id
    if _RAW_CARD in (error.user_message or ""):
        raw["raw_card"] = "refused"
    return raw


def _reference(error: stripe.StripeError) -> str | None:
    intent = getattr(error.error, "payment_intent", None)
    reference = getattr(intent, "id", None)
    return reference if isinstance(reference, str) else None
