"""What a session of the Payments resource needs to know of its call."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.tables import calls, events, transactions
from ivr.vocabulary import EventType


class CallEndedError(Exception):
    """The call is known, and it has ended or has no open transaction."""


async def transaction_of_call(
    connection: AsyncConnection, call_id: str, owner: str | None
) -> tuple[str, str | None] | None:
    """Return the open transaction of a live call and its currency; None for no such call.

    An `owner` sees only the calls of their own transactions. Raise `CallEndedError`.
    """
    if "\0" in call_id:
        return None
    query = (
        select(
            transactions.c.id,
            transactions.c.currency,
            transactions.c.ended_at,
            calls.c.ended_at.label("call_ended_at"),
        )
        .join(calls, calls.c.id == transactions.c.call_id)
        .where(calls.c.id == call_id)
        .order_by(transactions.c.created_at.desc())
    )
    if owner is not None:
        query = query.where(transactions.c.owner_id == owner)
    found = (await connection.execute(query)).all()
    if not found:
        return None
    for row in found:
        if row.ended_at is None and row.call_ended_at is None:
            return row.id, row.currency
    raise CallEndedError


async def captured_steps(database: Database, transaction_id: str, up_to: int) -> frozenset[str]:
    """Return the steps whose entry has been taken, and not been asked for again since.

    Events with an id above `up_to` are not looked at.
    """
    query = (
        select(events.c.step, events.c.type, func.max(events.c.id))
        .where(
            events.c.transaction_id == transaction_id,
            events.c.id <= up_to,
            events.c.type.in_((EventType.STEP_ENTERED, EventType.ENTRY_ACCEPTED)),
        )
        .group_by(events.c.step, events.c.type)
    )
    async with database.read() as connection:
        last = {(step, kind): seen for step, kind, seen in await connection.execute(query)}
    return frozenset(
        step
        for (step, kind), seen in last.items()
        if kind == EventType.ENTRY_ACCEPTED
        and seen > last.get((step, EventType.STEP_ENTERED), 0)
    )
