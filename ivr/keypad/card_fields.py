"""The three fields of a card, and how a mistyped one is told apart."""

from collections.abc import Callable
from datetime import date

from ivr.keypad.digits import Digits
from ivr.keypad.field import Field, Progress, Timeouts
from ivr.vocabulary import EntryError, Step
from payment_gateway.brands import Brand, identify, luhn_valid

DOUBLED_CLOSER_THAN = 0.090
"""Seconds between two presses of one key under which a finger, or a gateway, bounced."""

_LONGEST_NUMBER = 19  # ISO/IEC 7812-1
_ROOM_FOR_BOUNCES = 5  # a number with doubled keys is heard out, then diagnosed
_YEARS_AHEAD = 20


def card_number(timeouts: Timeouts) -> Field:
    """Return the field of the card number."""
    return Field(
        step=Step.CARD_NUMBER,
        max_length=_LONGEST_NUMBER + _ROOM_FOR_BOUNCES,
        timeouts=timeouts,
        diagnose=_diagnose_number,
        complete=_number_complete,
        erase_group=4,
        progress=_number_progress,
    )


def expiration_date(timeouts: Timeouts, today: Callable[[], date]) -> Field:
    """Return the field of the expiry: MMYY, or MMYYYY from who writes it in full."""

    def diagnose(digits: Digits) -> EntryError | None:
        return _diagnose_expiry(digits, today())

    return Field(
        step=Step.EXPIRATION_DATE,
        max_length=8,
        timeouts=timeouts,
        diagnose=diagnose,
        complete=lambda digits: len(digits) in (4, 6) and diagnose(digits) is None,
    )


def security_code(timeouts: Timeouts, length: int) -> Field:
    """Return the field of the security code: `length` is the brand's, 3 or 4."""

    def diagnose(digits: Digits) -> EntryError | None:
        if len(digits) < length:
            return EntryError.TOO_SHORT
        return EntryError.TOO_LONG if len(digits) > length else None

    return Field(
        step=Step.SECURITY_CODE,
        max_length=length + 2,
        timeouts=timeouts,
        diagnose=diagnose,
        complete=lambda digits: len(digits) == length,
    )


def _number_progress(digits: Digits) -> Progress:
    number = digits.peek()
    brand = identify(number)
    whole = brand is not None and len(number) in brand.lengths
    return Progress(
        digits=len(number),
        brand=brand.name if brand else None,
        luhn=luhn_valid(number) if whole else None,
    )


def _number_complete(digits: Digits) -> bool:
    number = digits.peek()
    brand = identify(number)
    return (
        brand is not None
        and len(number) == brand.usual_length
        and luhn_valid(number)
        # A bounce is quicker than the caller's other keys; a dialler is quick throughout.
        and not digits.doubled(min(DOUBLED_CLOSER_THAN, digits.usual_gap() / 2))
    )


def _diagnose_number(digits: Digits) -> EntryError | None:
    number = digits.peek()
    brand = identify(number)
    if brand is not None and len(number) in brand.lengths and luhn_valid(number):
        return None
    if _right_without_a_bounce(digits, number):
        return EntryError.DOUBLED_KEY
    return _diagnose_length(brand, number)


def _diagnose_length(brand: Brand | None, number: bytes) -> EntryError:
    if brand is None:
        # Too little to know the brand is a short entry, not a wrong card.
        return EntryError.TOO_SHORT if len(number) < 12 else EntryError.INVALID_CARD_TYPE
    if len(number) in brand.lengths:
        return EntryError.LUHN_FAILED
    usual = brand.usual_length or brand.lengths[0]
    return EntryError.TOO_SHORT if len(number) < usual else EntryError.TOO_LONG


def _right_without_a_bounce(digits: Digits, number: bytes) -> bool:
    for i in digits.doubled(DOUBLED_CLOSER_THAN):
        shorter = number[:i] + number[i + 1 :]
        brand = identify(shorter)
        if brand is not None and len(shorter) in brand.lengths and luhn_valid(shorter):
            return True
    return False


def _diagnose_expiry(digits: Digits, today: date) -> EntryError | None:
    text = digits.peek()
    if len(text) < 4:
        return EntryError.TOO_SHORT
    month, year = int(text[:2]), int(text[2:])
    if len(text) == 4:
        year += 2000
    elif len(text) != 6:
        return EntryError.TOO_LONG
    if not 1 <= month <= 12:
        return EntryError.MONTH_INVALID
    if (year, month) < (today.year, today.month):
        return EntryError.DATE_PAST
    return EntryError.INVALID_DATE if year > today.year + _YEARS_AHEAD else None
