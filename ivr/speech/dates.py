"""Dates: one clip for each day of the year, one for each year."""

from collections.abc import Iterator
from datetime import date, timedelta

from babel.dates import get_month_names
from num2words import num2words

from ivr.speech.fragments import Fragment, Manner

FIRST_YEAR, LAST_YEAR = 2015, 2050
_LEAP_YEAR = 2024


def date_fragments(language: str) -> Iterator[Fragment]:
    """Yield the 366 days and the years of `language`."""
    months = get_month_names("wide", locale=language)
    day = date(_LEAP_YEAR, 1, 1)
    while day.year == _LEAP_YEAR:
        text = _day_fr(day.day) if language == "fr" else _day_en(day.day)
        yield Fragment(f"day-{day:%m-%d}", f"{text} {months[day.month]}", Manner.CONTINUING)
        day += timedelta(days=1)
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        text = str(num2words(year, lang=language, to="year"))
        yield Fragment(f"year-{year}", text, Manner.FINAL)


def date_ids(day: date) -> list[str]:
    """Return the fragments of `day`, the same in each language."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(
            f"dates are spoken from {FIRST_YEAR} to {LAST_YEAR}, not in {day.year}"
        )
    return [f"day-{day:%m-%d}", f"year-{day.year}"]


def _day_fr(day: int) -> str:
    return "le premier" if day == 1 else f"le {num2words(day, lang='fr')}"


def _day_en(day: int) -> str:
    return f"the {num2words(day, lang='en', to='ordinal')} of"
