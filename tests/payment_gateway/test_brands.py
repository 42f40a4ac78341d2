import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_gateway.brands import BRANDS, candidates, identify, luhn_valid

PUBLISHED = [
    ("visa", "4242424242424242"),
    ("visa", "4000056655665556"),
    ("visa", "4012888888881881"),
    ("visa", "4000002500001001"),
    ("mastercard", "5555555555554444"),
    ("mastercard", "5105105105105100"),
    ("mastercard", "2223003122003222"),
    ("mastercard", "5555552500001001"),
    ("amex", "378282246310005"),
    ("amex", "371449635398431"),
    ("diners", "30569309025904"),
    ("diners", "38520000023237"),
    ("diners", "36227206271667"),
    ("discover", "6011111111111117"),
    ("discover", "6011000990139424"),
    ("jcb", "3530111333300000"),
    ("jcb", "3566002020360505"),
    ("unionpay", "6200000000000005"),
    ("unionpay", "6205500000000000004"),
    ("maestro", "6759649826438453"),
    ("maestro", "6304000000000000"),
    ("maestro", "6799990100000000019"),
    ("maestro", "5018000000000009"),
]

BOUNDARIES = [
    ("399999", "diners"),
    ("400000", "visa"),
    ("499999", "visa"),
    ("500000", "maestro"),
    ("507588", "maestro"),
    ("507589", "cartes-bancaires"),
    ("507590", "cartes-bancaires"),
    ("507591", "maestro"),
    ("507597", "cartes-bancaires"),
    ("507598", "maestro"),
    ("509999", "maestro"),
    ("510000", "mastercard"),
    ("559999", "mastercard"),
    ("560000", "maestro"),
    ("560408", "cartes-bancaires"),
    ("561258", "cartes-bancaires"),
    ("561259", "maestro"),
    ("581699", "maestro"),
    ("581700", "cartes-bancaires"),
    ("581797", "cartes-bancaires"),
    ("581798", "maestro"),
    ("585582", "cartes-bancaires"),
    ("589999", "maestro"),
    ("590000", None),
    ("222099", None),
    ("222100", "mastercard"),
    ("272099", "mastercard"),
    ("272100", None),
    ("339999", None),
    ("340000", "amex"),
    ("349999", "amex"),
    ("350000", None),
    ("352799", None),
    ("352800", "jcb"),
    ("358999", "jcb"),
    ("359000", None),
    ("360000", "diners"),
    ("369999", "diners"),
    ("370000", "amex"),
    ("379999", "amex"),
    ("380000", "diners"),
    ("299999", None),
    ("300000", "diners"),
    ("305999", "diners"),
    ("306000", None),
    ("309499", None),
    ("309500", "diners"),
    ("309599", "diners"),
    ("309600", None),
    ("601099", "maestro"),
    ("601100", "discover"),
    ("601199", "discover"),
    ("601200", "maestro"),
    ("619999", "maestro"),
    ("620000", "unionpay"),
    ("629999", "unionpay"),
    ("630000", "maestro"),
    ("643999", "maestro"),
    ("644000", "discover"),
    ("649999", "discover"),
    ("650000", "discover"),
    ("659999", "discover"),
    ("660000", "maestro"),
    ("699999", "maestro"),
    ("700000", None),
    ("809999", None),
    ("810000", "unionpay"),
    ("817199", "unionpay"),
    ("817200", None),
    ("100000", None),
    ("000000", None),
]


@pytest.mark.parametrize(("name", "number"), PUBLISHED)
def test_published_test_numbers_are_their_brands(name: str, number: str) -> None:
    brand = identify(number)
    assert brand is not None
    assert brand.name == name
    assert len(number) in brand.lengths
    assert luhn_valid(number.encode())


@pytest.mark.parametrize(("prefix", "name"), BOUNDARIES)
def test_each_range_ends_where_the_networks_say(prefix: str, name: str | None) -> None:
    brand = identify(prefix)
    assert (brand.name if brand else None) == name


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("", None),
        ("3", None),
        ("30", "diners"),
        ("34", "amex"),
        ("35", "jcb"),
        ("4", "visa"),
        ("5", None),
        ("50", None),
        ("501", "maestro"),
        ("507", None),
        ("51", "mastercard"),
        ("58", None),
        ("2", "mastercard"),
        ("6", None),
        ("60", None),
        ("601", None),
        ("6011", "discover"),
        ("62", "unionpay"),
        ("67", "maestro"),
        ("8", "unionpay"),
        ("9", None),
    ],
)
def test_a_growing_number_is_known_as_soon_as_only_one_brand_is_left(
    prefix: str, name: str | None
) -> None:
    for form in (prefix, prefix.encode(), bytearray(prefix.encode())):
        brand = identify(form)
        assert (brand.name if brand else None) == name


def test_a_number_that_no_brand_begins_with_is_told_from_one_not_known_yet() -> None:
    assert {brand.name for brand in candidates("601")} == {"discover", "maestro"}
    assert candidates("9") == frozenset()
    assert candidates("") == frozenset(BRANDS)


def test_the_shape_of_each_brand() -> None:
    shapes = {b.name: (b.lengths, b.security_code_length, b.usual_length) for b in BRANDS}
    assert shapes == {
        "cartes-bancaires": ((16, 17, 18, 19), 3, 16),
        "visa": ((16, 19), 3, 16),
        "mastercard": ((16,), 3, 16),
        "amex": ((15,), 4, 15),
        "diners": ((14, 16, 19), 3, 14),
        "jcb": ((16, 17, 18, 19), 3, 16),
        "discover": ((16, 19), 3, 16),
        "unionpay": ((16, 17, 18, 19), 3, None),
        "maestro": ((12, 13, 14, 15, 16, 17, 18, 19), 3, None),
    }


@settings(deadline=None)
@given(st.text("0123456789", max_size=19), st.text("0123456789", min_size=1, max_size=5))
def test_more_digits_never_bring_a_brand_back(prefix: str, more: str) -> None:
    assert candidates(prefix + more) <= candidates(prefix)


@settings(deadline=None)
@given(st.text(max_size=8))
def test_anything_but_digits_is_refused(text: str) -> None:
    digits = all(character in "0123456789" for character in text)
    if digits:
        candidates(text)
    else:
        with pytest.raises(ValueError):
            candidates(text)


@settings(deadline=None)
@given(st.text("0123456789", min_size=11, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_luhn_finds_every_single_wrong_digit(body: str, place: int, off: int) -> None:
    number = next(whole for last in "0123456789" if luhn_valid((whole := body + last).encode()))
    place %= len(number)
    wrong = str((int(number[place]) + off) % 10)
    assert not luhn_valid(bytearray((number[:place] + wrong + number[place + 1 :]).encode()))


@pytest.mark.parametrize("number", [b"", b"4242 4242 4242 4242", b"424242424242424\xff"])
def test_what_is_not_a_number_is_not_valid(number: bytes) -> None:
    assert not luhn_valid(number)
