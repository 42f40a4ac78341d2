"""Waking whoever reads under a right that was just taken away."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import CHANNEL

_NOTIFY = text("SELECT pg_notify(:channel, '')")


async def tell_readers(connection: AsyncConnection) -> None:
    """Wake all event streams when this commits: each looks whether it may go on.

    On SQLite every commit wakes them.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY, {"channel": CHANNEL})
