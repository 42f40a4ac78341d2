import copy
import pickle
import traceback
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_gateway.card import Card, CardClearedError

NUMBER, EXPIRY, CODE = b"4242424242424242", b"0730", b"918"


def buffers() -> tuple[bytearray, bytearray, bytearray]:
    return bytearray(NUMBER), bytearray(EXPIRY), bytearray(CODE)


def test_the_details_are_read_as_an_adapter_needs_them() -> None:
    with Card(*buffers()) as card:
        assert card.number_text() == "4242424242424242"
        assert (card.expiry_month, card.expiry_year) == (7, 2030)
        assert card.security_code_text() == "918"
        assert not card.cleared


@pytest.mark.parametrize(
    ("expiry", "year"), [(b"0100", 2000), (b"1249", 2049), (b"0150", 1950), (b"0199", 1999)]
)
def test_the_century_follows_emvs_pivot(expiry: bytes, year: int) -> None:
    number, _, code = buffers()
    assert Card(number, bytearray(expiry), code).expiry_year == year


def test_clearing_zeroes_the_very_buffers_that_were_given() -> None:
    given_buffers = buffers()
    card = Card(*given_buffers)
    card.clear()
    card.clear()
    assert card.cleared
    assert given_buffers == (bytearray(16), bytearray(4), bytearray(3))


def test_leaving_the_context_clears_even_by_an_exception() -> None:
    given_buffers = buffers()
    with pytest.raises(LookupError), Card(*given_buffers):
        raise LookupError
    assert not any(any(kept) for kept in given_buffers)


def test_a_cleared_card_tells_nothing() -> None:
    card = Card(*buffers())
    card.clear()
    for ask in (
        card.number_text,
        card.security_code_text,
        lambda: card.expiry_month,
        lambda: card.expiry_year,
    ):
        with pytest.raises(CardClearedError):
            ask()


@dataclass
class Holder:
    card: Card


def test_no_text_form_shows_a_digit() -> None:
    card = Card(*buffers())
    texts = [repr(card), str(card), f"{card}", f"{card:>30}", f"{card!r}"]
    texts += [repr(Holder(card)), repr([card]), repr({"card": card})]
    assert not any(character.isdigit() for text in texts for character in text)


@pytest.mark.parametrize(
    "steal",
    [
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        hash,
        vars,
        lambda card: card.__getstate__(),
        lambda card: card.__reduce__(),
        lambda card: {card},
    ],
)
def test_a_card_cannot_be_copied_pickled_or_hashed(steal: object) -> None:
    assert callable(steal)
    with pytest.raises(TypeError):
        steal(Card(*buffers()))


def test_two_cards_are_never_equal_and_one_is_itself() -> None:
    card, same_digits = Card(*buffers()), Card(*buffers())
    assert card != same_digits
    assert card == card
    assert card != NUMBER


def test_nothing_can_be_hung_on_a_card() -> None:
    with pytest.raises(AttributeError):
        Card(*buffers()).note = "x"  # type: ignore[attr-defined]  # that it fails is the point


@pytest.mark.parametrize(
    ("number", "expiry", "code"),
    [
        (b"42424242424", EXPIRY, CODE),
        (b"42424242424242424242", EXPIRY, CODE),
        (b"4242424242424a42", EXPIRY, CODE),
        ("４２４２４２４２".encode(), EXPIRY, CODE),
        (NUMBER, b"730", CODE),
        (NUMBER, b"1330", CODE),
        (NUMBER, b"0030", CODE),
        (NUMBER, EXPIRY, b"91"),
        (NUMBER, EXPIRY, b"91823"),
        (NUMBER, EXPIRY, b""),
    ],
)
def test_a_misshapen_card_is_wiped_and_refused_without_its_digits(
    number: bytes, expiry: bytes, code: bytes
) -> None:
    given_buffers = bytearray(number), bytearray(expiry), bytearray(code)
    with pytest.raises(ValueError) as caught:
        Card(*given_buffers)
    assert not any(any(kept) for kept in given_buffers)
    assert number.decode("utf-8", "replace") not in str(caught.value)


def test_a_card_of_what_cannot_be_wiped_is_refused_out_of_sight() -> None:
    secret = NUMBER
    with pytest.raises(TypeError) as caught:
        Card(secret, bytearray(EXPIRY), bytearray(CODE))  # type: ignore[arg-type]  # on purpose
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    inside = [frame for frame in frames.stack if frame.filename.endswith("/card.py")]
    assert inside
    assert all(secret.decode() not in str(frame.locals) for frame in inside)


@settings(deadline=None)
@given(
    st.text("0123456789", min_size=12, max_size=19),
    st.integers(1, 12),
    st.integers(0, 99),
    st.text("0123456789", min_size=3, max_size=4),
)
def test_any_well_formed_card_is_kept_whole(
    number: str, month: int, year: int, code: str
) -> None:
    expiry = bytearray(f"{month:02}{year:02}".encode())
    with Card(bytearray(number.encode()), expiry, bytearray(code.encode())) as card:
        assert card.number_text() == number
        assert card.security_code_text() == code
        assert (card.expiry_month, card.expiry_year % 100) == (month, year)
    assert expiry == bytearray(4)
