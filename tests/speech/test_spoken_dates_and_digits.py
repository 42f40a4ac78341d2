from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech.dates import FIRST_YEAR, LAST_YEAR
from ivr.speech.spoken import LANGUAGES, all_fragments, fragments, speak_date, speak_digits


def said(pieces: list[str], language: str) -> str:
    texts = all_fragments(language)
    return " ".join(texts[piece] for piece in pieces)


def test_digits_are_said_one_by_one_and_the_last_one_falls() -> None:
    assert speak_digits("4042") == [
        "digit-4.continuing",
        "digit-0.continuing",
        "digit-4.continuing",
        "digit-2.final",
    ]
    assert said(speak_digits("4042"), "fr") == "quatre zéro quatre deux"
    assert said(speak_digits("4042"), "en") == "four zero four two"


@pytest.mark.parametrize("refused", ["", "12a4", "1234 ", "١٢٣", "²"])
def test_anything_else_is_refused_without_being_repeated(refused: str) -> None:
    with pytest.raises(ValueError, match="only digits are spoken one by one") as raised:
        speak_digits(refused)
    assert not refused or refused not in str(raised.value)


@pytest.mark.parametrize(
    ("day", "french", "english"),
    [
        (
            date(2026, 1, 1),
            "le premier janvier deux mille vingt-six",
            "the first of January twenty twenty-six",
        ),
        (
            date(2024, 2, 29),
            "le vingt-neuf février deux mille vingt-quatre",
            "the twenty-ninth of February twenty twenty-four",
        ),
        (
            date(2031, 8, 21),
            "le vingt et un août deux mille trente et un",
            "the twenty-first of August twenty thirty-one",
        ),
    ],
)
def test_dates(day: date, french: str, english: str) -> None:
    assert said(speak_date(day), "fr") == french
    assert said(speak_date(day), "en") == english


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_day_of_every_year_has_its_clips(language: str) -> None:
    texts = all_fragments(language)
    day, last = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
    while day <= last:
        assert set(speak_date(day)) <= texts.keys()
        day += timedelta(days=1)


@pytest.mark.parametrize("year", [FIRST_YEAR - 1, LAST_YEAR + 1])
def test_a_year_without_a_clip_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match=f"not in {year}"):
        speak_date(date(year, 6, 1))


@given(st.text("0123456789", min_size=1))
def test_any_digits_have_their_clips(digits: str) -> None:
    assert set(speak_digits(digits)) <= all_fragments("fr").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_fragment_has_one_text(language: str) -> None:
    assert len(fragments(language)) == len(all_fragments(language))
    assert all(text.strip() for text in all_fragments(language).values())
