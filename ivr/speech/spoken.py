"""Amounts, digits and dates as the fragments that say them.

A fragment's id names its text in `all_fragments` and its audio file. The set is closed:
whatever these functions return is in it.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache

from num2words import num2words

from ivr.speech import numbers_en, numbers_fr
from ivr.speech.dates import date_fragments, date_ids
from ivr.speech.fragments import Fragment, Manner, closing

LARGEST_AMOUNT = 99_999_999
"""In cents: 999,999.99."""

LANGUAGES = ("fr", "en")


def speak_amount(amount: int, currency: str, language: str, *, final: bool = True) -> list[str]:
    """Return the fragments of `amount` minor units, 1 to `LARGEST_AMOUNT`.

    `final`: the amount closes the sentence; otherwise more follows it. Raise `ValueError`
    for another currency than EUR, an amount out of range, a language not spoken.
    """
    if currency != "EUR":
        raise ValueError(f"only amounts in EUR are spoken, not in {currency}")
    if not 1 <= amount <= LARGEST_AMOUNT:
        raise ValueError(f"amounts from 0.01 to 999,999.99 are spoken, not {amount} cents")
    euros, cents = divmod(amount, 100)
    if _checked(language) == "fr":
        return numbers_fr.amount(euros, cents, final=final)
    return numbers_en.amount(euros, cents, final=final)


def speak_digits(digits: str) -> list[str]:
    """Return the fragments of `digits`, one by one: the last four of a card, a reference.

    Raise `ValueError` for anything but ASCII digits, without repeating it.
    """
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("only digits are spoken one by one")
    return [
        *(f"digit-{digit}.{Manner.CONTINUING}" for digit in digits[:-1]),
        f"digit-{digits[-1]}.{Manner.FINAL}",
    ]


def speak_date(day: date) -> list[str]:
    """Return the fragments of `day`. Raise `ValueError` outside the years that are spoken."""
    return date_ids(day)


def all_fragments(language: str) -> dict[str, str]:
    """Return the text of each fragment of `language`, by id."""
    return {fragment.id: fragment.text for fragment in fragments(language)}


@cache
def fragments(language: str) -> tuple[Fragment, ...]:
    """Return each fragment of `language`. Raise `ValueError` for one not spoken."""
    numbers = numbers_fr if _checked(language) == "fr" else numbers_en
    return (
        *numbers.amount_fragments(),
        *_digit_fragments(language),
        *date_fragments(language),
    )


def _digit_fragments(language: str) -> Iterator[Fragment]:
    for digit in range(10):
        yield from closing(f"digit-{digit}", str(num2words(digit, lang=language)))


def _checked(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"numbers are spoken in {', '.join(LANGUAGES)}, not in {language!r}")
    return language
