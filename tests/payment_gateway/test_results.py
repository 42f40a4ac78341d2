import pytest

from payment_gateway.interface import PaymentRequest
from payment_gateway.results import Money


@pytest.mark.parametrize(
    ("amount", "currency"), [(-1, "EUR"), (1, "eur"), (1, "EURO"), (1, ""), (1, "ÉUR")]
)
def test_money_that_is_none_is_refused(amount: int, currency: str) -> None:
    with pytest.raises(ValueError):
        Money(amount, currency)


@pytest.mark.parametrize(
    ("key", "money"),
    [
        ("", Money(1, "EUR")),
        ("k" * 241, Money(1, "EUR")),
        ("clé", Money(1, "EUR")),
        ("a\nb", Money(1, "EUR")),
        ("k", Money(0, "EUR")),
    ],
)
def test_a_request_that_no_gateway_could_take_is_refused(key: str, money: Money) -> None:
    with pytest.raises(ValueError):
        PaymentRequest(key, money)


def test_a_request_at_the_limits_is_taken() -> None:
    assert PaymentRequest("k" * 240, Money(1, "EUR")).key == "k" * 240
