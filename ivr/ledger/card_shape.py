"""Whether a text may hold a card number. Used to keep one out, never to read one."""

import re

RUN = re.compile(r"\d(?:[^\dA-Za-z]{0,2}\d){12,}")
"""Digits in a row with at most two signs between each, enough for a card number."""
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
SHORTEST, LONGEST = 13, 19


def holds_card_number(text: str) -> bool:
    """Return whether 13 to 19 digits in a row, spaced or not, pass the Luhn check.

    Every stretch of a longer run is looked at, since a card may hide at any offset.
    """
    for run in RUN.finditer(text):
        digits = [int(sign) for sign in run.group() if sign.isdecimal()]
        for start in range(len(digits) - SHORTEST + 1):
            for end in range(start + SHORTEST, min(start + LONGEST, len(digits)) + 1):
                if _luhn(digits[start:end]):
                    return True
    return False


def _luhn(digits: list[int]) -> bool:
    single, doubled = digits[-1::-2], digits[-2::-2]
    return (sum(single) + sum(_DOUBLED[digit] for digit in doubled)) % 10 == 0
