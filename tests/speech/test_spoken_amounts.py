from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.speech.spoken import LANGUAGES, LARGEST_AMOUNT, all_fragments, speak_amount

UNITS = {
    "fr": ("euro", "euros", "centime", "centimes", " et "),
    "en": ("euro", "euros", "cent", "cents", " and "),
}
CENTS = (0, 1, 2, 10, 21, 50, 71, 80, 81, 99)

FRENCH = {
    1: "un centime",
    50: "cinquante centimes",
    80: "quatre-vingts centimes",
    100: "un euro",
    101: "un euro et un centime",
    110: "un euro et dix centimes",
    199: "un euro et quatre-vingt-dix-neuf centimes",
    200: "deux euros",
    2_100: "vingt et un euros",
    7_100: "soixante et onze euros",
    8_000: "quatre-vingts euros",
    8_100: "quatre-vingt-un euros",
    9_100: "quatre-vingt-onze euros",
    10_000: "cent euros",
    10_100: "cent un euros",
    18_000: "cent quatre-vingts euros",
    20_000: "deux cents euros",
    20_100: "deux cent un euros",
    28_080: "deux cent quatre-vingts euros et quatre-vingts centimes",
    100_000: "mille euros",
    100_050: "mille euros et cinquante centimes",
    100_100: "mille un euros",
    120_000: "mille deux cents euros",
    200_000: "deux mille euros",
    8_000_000: "quatre-vingt mille euros",
    8_000_080: "quatre-vingt mille euros et quatre-vingts centimes",
    2_100_000: "vingt et un mille euros",
    10_000_000: "cent mille euros",
    10_100_000: "cent un mille euros",
    10_100_100: "cent un mille un euros",
    20_000_000: "deux cent mille euros",
    20_020_000: "deux cent mille deux cents euros",
    28_000_000: "deux cent quatre-vingt mille euros",
    99_999_999: "neuf cent quatre-vingt-dix-neuf mille neuf cent quatre-vingt-dix-neuf euros"
    " et quatre-vingt-dix-neuf centimes",
}
ENGLISH = {
    1: "one cent",
    50: "fifty cents",
    100: "one euro",
    101: "one euro and one cent",
    200: "two euros",
    2_150: "twenty-one euros and fifty cents",
    10_000: "one hundred euros",
    10_100: "one hundred and one euros",
    23_450: "two hundred and thirty-four euros and fifty cents",
    100_000: "one thousand euros",
    100_100: "one thousand and one euros",
    110_000: "one thousand one hundred euros",
    123_400: "one thousand two hundred and thirty-four euros",
    1_000_501: "ten thousand and five euros and one cent",
    10_000_000: "one hundred thousand euros",
    10_000_500: "one hundred thousand and five euros",
    10_100_100: "one hundred and one thousand and one euros",
    99_999_999: "nine hundred and ninety-nine thousand nine hundred and ninety-nine euros"
    " and ninety-nine cents",
}


def said(amount: int, language: str) -> str:
    texts = all_fragments(language)
    return " ".join(texts[piece] for piece in speak_amount(amount, "EUR", language))


def written_out(amount: int, language: str) -> str:
    """The same amount from num2words for the whole number, and the two units."""
    one_euro, euros, one_cent, cents, and_ = UNITS[language]
    parts = []
    for number, one, many in (
        (amount // 100, one_euro, euros),
        (amount % 100, one_cent, cents),
    ):
        if number:
            words = num2words(number, lang=language).replace(",", "")
            parts.append(f"{words} {one if number == 1 else many}")
    return and_.join(parts)


@pytest.mark.parametrize(("amount", "words"), FRENCH.items())
def test_hard_amounts_in_french(amount: int, words: str) -> None:
    assert said(amount, "fr") == words


@pytest.mark.parametrize(("amount", "words"), ENGLISH.items())
def test_hard_amounts_in_english(amount: int, words: str) -> None:
    assert said(amount, "en") == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_amount_to_a_thousand_euros_reads_as_it_is_written(language: str) -> None:
    amounts = [100 * euros + cents for euros, cents in product(range(1001), CENTS)]
    wrong = {
        amount: said(amount, language)
        for amount in amounts[1:]
        if said(amount, language) != written_out(amount, language)
    }
    assert wrong == {}


@given(language=st.sampled_from(LANGUAGES), amount=st.integers(1, LARGEST_AMOUNT))
def test_any_amount_reads_as_it_is_written(language: str, amount: int) -> None:
    assert said(amount, language) == written_out(amount, language)


@given(language=st.sampled_from(LANGUAGES), amount=st.integers(1, LARGEST_AMOUNT))
def test_zero_is_never_said(language: str, amount: int) -> None:
    words = said(amount, language).replace("-", " ").split()
    assert not {"zéro", "zero"} & set(words)


@given(
    language=st.sampled_from(LANGUAGES),
    amount=st.integers(1, LARGEST_AMOUNT),
    final=st.booleans(),
)
def test_only_the_last_piece_closes_and_falls_when_it_ends_the_sentence(
    language: str, amount: int, final: bool
) -> None:
    *before, last = speak_amount(amount, "EUR", language, final=final)
    assert not [piece for piece in before if piece.endswith(".final")]
    assert len([piece for piece in before if piece.endswith(".continuing")]) == (
        1 if amount % 100 and amount >= 100 else 0
    )
    if amount % 100 == 0:
        assert last.endswith(".final" if final else ".continuing")
    else:
        assert last.startswith(("cents-", "and-cents-"))


@pytest.mark.parametrize(
    ("amount", "currency", "language", "why"),
    [
        (0, "EUR", "fr", "0.01 to 999,999.99"),
        (-1, "EUR", "fr", "0.01 to 999,999.99"),
        (100_000_000, "EUR", "fr", "0.01 to 999,999.99"),
        (100, "USD", "en", "EUR.*not in USD"),
        (100, "EUR", "de", "fr, en, not in 'de'"),
    ],
)
def test_what_cannot_be_spoken_is_refused(
    amount: int, currency: str, language: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        speak_amount(amount, currency, language)
