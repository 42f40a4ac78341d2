"""Amounts in French euros.

The unit is part of the number's fragment, because the last consonant depends on the next
word: deux‿euros, deux centimes. "deux cents euros" but "deux cent un euros", "quatre-vingts
euros" but "quatre-vingt-un" and "quatre-vingt mille": the number words are num2words'.
"""

from collections.abc import Iterator

from num2words import num2words

from ivr.speech.euros import spoken_euros
from ivr.speech.fragments import Fragment, Manner, closing


def amount_fragments() -> Iterator[Fragment]:
    """Yield each fragment that `amount` can name."""
    for hundreds in range(1, 10):
        yield Fragment(f"hundreds-{hundreds}", _hundred(hundreds), Manner.JOINED)
        yield Fragment(
            f"hundred-thousands-{hundreds}", _words(hundreds * 100_000), Manner.JOINED
        )
        yield from closing(f"euros-{hundreds}00", f"{_words(hundreds * 100)} euros")
    for thousands in range(1, 100):
        yield Fragment(f"thousands-{thousands}", _words(thousands * 1000), Manner.JOINED)
    yield Fragment("thousands-1-after-hundreds", "un mille", Manner.JOINED)
    yield from closing("euros", "euros")
    yield from closing("euros-1-of-many", "un euros")
    for number in range(1, 100):
        yield from closing(f"euros-{number}", f"{_words(number)} euro{_plural(number)}")
        cents = f"{_words(number)} centime{_plural(number)}"
        yield Fragment(f"and-cents-{number}", f"et {cents}", Manner.ENDING)
        yield Fragment(f"cents-{number}", cents, Manner.FINAL)


def amount(euros: int, cents: int, *, final: bool) -> list[str]:
    """Return the fragments of an amount from 0.01 to 999,999.99."""
    return spoken_euros(euros, cents, final=final, thousands=_thousands)


def _thousands(thousands: int, _rest: int) -> list[str]:
    hundreds, units = divmod(thousands, 100)
    if not units:
        return [f"hundred-thousands-{hundreds}"]
    if not hundreds:
        return [f"thousands-{units}"]
    return [
        f"hundreds-{hundreds}",
        "thousands-1-after-hundreds" if units == 1 else f"thousands-{units}",
    ]


def _hundred(hundreds: int) -> str:
    return "cent" if hundreds == 1 else f"{_words(hundreds)} cent"


def _words(number: int) -> str:
    return str(num2words(number, lang="fr"))


def _plural(number: int) -> str:
    return "" if number == 1 else "s"
