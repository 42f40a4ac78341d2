"""Numbers in words as numerals, for a synthesiser that reads those better.

The words that Pico says are the same, but in French it runs through "72" and stumbles in
"soixante-douze"; in English it breathes before "and" in "two hundred and twenty", not in
"220", and says "ninety-two" better than "92".
"""

import re
from functools import cache

from num2words import num2words

_HUNDREDS = {"cent", "cents", "hundred"}
_THOUSANDS = {"mille", "thousand"}


def with_numerals(text: str, language: str, smallest: int) -> str:
    """Return `text` with its numbers from `smallest` to 999,999 in numerals.

    A small number may be an article ("un", "one"). Words that are no whole
    number as it is written ("two thousand twenty") stay.
    """
    return _numbers(language).sub(lambda found: _numeral(found[0], language, smallest), text)


def _numeral(words: str, language: str, smallest: int) -> str:
    whole = current = 0
    for word in _tokens(language).findall(words):
        if word in _HUNDREDS:
            current = max(current, 1) * 100
        elif word in _THOUSANDS:
            whole, current = max(current, 1) * 1000, 0
        else:
            current += _below_hundred(language)[word]
    number = whole + current
    if number < smallest or _words(number, language) != words:
        return words
    return str(number)


@cache
def _below_hundred(language: str) -> dict[str, int]:
    # "quatre-vingt" is eighty where a thousand follows.
    written = {"quatre-vingt": 80} if language == "fr" else {}
    return written | {_words(number, language): number for number in range(1, 100)}


@cache
def _tokens(language: str) -> re.Pattern[str]:
    words = {*_below_hundred(language), *_HUNDREDS, *_THOUSANDS}
    return re.compile("|".join(sorted(words, key=len, reverse=True)))


@cache
def _numbers(language: str) -> re.Pattern[str]:
    token = rf"(?:{_tokens(language).pattern})(?![\w-])"
    glue = "(?: and)? " if language == "en" else " "
    return re.compile(rf"(?<![\w-]){token}(?:{glue}{token})*")


def _words(number: int, language: str) -> str:
    return str(num2words(number, lang=language)).replace(",", "")
