"""What the running nodes know of their trunks: a row for each, brought up by events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.events import Event
from ivr.ledger.tables import trunks
from ivr.ledger.upsert import insert_or_update
from ivr.vocabulary import EventType

_TELLS: Final = {
    EventType.TRUNK_UP: ("up", True),
    EventType.TRUNK_DOWN: ("up", False),
    EventType.TRUNK_REGISTERED: ("registered", True),
    EventType.TRUNK_UNREGISTERED: ("registered", False),
}


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A trunk of a node; None is what the node does not know."""

    node: str
    name: str
    up: bool | None
    registered: bool | None
    changed_at: datetime


async def read_trunks(database: Database) -> tuple[TrunkRow, ...]:
    """Return the trunks of all nodes, by node and name."""
    query = select(trunks).order_by(trunks.c.node, trunks.c.name)
    async with database.read() as connection:
        return tuple(TrunkRow(*row) for row in await connection.execute(query))


async def project_trunks(
    connection: AsyncConnection, node: str, added: Sequence[Event]
) -> None:
    """Bring the rows of a node's trunks up to `added`, in their order."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    moments: dict[str, datetime] = {}
    for event in added:
        if event.type in _TELLS and event.detail.trunk is not None:
            (column, holds), name = _TELLS[event.type], event.detail.trunk
            last[column, name] = {"node": node, "name": name, column: holds}
            moments[name] = event.at
    for column in ("up", "registered"):
        rows = [
            {**row, "changed_at": moments[name]}
            for (told, name), row in last.items()
            if told == column
        ]
        if rows:
            statement = insert_or_update(
                connection.dialect.name, trunks, ["node", "name"], [column, "changed_at"]
            )
            await connection.execute(statement, rows)


async def forget_trunks(connection: AsyncConnection, node: str) -> None:
    """Take out what `node` has told: as it starts, and as it ends."""
    await connection.execute(delete(trunks).where(trunks.c.node == node))
