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
    AGENT = "agent"
    """With an agent, or waiting for one."""


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
    CANCELLED_BY_AGENT = "cancelled-by-agent"
    EXPIRED = "expired"
    """It was prepared, and no call came for it in time."""
    INTERNAL_ERROR = "internal-error"


class EventType(StrEnum):
    """What happened; each event row has one."""

    CALL_STARTED = "call.started"
    CALL_ANSWERED = "call.answered"
    CALL_QUALITY = "call.quality"
    CALL_ENDED = "call.ended"
    TRUNK_UP = "trunk.up"
    TRUNK_DOWN = "trunk.down"
    TRUNK_REGISTERED = "trunk.registered"
    TRUNK_UNREGISTERED = "trunk.unregistered"
    TRANSACTION_CREATED = "transaction.created"
    TRANSACTION_TRANSFERRED = "transaction.transferred"
    TRANSACTION_IDENTIFIED = "transaction.identified"
    TRANSACTION_ENDED = "transaction.ended"
    STEP_ENTERED = "step.entered"
    PROMPT_PLAYED = "prompt.played"
    ENTRY_PROGRESS = "entry.progress"
    ENTRY_ACCEPTED = "entry.accepted"
    ENTRY_ERROR = "entry.error"
    AGENT_WANTED = "agent.wanted"
    AGENT_RINGING = "agent.ringing"
    AGENT_CONNECTED = "agent.connected"
    AGENT_UNAVAILABLE = "agent.unavailable"
    AGENT_LEFT = "agent.left"
    JOURNEY_RESUMED = "journey.resumed"
    CAPTURE_STARTED = "capture.started"
    CAPTURE_STOPPED = "capture.stopped"
    SHIELD_PROVED = "shield.proved"
    SHIELD_UNPROVED = "shield.unproved"
    COMMAND_ENDED = "command.ended"
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


class CommandType(StrEnum):
    """What an agent, or a program, asks of a live call."""

    TAKE_BACK = "take-back"
    HAND_OVER = "hand-over"
    """Let the journey go on where it was, after `take-back`."""
    CANCEL = "cancel"
    START_CAPTURE = "start-capture"
    """Ask for the card while the agent stays on the line."""
    CAPTURE = "capture"
    """Ask for one field, or for it again: `field` of its data is its step."""
    COMPLETE = "complete"
    """Charge what was captured while the agent stayed on the line."""
    CALL = "call"
    """Call the agent, then the debtor."""


class CommandOutcome(StrEnum):
    """What came of a command."""

    DONE = "done"
    CALL_ENDED = "call-ended"
    ALREADY = "already"
    """Somebody else has asked for it, and it is so."""
    NOT_NOW = "not-now"
    """It means nothing where the call is now."""
    AFTER_PAYMENT = "after-payment"
    """The gateway is being asked; it is done as soon as that has ended."""
    AGENT_UNAVAILABLE = "agent-unavailable"
    SHIELD_UNPROVED = "shield-unproved"
    """The agent might hear a key: nothing is captured with them on the line."""
    EXPIRED = "expired"
    """No node has taken it in time."""
    INTERNAL_ERROR = "internal-error"


class Refusal(StrEnum):
    """Why the API refused what an agent's page asked: `code` of the problem."""

    WRONG_FIELDS = "wrong-fields"
    """`errors` names them."""
    DEBT_UNKNOWN = "debt-unknown"
    """And without an amount and a currency none can be made."""
    OTHER_CURRENCY = "other-currency"
    PAYMENT_UNDECIDED = "payment-undecided"
    NOTHING_OWED = "nothing-owed"
    MORE_THAN_OWED = "more-than-owed"
    NONE_FREE = "none-free"
    """No reference, or no code to transfer to."""
    NO_PHONE = "no-phone"
    """The agent's phone is not known."""
    NOT_WAITING = "not-waiting"
    """A call has come for what was prepared, or it has ended."""
    NO_TRANSACTION = "no-transaction"
    """Nor one of somebody else's."""
    NOT_ALLOWED = "not-allowed"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    INTERNAL_ERROR = "internal-error"
