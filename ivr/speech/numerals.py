"""English numbers as numerals, for a synthesiser that reads those better.

Pico takes a breath before "and" in "two thousand and twenty", and none in "2020", which it
reads with the same words.
"""

import re

from num2words import num2words

_VALUES = {str(num2words(number, lang="en")): number for number in range(100)}
_SMALL = "|".join(sorted(_VALUES, key=len, reverse=True))
_NUMBER = re.compile(
    rf"\b(?:{_SMALL})(?: hundred)?(?: thousand)?(?:(?: and)? (?:{_SMALL}|hundred|thousand))+\b"
)


def with_numerals(text: str) -> str:
    """Return `text` with each number said with an "and" in numerals."""
    return _NUMBER.sub(lambda found: _numeral(found[0]), text)


def _numeral(words: str) -> str:
    if " and " not in words:
        return words
    whole = current = 0
    for word in words.replace(" and ", " ").split():
        if word == "hundred":
            current *= 100
        elif word == "thousand":
            whole, current = whole + current * 1000, 0
        else:
            current += _VALUES[word]
    return str(whole + current)
