"""What the journey asks of whoever moves the money."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from twisted.internet.defer import Deferred

from ivr.vocabulary import Result
from payment_gateway.card import Card
from payment_gateway.results import Advice, Money


class ChargeEnd(StrEnum):
    """How an attempt to charge ended, as far as the debtor needs to know."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """It may have been charged; it is inquired about, never charged again."""
    NOT_CHARGED = "not-charged"
    """The gateway cannot be used now; nothing was charged."""
    ALREADY_PAID = "already-paid"
    IN_PROGRESS = "in-progress"
    """Another attempt on this debt is not ended yet; nothing was charged here."""
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    """The attempt could not be written down, so the gateway was not asked."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The end of one attempt; `advice` only with a decline."""

    end: ChargeEnd
    advice: Advice | None = None


STANDING = {
    ChargeEnd.SUCCEEDED: Result.SUCCESS,
    ChargeEnd.DECLINED: Result.CARD_DECLINED,
    ChargeEnd.UNKNOWN: Result.PENDING,
    ChargeEnd.NOT_CHARGED: Result.PAYMENT_CONNECTOR_ERROR,
    ChargeEnd.ALREADY_PAID: Result.ALREADY_PAID,
    ChargeEnd.IN_PROGRESS: Result.PENDING,
    ChargeEnd.LEDGER_UNAVAILABLE: Result.INTERNAL_ERROR,
}
"""How a transaction stands after each end."""
SETTLED = frozenset({Result.SUCCESS, Result.ALREADY_PAID, Result.PENDING})
"""Whatever else is said or done, nothing more is to be paid in this call."""


class Cashier(Protocol):
    """Charges a card for a debt. Never raises, never charges twice, wipes the card."""

    def charge(self, debt_id: str, money: Money, card: Card) -> Deferred[Charge]:
        """Charge `card`; the charge goes on when the caller hangs up."""
