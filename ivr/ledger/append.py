"""Appending events to the ledger, with the rows that they open, move and end.

Readers ask for events with an id above the last one they saw. A database may commit a
higher id before a lower one, and the lower would never be seen: so all that append take
turns until they commit, on SQLite as its only writer, on PostgreSQL by an advisory lock.
Batches make that cheap. Under the lock ids are given out here, in the order of events.
"""

from collections.abc import Sequence

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.events import Event
from ivr.ledger.projections import project
from ivr.ledger.tables import entry_errors, events
from ivr.ledger.trunks import project_trunks
from ivr.vocabulary import EventType

CHANNEL = "solde_events"
"""PostgreSQL's readers are notified here when a transaction with events commits."""
_APPENDING = 7_077_633_001
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_NOTIFY = text("SELECT pg_notify(:channel, '')")
_NEXT_POSTGRESQL = text("SELECT setval('events_id_seq', nextval('events_id_seq') + :count - 1)")
_LAST_SQLITE = text("SELECT seq FROM sqlite_sequence WHERE name = 'events'")


async def take_turn(connection: AsyncConnection) -> None:
    """Wait until no other transaction appends. Call it before anything else in one."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK, {"key": _APPENDING})


async def append(connection: AsyncConnection, node: str, added: Sequence[Event]) -> None:
    """Write events and what follows from them, inside the caller's transaction and turn."""
    if not added:
        return
    first = await _first_id(connection, len(added))
    await connection.execute(
        insert(events),
        [
            {
                "id": number,
                "at": event.at,
                "type": event.type,
                "node": node,
                "call_id": event.call_id,
                "transaction_id": event.transaction_id,
                "step": event.step,
                "data": event.detail.data(),
            }
            for number, event in enumerate(added, first)
        ],
    )
    await project(connection, node, added)
    await project_trunks(connection, node, added)
    errors = [
        {
            "event_id": number,
            "transaction_id": event.transaction_id,
            "call_id": event.call_id,
            "at": event.at,
            "step": event.step,
            "error": event.detail.error,
            "attempt": event.detail.attempt,
        }
        for number, event in enumerate(added, first)
        if event.type is EventType.ENTRY_ERROR
    ]
    if errors:
        await connection.execute(insert(entry_errors), errors)
    if connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY, {"channel": CHANNEL})


async def _first_id(connection: AsyncConnection, count: int) -> int:
    if connection.dialect.name == "postgresql":
        last = (await connection.execute(_NEXT_POSTGRESQL, {"count": count})).scalar_one()
        return int(last) - count + 1
    return int((await connection.execute(_LAST_SQLITE)).scalar() or 0) + 1
