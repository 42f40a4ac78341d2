import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.speech.numerals import with_numerals
from ivr.speech.spoken import LANGUAGES


@given(language=st.sampled_from(LANGUAGES), number=st.integers(20, 999_999))
def test_a_number_becomes_its_numeral(language: str, number: int) -> None:
    words = num2words(number, lang=language).replace(",", "")
    assert with_numerals(f"Ici. {words} euros, et", language, 20) == f"Ici. {number} euros, et"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "To confirm, press one. To correct the card, press two."),
        ("en", "and ten cents."),
        ("en", "two thousand twenty."),
        ("en", "Thank you, and goodbye."),
        ("en", "two digits for the month, and two digits for the year."),
        ("fr", "Pour régler, appuyez sur un. Il manque un ou plusieurs chiffres."),
        ("fr", "un mille trois."),
        ("fr", "deux centimes, dix-neuf euros, les trois quatre, des centaines."),
    ],
)
def test_all_else_is_left_as_it_is(language: str, text: str) -> None:
    assert with_numerals(text, language, 20) == text


def test_numbers_within_a_sentence() -> None:
    assert with_numerals("le vingt et un mai, soixante et onze euros.", "fr", 20) == (
        "le 21 mai, 71 euros."
    )
    assert with_numerals("quatre-vingt mille trois. cent mille. deux cents", "fr", 20) == (
        "80003. 100000. 200"
    )
    assert with_numerals("Here. nine hundred and ninety-nine thousand euros.", "en", 20) == (
        "Here. 999000 euros."
    )


def test_smaller_numbers_stay_words() -> None:
    text = "ninety-nine euros. one hundred and one euros."
    assert with_numerals(text, "en", 100) == "ninety-nine euros. 101 euros."
