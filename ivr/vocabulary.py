"""The words of events, the HTTP API and the indicators.

They follow Twilio's `<Pay>`, Telnyx Pay and SignalWire `pay`, and extend them;
`docs/vocabulary.md` is the table for integrators.
"""

from enum import StrEnum


class Step(StrEnum):
    """Where a debtor is in the journey."""

    WELCOME = "welcome"
    REFERENCE = "reference"
    AMOUNT = "amount"
    READY = "ready"
    CARD_NUMBER = "payment-card-number"
    EXPIRATION_DATE = "expiration-date"
    SECURITY_CODE = "security-code"
    CONFIRM = "confirm"
    PROCESSING = "payment-processing"
    COMPLETED = "payment-completed"
    FAILED = "payment-failed"
    CANCELLED = "payment-cancelled"


class EntryError(StrEnum):
    """Why an entry was not taken."""

    TIMEOUT = "timeout"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    DOUBLED_KEY = "doubled-key"
    LUHN_FAILED = "luhn-failed"
    INVALID_CARD_TYPE = "invalid-card-type"
    MONTH_INVALID = "month-invalid"
    DATE_PAST = "date-past"
    INVALID_DATE = "invalid-date"
    INVALID_SECURITY_CODE = "invalid-security-code"
    REFERENCE_UNKNOWN = "reference-unknown"
    INPUT_MATCHING_FAILED = "input-matching-failed"
    NO_KEYPAD_TONES = "no-keypad-tones"
    CARD_DECLINED = "card-declined"
    INTERNAL_ERROR = "internal-error"


INTEGRATOR_ERROR: dict[EntryError, str] = {
    EntryError.TIMEOUT: "timeout",
    EntryError.TOO_SHORT: "invalid-card-number",
    EntryError.TOO_LONG: "invalid-card-number",
    EntryError.DOUBLED_KEY: "invalid-card-number",
    EntryError.LUHN_FAILED: "invalid-card-number",
    EntryError.INVALID_CARD_TYPE: "invalid-card-type",
    EntryError.MONTH_INVALID: "invalid-date",
    EntryError.DATE_PAST: "invalid-date",
    EntryError.INVALID_DATE: "invalid-date",
    EntryError.INVALID_SECURITY_CODE: "invalid-security-code",
    EntryError.REFERENCE_UNKNOWN: "input-matching-failed",
    EntryError.INPUT_MATCHING_FAILED: "input-matching-failed",
    EntryError.NO_KEYPAD_TONES: "timeout",
    EntryError.CARD_DECLINED: "card-declined",
    EntryError.INTERNAL_ERROR: "internal-error",
}
"""Each error in the words an integrator of `<Pay>` already handles.

A length error outside the card number is mapped by `integrator_error`, which knows the step.
"""


def integrator_error(step: Step, error: EntryError) -> str:
    """Return `error`, met at `step`, as one of Twilio's `errorType` values."""
    if error in (EntryError.TOO_SHORT, EntryError.TOO_LONG, EntryError.DOUBLED_KEY):
        if step is Step.EXPIRATION_DATE:
            return "invalid-date"
        if step is Step.SECURITY_CODE:
            return "invalid-security-code"
        if step is not Step.CARD_NUMBER:
            return "input-matching-failed"
    return INTEGRATOR_ERROR[error]


class Capture(StrEnum):
    """Where the entry of a field stands."""

    WAITING = "waiting"
    KEYING = "keying"
    COMPLETE = "complete"


class Result(StrEnum):
    """How a transaction ended."""

    SUCCESS = "success"
    ALREADY_PAID = "already-paid"
    PENDING = "pending"
    """The gateway's answer is not known yet; it is inquired about, never charged again."""
    CARD_DECLINED = "card-declined"
    TOO_MANY_FAILED_ATTEMPTS = "too-many-failed-attempts"
    PAYMENT_CONNECTOR_ERROR = "payment-connector-error"
    CALLER_HUNG_UP = "caller-hung-up"
    CALLER_DECLINED = "caller-declined"
    TRANSFERRED_TO_AGENT = "transferred-to-agent"
    INTERNAL_ERROR = "internal-error"


class EventType(StrEnum):
    """What happened; each event row has one."""

    CALL_STARTED = "call.started"
    CALL_ANSWERED = "call.answered"
    CALL_ENDED = "call.ended"
    TRANSACTION_CREATED = "transaction.created"
    TRANSACTION_IDENTIFIED = "transaction.identified"
    TRANSACTION_ENDED = "transaction.ended"
    STEP_ENTERED = "step.entered"
    PROMPT_PLAYED = "prompt.played"
    ENTRY_PROGRESS = "entry.progress"
    ENTRY_ACCEPTED = "entry.accepted"
    ENTRY_ERROR = "entry.error"
    PAYMENT_ATTEMPTED = "payment.attempted"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_DECLINED = "payment.declined"
    PAYMENT_NOT_CHARGED = "payment.not-charged"
    PAYMENT_UNKNOWN = "payment.unknown"


class AttemptState(StrEnum):
    """A payment attempt, from its commit before the gateway is called to its known end."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    NOT_CHARGED = "not-charged"
    """The gateway certainly charged nothing, and no issuer decided."""
    UNKNOWN = "unknown"
