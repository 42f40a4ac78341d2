"""The audit trail: who did what, when. The database itself refuses to change or forget it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.tables_agents import audit as trail


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `actor` is `user:anna`, `token:crm`, or `command-line`."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    data: Mapping[str, Any]


async def audit(
    database: Database,
    now: Callable[[], datetime],
    actor: str,
    action: str,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write an act down in a transaction of its own. Raise `LedgerUnavailableError`.

    `action` is at most 40 characters, as `command.sent`; `subject` is the id it was done to.
    No secret belongs into `data`.
    """
    async with database.write() as connection:
        await add_audit(connection, now(), actor, action, subject, data)


async def add_audit(
    connection: AsyncConnection,
    at: datetime,
    actor: str,
    action: str,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write an act down in the transaction that does it: neither is without the other."""
    await connection.execute(
        insert(trail).values(
            at=at, actor=actor, action=action, subject=subject, data=dict(data or {})
        )
    )


async def find_audit(
    database: Database,
    *,
    before: int | None = None,
    actor: str | None = None,
    limit: int = 50,
) -> tuple[AuditRow, ...]:
    """Return acts, newest first, those with an id below `before`, of one actor on wish."""
    query = select(*(trail.c[field.name] for field in fields(AuditRow)))
    if before is not None:
        query = query.where(trail.c.id < before)
    if actor is not None:
        query = query.where(trail.c.actor == actor)
    async with database.read() as connection:
        found = await connection.execute(query.order_by(trail.c.id.desc()).limit(limit))
        return tuple(AuditRow(**row) for row in found.mappings())
