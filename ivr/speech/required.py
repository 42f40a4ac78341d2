"""The prompts that the journey says: each language has them all, or does not load."""

from ivr.vocabulary import EntryError, Step

_ASKED: dict[str, tuple[str, ...]] = {
    Step.WELCOME: ("greeting", "handed-over"),
    Step.REFERENCE: (
        "ask",
        EntryError.TIMEOUT,
        EntryError.TOO_SHORT,
        EntryError.TOO_LONG,
        EntryError.REFERENCE_UNKNOWN,
        EntryError.INPUT_MATCHING_FAILED,
    ),
    Step.AMOUNT: (
        "lead-in",
        "confirm",
        EntryError.TIMEOUT,
        EntryError.INPUT_MATCHING_FAILED,
        "already-paid",
        "in-progress",
    ),
    Step.READY: ("ask", EntryError.TIMEOUT),
    Step.CARD_NUMBER: (
        "ask",
        EntryError.TIMEOUT,
        EntryError.TOO_SHORT,
        EntryError.TOO_LONG,
        EntryError.DOUBLED_KEY,
        EntryError.LUHN_FAILED,
        EntryError.INVALID_CARD_TYPE,
        EntryError.NO_KEYPAD_TONES,
    ),
    Step.EXPIRATION_DATE: (
        "ask",
        EntryError.TIMEOUT,
        EntryError.TOO_SHORT,
        EntryError.TOO_LONG,
        EntryError.MONTH_INVALID,
        EntryError.DATE_PAST,
        EntryError.INVALID_DATE,
    ),
    Step.SECURITY_CODE: (
        "ask",
        "ask-amex",
        EntryError.TIMEOUT,
        EntryError.TOO_SHORT,
        EntryError.TOO_LONG,
        EntryError.INVALID_SECURITY_CODE,
    ),
    "brand": (
        "visa",
        "mastercard",
        "amex",
        "cartes-bancaires",
        "maestro",
        "diners",
        "discover",
        "jcb",
        "unionpay",
        "other",
    ),
    Step.CONFIRM: (
        "lead",
        "with",
        "ask",
        EntryError.TIMEOUT,
        EntryError.INPUT_MATCHING_FAILED,
    ),
    Step.PROCESSING: ("wait", "still-waiting"),
    Step.COMPLETED: ("thanks", "good-bye"),
    Step.FAILED: (
        "same-card-again",
        "try-once-more",
        "other-card",
        "other-card-or-link",
        "stop",
        "retry",
        EntryError.TIMEOUT,
        EntryError.INPUT_MATCHING_FAILED,
        "unknown",
        "not-charged",
        "ledger-unavailable",
        "too-many-attempts",
        "already-paid",
    ),
    Step.CANCELLED: ("stopped",),
    Step.AGENT: (
        "coming",
        "still-coming",
        "unavailable",
        "left",
        EntryError.TIMEOUT,
        EntryError.INPUT_MATCHING_FAILED,
        "resumed",
        "next",
        "paid",
        "nothing-charged",
        "result-unknown",
        "already-paid",
        "not-now",
        "good-bye",
        "shielded",
        "not-shielded",
        "calling",
        "debtor-busy",
        "debtor-unreached",
    ),
    "help": ("agent-unavailable",),
    "service": ("unavailable",),
    "any": (
        EntryError.TIMEOUT,
        EntryError.TOO_SHORT,
        EntryError.TOO_LONG,
        EntryError.DOUBLED_KEY,
        EntryError.NO_KEYPAD_TONES,
        EntryError.INPUT_MATCHING_FAILED,
        EntryError.INTERNAL_ERROR,
    ),
}

ANY_STEP = "any"
"""The step of prompts that serve where a step has none of its own."""


def required_ids() -> tuple[str, ...]:
    """Return each id `step.moment` that a language must have, in the order of a call."""
    return tuple(
        f"{step!s}.{moment!s}" for step, moments in _ASKED.items() for moment in moments
    )
