"""What gateways send by HTTP, kept by the monitor as it came, read by an ivr node.

The monitor has no gateway and no key: it cannot tell a forged notice from a true one. A
node verifies each, acts on it, and marks it; then headers and body are emptied.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, insert, select, update

from ivr.ledger.database import Database, RowRefusedError
from ivr.ledger.tables import webhooks

REPEATED: Final = "repeated"
_NOT_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Webhook:
    """A notice as it was received; header names are in small letters."""

    id: int
    gateway: str
    headers: Mapping[str, str]
    body: str
    """The text as it came: encoded as UTF-8 it is what was signed."""
    received_at: datetime


async def keep_webhook(
    database: Database,
    now: Callable[[], datetime],
    *,
    gateway: str,
    headers: Mapping[str, str],
    body: bytes,
) -> int:
    """Keep a notice, to be answered 2xx once it is kept; return its id.

    Raise `ValueError` for a body that is not UTF-8 text, `LedgerUnavailableError`.
    """
    text = body.decode()
    if "\0" in text:
        raise ValueError("a notice is text without NUL")
    row = {
        "gateway": gateway,
        "headers": {
            name.lower(): value
            for name, value in headers.items()
            if name.lower() not in _NOT_KEPT
        },
        "body": text,
        "received_at": now(),
    }
    async with database.write() as connection:
        kept = await connection.execute(insert(webhooks).returning(webhooks.c.id), [row])
        return int(kept.scalar_one())


async def unhandled_webhooks(database: Database, most: int = 100) -> list[Webhook]:
    """Return notices that no node has marked yet, oldest first."""
    query = (
        select(
            webhooks.c.id,
            webhooks.c.gateway,
            webhooks.c.headers,
            webhooks.c.body,
            webhooks.c.received_at,
        )
        .where(webhooks.c.handled_at.is_(None))
        .order_by(webhooks.c.id)
        .limit(most)
    )
    async with database.read() as connection:
        return [
            Webhook(row.id, row.gateway, row.headers, row.body, row.received_at)
            for row in await connection.execute(query)
        ]


async def mark_webhook(
    database: Database,
    now: Callable[[], datetime],
    webhook_id: int,
    notice_id: str | None,
    outcome: str,
) -> bool:
    """Mark a notice as handled. `notice_id` is the gateway's own; None when it was refused.

    Return False when the same notice had been handled before, in this row or another:
    a repeat is marked as `repeated`. Acting twice on one notice must be harmless.
    """
    try:
        return await _mark(database, now(), webhook_id, notice_id, outcome)
    except RowRefusedError:
        # Another node marked a repeat between our look and our write.
        await _mark(database, now(), webhook_id, None, REPEATED)
        return False


async def _mark(
    database: Database, at: datetime, webhook_id: int, notice_id: str | None, outcome: str
) -> bool:
    this = webhooks.alias()
    twin = exists().where(
        webhooks.c.gateway == this.c.gateway, webhooks.c.notice_id == notice_id
    )
    async with database.write() as connection:
        seen = (
            notice_id is not None
            and (
                await connection.execute(select(twin).where(this.c.id == webhook_id))
            ).scalar_one_or_none()
        )
        marked = await connection.execute(
            update(webhooks)
            .where(webhooks.c.id == webhook_id, webhooks.c.handled_at.is_(None))
            .values(
                notice_id=None if seen else notice_id,
                outcome=REPEATED if seen else outcome,
                handled_at=at,
                headers={},
                body="",
            )
        )
        return marked.rowcount == 1 and not seen
