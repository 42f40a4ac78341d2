"""What a gateway answers: a decline is a result, an unknown end a state of its own."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in integer minor units (cents) of an ISO 4217 currency (`"EUR"`)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError(f"an amount of money is not negative: {self.amount}")
        if (
            len(self.currency) != 3
            or not self.currency.isascii()
            or not self.currency.isupper()
        ):
            raise ValueError(f"not an ISO 4217 currency code: {self.currency!r}")


class Outcome(StrEnum):
    """How a request to a gateway ended."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    """The issuer or the gateway decided against it."""
    NOT_CHARGED = "not-charged"
    """Certainly nothing was charged, and no issuer decided (gateway refused the connection)."""
    UNKNOWN = "unknown"
    """It may have been charged: inquire, never charge again."""


class Advice(StrEnum):
    """What the caller hears next after a decline."""

    SAME_CARD_AGAIN = "same-card-again"
    """The card was probably mistyped: key it again."""
    TRY_ONCE_MORE = "try-once-more"
    """A passing fault at the issuer: one more try with the same card."""
    OTHER_CARD = "other-card"
    OTHER_CARD_OR_LINK = "other-card-or-link"
    """The issuer asks for authentication: another card, or a payment link."""
    STOP = "stop"
    """Neutral words, no further try with this card."""


class DeclineCode(StrEnum):
    """A short standard list, the same for every gateway."""

    INCORRECT_NUMBER = "incorrect-number"
    INCORRECT_CVC = "incorrect-cvc"
    INVALID_EXPIRY = "invalid-expiry"
    EXPIRED_CARD = "expired-card"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    DECLINED = "declined"
    CALL_ISSUER = "call-issuer"
    NOT_SUPPORTED = "not-supported"
    LIMIT_EXCEEDED = "limit-exceeded"
    AUTHENTICATION_REQUIRED = "authentication-required"
    PICK_UP_CARD = "pick-up-card"
    SUSPECTED_FRAUD = "suspected-fraud"
    PROCESSING_ERROR = "processing-error"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class CardSummary:
    """What may be shown of a card once the gateway has answered (PCI DSS 3.4.1)."""

    brand: str
    last4: str
    expiry_masked: str = "**/**"
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One gateway answer. `raw` holds the provider's own codes, never a card detail."""

    outcome: Outcome
    reference: str | None = None
    """The gateway's own identifier (a PaymentIntent's id), when one is known."""
    amount: Money | None = None
    """What was really charged, authorised, captured or refunded."""
    code: DeclineCode | None = None
    advice: Advice | None = None
    card: CardSummary | None = None
    stored: str | None = None
    """Token of a stored card, when one was asked for."""
    raw: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A gateway's webhook, verified and read."""

    id: str
    """The gateway's event id: repeats carry the same."""
    kind: str
    """`payment.succeeded`, `.declined`, `.refunded`, `.disputed`, or `other`."""
    reference: str | None = None
    attempt_key: str | None = None
    """Our idempotency key, as sent in the payment's metadata."""
    result: Result | None = None
