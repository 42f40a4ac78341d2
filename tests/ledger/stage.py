"""A debt, a call and a transaction, for tests that need them to be there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, select

from ivr.ledger.attempts import Attempt
from ivr.ledger.database import Database
from ivr.ledger.debts import Debt, NewDebt
from ivr.ledger.details import Direction
from ivr.ledger.events import (
    Event,
    call_started,
    transaction_created,
    transaction_identified,
)
from ivr.ledger.tables import events
from ivr.ledger.writer import LedgerWriter

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REFERENCE = "12345678"


class Ticking:
    """A clock whose every look is a second later."""

    def __init__(self) -> None:
        self._moments: Iterator[datetime] = (
            NOON + timedelta(seconds=second) for second in range(100_000)
        )

    def __call__(self) -> datetime:
        return next(self._moments)


def call(name: str, at: datetime = NOON) -> Event:
    return call_started(
        f"call-{name}",
        at,
        direction=Direction.INBOUND,
        caller="+33612345678",
        called="3000",
        sip_call_id=f"{name}@192.0.2.1",
    )


def transaction(name: str, at: datetime = NOON) -> Event:
    return transaction_created(
        f"tx-{name}",
        at,
        call_id=f"call-{name}",
        channel="inbound-call",
        journey="payment",
        language="fr",
    )


class Stage:
    """A ledger writer with one debt of 120.50 EUR; calls are made by their name."""

    def __init__(self, database: Database, node: str = "node-1", **options: Any) -> None:
        self.database = database
        self.writer = LedgerWriter(database, node, Ticking(), **options)

    async def owe(self, amount: int = 12_050) -> Debt:
        await self.writer.add_debts(
            [NewDebt(reference=REFERENCE, amount=amount, currency="EUR")]
        )
        return await self.debt()

    async def debt(self) -> Debt:
        debt = await self.writer.find_debt(REFERENCE)
        assert debt is not None
        return debt

    def identify(self, name: str, debt: Debt) -> None:
        """Record a call that has found its debt."""
        self.writer.record(call(name))
        self.writer.record(transaction(name))
        self.writer.record(
            transaction_identified(
                f"tx-{name}",
                NOON,
                call_id=f"call-{name}",
                debt_id=debt.id,
                outstanding=debt.outstanding,
                currency=debt.currency,
            )
        )

    async def begin(
        self, name: str, debt: Debt, amount: int = 12_050, key: str | None = None
    ) -> Attempt:
        return await self.writer.begin_attempt(
            transaction_id=f"tx-{name}",
            debt_id=debt.id,
            call_id=f"call-{name}",
            key=key or f"key-{name}",
            gateway="sandbox",
            amount=amount,
            currency="EUR",
        )


async def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    """Return a table's rows in the order of their primary keys."""
    async with database.read() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]


async def types(database: Database) -> list[str]:
    """Return the types of all events, in their order."""
    return [row["type"] for row in await rows(database, events)]
