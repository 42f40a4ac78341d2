"""Whose a telephone is."""

from sqlalchemy import select

from ivr.ledger.database import Database
from ivr.ledger.tables_agents import users


async def owner_of_phone(database: Database, phone: str) -> str | None:
    """Return the id of the user of this phone, or None. Raise `LedgerUnavailableError`."""
    query = (
        select(users.c.id)
        .where(users.c.phone == phone, users.c.disabled_at.is_(None))
        .order_by(users.c.created_at)
        .limit(1)
    )
    async with database.read() as connection:
        return (await connection.execute(query)).scalar_one_or_none()
