"""What an event may say beside its type and time.

No field can hold a digit of a card before the gateway has answered, nor an expiry date or
a security code ever: words are words of a list or of a pattern, counts are small, money
is shorter than a card number. A refusal never repeats what it refuses.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ivr.ledger.card_shape import holds_card_number
from ivr.vocabulary import Capture, CommandOutcome, CommandType, EntryError, Result

KNOWN_BRANDS: Final = frozenset(
    {
        "amex", "cartes-bancaires", "diners", "discover", "jcb", "maestro", "mastercard",
        "unionpay", "visa", "unknown",
    }
)  # fmt: skip
LARGEST_AMOUNT: Final = 10**12 - 1
"""In minor units; one digit less than the shortest card number."""
MASKED_EXPIRY: Final = "**/**"


class Direction(StrEnum):
    """Who called whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


def telephone(number: str) -> str:
    """Return a caller's or called number as it may be kept.

    It comes from the network and may be any text: 64 printable ASCII characters are kept,
    and of what looks like a card number only the first four.
    """
    kept = "".join(sign if " " <= sign <= "~" else "?" for sign in number)
    return f"{kept[:4]}…" if holds_card_number(kept) else kept[:64]


def _one_of(words: type[StrEnum]) -> Callable[[object], bool]:
    return lambda value: type(value) is words


def _count(most: int) -> Callable[[object], bool]:
    # A bool is an int to isinstance.
    return lambda value: type(value) is int and 0 <= value <= most


def _number(value: object) -> bool:
    return type(value) in (int, float)


def _text(pattern: str, digits: int | None = None) -> Callable[[object], bool]:
    form = re.compile(pattern)

    def right(value: object) -> bool:
        return (
            type(value) is str
            and form.fullmatch(value) is not None
            and (digits is None or sum(sign.isdigit() for sign in value) <= digits)
        )

    return right


def _outside(pattern: str) -> Callable[[object], bool]:
    form = _text(pattern)
    return lambda value: form(value) and not holds_card_number(str(value))


_WORD = _text(r"[a-z][a-z0-9-]{0,39}", digits=3)
_CHECKS: Final[tuple[tuple[str, Callable[[object], bool]], ...]] = (
    ("error", _one_of(EntryError)),
    ("attempt", _count(99)),
    ("digits", _count(99)),
    ("brand", lambda value: type(value) is str and value in KNOWN_BRANDS),
    ("luhn", lambda value: type(value) is bool),
    ("capture", _one_of(Capture)),
    ("silence", _number),
    ("prompt", _text(r"[a-z](?:[a-z.-]|[0-9]{1,3}(?![0-9])){0,99}", digits=6)),
    ("prompt_version", _count(999)),
    ("result", _one_of(Result)),
    ("amount", _count(LARGEST_AMOUNT)),
    ("currency", _text(r"[A-Z]{3}")),
    ("last4", _text(r"[0-9]{4}")),
    ("expiry_masked", lambda value: value == MASKED_EXPIRY and type(value) is str),
    ("reference", _outside(r"[!-~]{1,255}")),
    ("code", _WORD),
    ("advice", _WORD),
    ("reason", _WORD),
    ("direction", _one_of(Direction)),
    ("caller", _outside(r"[ -~]{0,64}|[ -~]{1,4}…")),
    ("called", _outside(r"[ -~]{0,64}|[ -~]{1,4}…")),
    ("debt_id", _outside(r"[A-Za-z0-9_-]{1,40}")),
    ("trunk", _text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", digits=12)),
    ("loss", _number),
    ("peer_loss", _number),
    ("jitter", _number),
    ("round_trip", _number),
    ("agent", _outside(r"[A-Za-z0-9_-]{1,40}")),
    ("command", _one_of(CommandType)),
    ("outcome", _one_of(CommandOutcome)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetail:
    """The rest of an event. What is None is not written.

    Raise `ValueError` naming the field that is not right.
    """

    error: EntryError | None = None
    attempt: int | None = None
    """Which try at this field, from 1."""
    digits: int | None = None
    """How many have been keyed so far; never which."""
    brand: str | None = None
    """One of `KNOWN_BRANDS`."""
    luhn: bool | None = None
    capture: Capture | None = None
    silence: float | None = None
    """Seconds, rounded to tenths and kept within an hour."""
    prompt: str | None = None
    """A prompt's name: small letters, dots, hyphens, at most 3 digits in a row and 6 in all."""
    prompt_version: int | None = None
    result: Result | None = None
    amount: int | None = None
    """Minor units of `currency`."""
    currency: str | None = None
    last4: str | None = None
    """Only on the events of a payment's end; `Event` sees to it."""
    expiry_masked: str | None = None
    reference: str | None = None
    """The gateway's own; see `safe_reference`."""
    code: str | None = None
    advice: str | None = None
    reason: str | None = None
    """Why a call ended: a word with hyphens."""
    direction: Direction | None = None
    caller: str | None = None
    """As `telephone` returns it; so is `called`."""
    called: str | None = None
    debt_id: str | None = None
    trunk: str | None = None
    """Its name in the settings."""
    loss: float | None = None
    """Share of the other side's packets that did not come; `peer_loss` of ours. 0 to 1."""
    peer_loss: float | None = None
    jitter: float | None = None
    """Seconds, rounded to milliseconds and kept within a minute; so is `round_trip`."""
    round_trip: float | None = None
    agent: str | None = None
    """The user whose phone it is."""
    command: CommandType | None = None
    outcome: CommandOutcome | None = None

    def __post_init__(self) -> None:
        for name, right in _CHECKS:
            value = getattr(self, name)
            if value is not None and not right(value):
                raise ValueError(f"an event's {name} is not of its form")
        for name, (most, places) in _ROUNDED.items():
            number = getattr(self, name)
            if number is not None:
                # A fraction has room for a card number.
                kept = min(max(number, 0.0), most) if math.isfinite(number) else 0.0
                object.__setattr__(self, name, round(kept, places))

    def data(self) -> dict[str, str | int | float | bool]:
        """Return what is known, by name, ready for JSON."""
        found: dict[str, str | int | float | bool] = {}
        for name, _ in _CHECKS:
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        return found


def safe_reference(reference: str | None) -> str | None:
    """Return a gateway's reference, or None for one that an event would refuse."""
    return None if reference is None or not _REFERENCE(str(reference)) else str(reference)


def safe_word(word: str | None) -> str | None:
    """Return a gateway's code or advice, or None for one that an event would refuse."""
    return None if word is None or not _WORD(str(word)) else str(word)


def safe_brand(brand: str | None) -> str | None:
    """Return a brand's name, `unknown` for one that is not of the list."""
    if brand is None:
        return None
    return str(brand) if brand in KNOWN_BRANDS else "unknown"


def safe_last4(last4: str | None) -> str | None:
    """Return the last four digits, or None when they are not four digits."""
    return last4 if last4 is not None and _LAST4(last4) else None


_ROUNDED: Final = {
    "silence": (3600.0, 1),
    "loss": (1.0, 3),
    "peer_loss": (1.0, 3),
    "jitter": (60.0, 3),
    "round_trip": (60.0, 3),
}
"""The largest value of each number that has a fraction, and its decimal places."""
_REFERENCE, _LAST4 = (dict(_CHECKS)[name] for name in ("reference", "last4"))
