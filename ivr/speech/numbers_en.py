"""Amounts in British English euros: "two hundred and thirty-four euros and fifty cents"."""

from collections.abc import Iterator

from num2words import num2words

from ivr.speech.euros import spoken_euros
from ivr.speech.fragments import Fragment, Manner, closing


def amount_fragments() -> Iterator[Fragment]:
    """Yield each fragment that `amount` can name."""
    for hundreds in range(1, 10):
        hundred = _words(hundreds * 100)
        yield Fragment(f"hundreds-{hundreds}", f"{hundred} and", Manner.JOINED)
        yield from _thousand(f"hundred-thousands-{hundreds}", f"{hundred} thousand")
        yield from closing(f"euros-{hundreds}00", f"{hundred} euros")
    for thousands in range(1, 100):
        yield from _thousand(f"thousands-{thousands}", f"{_words(thousands)} thousand")
    yield from closing("euros", "euros")
    yield from closing("euros-1-of-many", "one euros")
    for number in range(1, 100):
        yield from closing(f"euros-{number}", f"{_words(number)} euro{_plural(number)}")
        cents = f"{_words(number)} cent{_plural(number)}"
        yield Fragment(f"and-cents-{number}", f"and {cents}", Manner.ENDING)
        yield Fragment(f"cents-{number}", cents, Manner.FINAL)


def amount(euros: int, cents: int, *, final: bool) -> list[str]:
    """Return the fragments of an amount from 0.01 to 999,999.99."""
    return spoken_euros(euros, cents, final=final, thousands=_thousands)


def _thousands(thousands: int, rest: int) -> list[str]:
    suffix = "-and" if 0 < rest < 100 else ""
    hundreds, units = divmod(thousands, 100)
    if not units:
        return [f"hundred-thousands-{hundreds}{suffix}"]
    return [*([f"hundreds-{hundreds}"] if hundreds else []), f"thousands-{units}{suffix}"]


def _thousand(name: str, text: str) -> tuple[Fragment, Fragment]:
    """Return the two ways a thousand goes on: "one thousand two hundred", "… and five"."""
    return (
        Fragment(name, text, Manner.JOINED),
        Fragment(f"{name}-and", f"{text} and", Manner.JOINED),
    )


def _words(number: int) -> str:
    return str(num2words(number, lang="en"))


def _plural(number: int) -> str:
    return "" if number == 1 else "s"
