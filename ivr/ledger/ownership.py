"""Whose a transaction is."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.tables import transactions


async def has_transaction(
    where: Database | AsyncConnection, transaction_id: str, owner: str | None
) -> bool:
    """Whether there is this transaction for `owner`, who sees their own; None sees all."""
    # PostgreSQL refuses a NUL in a text; no id has one.
    if "\0" in transaction_id:
        return False
    query = select(transactions.c.id).where(transactions.c.id == transaction_id)
    if owner is not None:
        query = query.where(transactions.c.owner_id == owner)
    if isinstance(where, AsyncConnection):
        return (await where.execute(query)).first() is not None
    async with where.read() as connection:
        return (await connection.execute(query)).first() is not None
