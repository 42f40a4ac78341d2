"""What the gateway tests share: cards to key, requests to make, a clock to move."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from payment_gateway.card import Card
from payment_gateway.interface import Gateway, PaymentRequest
from payment_gateway.results import Money

EXPIRY = b"1239"
CODE = b"737"
AMOUNT = Money(12_345, "EUR")


def card(number: str = "4242424242424242", code: bytes | None = None) -> Card:
    if code is None:
        code = b"7373" if number.startswith("37") else CODE
    return Card(bytearray(number.encode()), bytearray(EXPIRY), bytearray(code))


def ask_for(key: str, money: Money = AMOUNT) -> PaymentRequest:
    return PaymentRequest(key, money, statement_suffix="Réf 12", metadata={"debt": "D-1"})


class Wall:
    """The time of day, which moves when told."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class Bench(Protocol):
    """A gateway under test, and the world behind it."""

    gateway: Gateway
    wall: Wall

    def prepare(self, scenario: str) -> str:
        """Arrange for what `conformance` names, and return the card number for it."""

    def charges(self) -> list[tuple[str, Money]]:
        """Return key and amount of every sum that was really taken."""

    def webhook(self, key: str, age: float = 0) -> tuple[bytes, dict[str, str]]:
        """Return the webhook about a payment, signed `age` seconds ago."""
