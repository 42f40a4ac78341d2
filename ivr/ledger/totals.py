"""What the ledger holds in all, by the few words a graph can bear."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from ivr.ledger.database import Database
from ivr.ledger.tables import calls, entry_errors, payment_attempts, transactions, trunks
from ivr.ledger.trunks import TrunkRow
from ivr.vocabulary import AttemptState


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of rows; amounts in minor units."""

    live_calls: int
    open_transactions: int
    transactions: dict[str, int]
    """Ended ones by result."""
    attempts: dict[str, int]
    """By state."""
    entry_errors: dict[tuple[str, str], int]
    """By step and error."""
    recovered: dict[str, int]
    """Amount charged, by currency."""
    trunks: tuple[TrunkRow, ...]


async def totals(database: Database) -> Totals:
    """Count everything in one snapshot. Raise `LedgerUnavailableError`."""
    async with database.read() as connection:

        async def rows(query: Select[Any]) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.execute(query)]

        results = dict(
            await rows(
                select(transactions.c.result, func.count())
                .where(transactions.c.ended_at.is_not(None))
                .group_by(transactions.c.result)
            )
        )
        ((live,),) = await rows(select(func.count()).where(calls.c.ended_at.is_(None)))
        ((unended,),) = await rows(
            select(func.count()).where(transactions.c.ended_at.is_(None))
        )
        attempts = dict(
            await rows(
                select(payment_attempts.c.state, func.count()).group_by(
                    payment_attempts.c.state
                )
            )
        )
        errors = await rows(
            select(entry_errors.c.step, entry_errors.c.error, func.count()).group_by(
                entry_errors.c.step, entry_errors.c.error
            )
        )
        paid = await rows(
            select(payment_attempts.c.currency, func.sum(payment_attempts.c.amount))
            .where(payment_attempts.c.state == AttemptState.SUCCEEDED)
            .group_by(payment_attempts.c.currency)
        )
        lines = await rows(select(trunks))
    return Totals(
        live_calls=live,
        open_transactions=unended,
        transactions=results,
        attempts=attempts,
        entry_errors={(step, error): count for step, error, count in errors},
        recovered={currency: int(amount) for currency, amount in paid},
        trunks=tuple(TrunkRow(*line) for line in lines),
    )
