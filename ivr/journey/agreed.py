"""Whose debt a payment is about, and what has been agreed on before the journey."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from ivr.ledger.debts import Debt
from payment_gateway.results import Money


class Debts(Protocol):
    """Where debts are looked up."""

    def find(self, reference: str) -> Awaitable[Debt | None]:
        """Return the debt with this reference. Raise `LedgerUnavailableError`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an agent has agreed with the debtor."""

    debt: Debt
    money: Money
    again: bool = False
    """Handed over again, by another call than the first."""
