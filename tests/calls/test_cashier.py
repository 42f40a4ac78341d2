"""Charging, on a real ledger and the sandbox gateway: committed before, recorded after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from ivr.aio import future
from ivr.calls import cashier
from ivr.calls.cashier import CashDesk
from ivr.calls.recovery import Recovery
from ivr.journey.charging import Charge, ChargeEnd
from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.debts import Debt, NewDebt
from ivr.ledger.events import new_id, transaction_created
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import AttemptState
from payment_gateway.card import Card
from payment_gateway.interface import GatewayConfigurationError
from payment_gateway.results import Advice, Money, Outcome, Result
from payment_gateway.sandbox import SandboxGateway

VISA = "4242424242424242"
REFERENCE = "20261234"
PRICE = 12000


def card(number: str = VISA) -> Card:
    return Card(bytearray(number.encode()), bytearray(b"1230"), bytearray(b"123"))


def now() -> datetime:
    return datetime.now(UTC)


async def _at_once(_seconds: float) -> None:
    return


class Gateway(SandboxGateway):
    """The sandbox, whose answer to a purchase may be held back or lost."""

    def __init__(self, book: Path) -> None:
        super().__init__(book, sleep=_at_once, settle_seconds=0)
        self.purchases = 0
        self.instead: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def purchase(self, request: Any, card: Card) -> Result:
        self.purchases += 1
        self.reached.set()
        if isinstance(self.instead, GatewayConfigurationError):
            raise self.instead
        result = await super().purchase(request, card)
        if self.hold is not None:
            await self.hold.wait()
        if self.instead is not None:
            raise self.instead
        return result


class Shop:
    """A cash desk with its ledger and gateway, and one debt of 120 euros."""

    def __init__(self, ledger: LedgerWriter, gateway: Gateway, debt: Debt) -> None:
        self.clock = Clock()
        self.ledger = ledger
        self.gateway = gateway
        self.debt = debt
        self.desk = CashDesk(self.clock, ledger, gateway, deadline=30, statement_suffix="")

    def charge(self, paying: Card | None = None) -> "asyncio.Future[Charge]":
        """Charge the whole debt in a transaction of its own."""
        call, transaction = new_id(), new_id()
        self.ledger.record(
            transaction_created(
                transaction,
                now(),
                call_id=None,
                channel="inbound-call",
                journey="payment",
                language="fr",
            )
        )
        cashier = self.desk.for_call(call, transaction)
        return future(cashier.charge(self.debt.id, Money(PRICE, "EUR"), paying or card()))

    async def outstanding(self) -> int:
        found = await self.ledger.find_debt(REFERENCE)
        assert found is not None
        return found.outstanding

    async def recover(self) -> int:
        return await Recovery(
            self.ledger, self.gateway, self.ledger.node, now, self.desk.is_running, interval=0
        ).once()


@asynccontextmanager
async def opened(database: Database, tmp_path: Path, node: str = "node") -> AsyncIterator[Shop]:
    ledger = LedgerWriter(database, node, now)
    await ledger.start()
    await ledger.add_debts([NewDebt(reference=REFERENCE, amount=PRICE, currency="EUR")])
    debt = await ledger.find_debt(REFERENCE)
    assert debt is not None
    gateway = Gateway(tmp_path / "book.db")
    try:
        yield Shop(ledger, gateway, debt)
    finally:
        await ledger.close()
        await gateway.close()


async def test_a_card_is_charged_once_recorded_and_wiped(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        paying = card()
        assert await shop.charge(paying) == Charge(ChargeEnd.SUCCEEDED)
        assert paying.cleared
        assert await shop.outstanding() == 0
        assert not await shop.ledger.open_attempts()
        assert not shop.clock.getDelayedCalls()
        assert await shop.charge() == Charge(ChargeEnd.ALREADY_PAID)
        assert shop.gateway.purchases == 1


async def test_a_decline_leaves_the_debt_and_lets_another_card_pay(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        declined = await shop.charge(card("4000000000009995"))
        assert declined == Charge(ChargeEnd.DECLINED, Advice.OTHER_CARD)
        assert await shop.outstanding() == PRICE
        assert (await shop.charge()).end is ChargeEnd.SUCCEEDED


async def test_two_phones_at_the_same_moment_pay_a_debt_once(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        ends = [c.end for c in await asyncio.gather(*(shop.charge() for _ in range(5)))]
        assert ends.count(ChargeEnd.SUCCEEDED) == 1
        assert set(ends) <= {
            ChargeEnd.SUCCEEDED,
            ChargeEnd.IN_PROGRESS,
            ChargeEnd.ALREADY_PAID,
        }
        assert shop.gateway.purchases == 1
        assert await shop.outstanding() == 0


async def test_the_attempt_is_committed_before_the_gateway_is_asked(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        shop.gateway.hold = asyncio.Event()
        charging = shop.charge()
        await shop.gateway.reached.wait()
        (attempt,) = await shop.ledger.open_attempts()
        assert attempt.state is AttemptState.PENDING
        assert shop.desk.is_running(attempt.key)
        # While a call works on it, nobody else inquires.
        assert await shop.recover() == 0
        shop.gateway.hold.set()
        assert (await charging).end is ChargeEnd.SUCCEEDED


async def test_an_answer_lost_after_charging_is_inquired_and_never_charged_again(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        assert (await shop.charge(card("4000000000007502"))).end is ChargeEnd.UNKNOWN
        assert (await shop.charge()).end is ChargeEnd.IN_PROGRESS
        assert await shop.recover() == 1
        assert await shop.recover() == 0
        assert await shop.outstanding() == 0
        assert shop.gateway.purchases == 1


async def test_no_answer_and_no_charge_lets_the_debtor_pay_later(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        assert (await shop.charge(card("4000000000007403"))).end is ChargeEnd.UNKNOWN
        assert await shop.recover() == 1
        assert await shop.outstanding() == PRICE
        assert (await shop.charge()).end is ChargeEnd.SUCCEEDED


async def test_a_late_answer_is_unknown_to_the_caller_and_still_recorded(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        shop.gateway.hold = asyncio.Event()
        charging = shop.charge()
        await shop.gateway.reached.wait()
        shop.clock.advance(30)
        assert (await charging).end is ChargeEnd.UNKNOWN
        shop.gateway.hold.set()
        await shop.desk.idle()
        assert not await shop.ledger.open_attempts()
        assert await shop.outstanding() == 0


async def test_a_misconfigured_gateway_charges_nothing_and_is_no_decline(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        shop.gateway.instead = GatewayConfigurationError("no key")
        assert await shop.charge() == Charge(ChargeEnd.NOT_CHARGED)
        assert await shop.outstanding() == PRICE
        assert not await shop.ledger.open_attempts()


async def test_an_adapters_bug_after_charging_is_unknown_not_declined(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        shop.gateway.instead = RuntimeError("a bug")
        assert (await shop.charge()).end is ChargeEnd.UNKNOWN
        assert await shop.recover() == 1
        assert await shop.outstanding() == 0


async def test_nothing_is_charged_when_the_attempt_cannot_be_written(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, tmp_path) as shop:

        async def full(**_: object) -> None:
            raise LedgerUnavailableError("database or disk is full")

        monkeypatch.setattr(shop.ledger, "begin_attempt", full)
        paying = card()
        assert await shop.charge(paying) == Charge(ChargeEnd.LEDGER_UNAVAILABLE)
        assert paying.cleared
        assert shop.gateway.purchases == 0


async def test_a_charge_whose_end_cannot_be_written_is_recovered(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, tmp_path) as shop:

        async def full(*_: object, **__: object) -> bool:
            raise LedgerUnavailableError("database or disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(shop.ledger, "finish_attempt", full)
            # The debtor hears the truth: it is paid.
            assert (await shop.charge()).end is ChargeEnd.SUCCEEDED
        assert await shop.recover() == 1
        assert await shop.outstanding() == 0


async def test_another_nodes_fresh_attempt_is_left_to_it(
    database: Database, tmp_path: Path
) -> None:
    async with opened(database, tmp_path) as shop:
        assert (await shop.charge(card("4000000000007502"))).end is ChargeEnd.UNKNOWN
        async with opened(database, tmp_path, node="other") as other:
            assert await other.recover() == 0
        assert await shop.recover() == 1


def test_each_outcome_has_its_end() -> None:

    assert set(cashier.STATE) == set(cashier._END) == set(Outcome)
