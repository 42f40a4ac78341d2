"""Attempts whose end is not known, and who asks the gateway about them."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, update

from ivr.ledger.attempts import ATTEMPT_COLUMNS, Attempt, read_attempt
from ivr.ledger.database import Database
from ivr.ledger.tables import OPEN, payment_attempts


async def open_attempts(
    database: Database, *, node: str | None = None, older_than: datetime | None = None
) -> list[Attempt]:
    """Return the attempts whose end is not known, oldest first."""
    query = (
        select(*ATTEMPT_COLUMNS)
        .where(OPEN, *_of_age(node, older_than))
        .order_by(payment_attempts.c.created_at, payment_attempts.c.id)
    )
    async with database.read() as connection:
        return [read_attempt(row) for row in (await connection.execute(query)).mappings()]


async def claim_open_attempt(
    database: Database,
    now: Callable[[], datetime],
    *,
    node: str | None = None,
    older_than: datetime | None = None,
    not_inquired_since: datetime,
) -> Attempt | None:
    """Return one open attempt to inquire about, and note the inquiry; None when none waits.

    Another node that asks at the same moment gets another attempt, or None.
    """
    inquired = payment_attempts.c.inquired_at
    chosen = (
        select(payment_attempts.c.id)
        .where(
            OPEN,
            or_(inquired.is_(None), inquired < not_inquired_since),
            *_of_age(node, older_than),
        )
        .order_by(func.coalesce(inquired, payment_attempts.c.created_at))
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claim = (
        update(payment_attempts)
        .where(payment_attempts.c.id == chosen)
        .values(inquired_at=now(), inquiries=payment_attempts.c.inquiries + 1)
        .returning(*ATTEMPT_COLUMNS)
    )
    async with database.write() as connection:
        row = (await connection.execute(claim)).mappings().one_or_none()
    return None if row is None else read_attempt(row)


def _of_age(node: str | None, older_than: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if node is not None:
        conditions.append(payment_attempts.c.node == node)
    if older_than is not None:
        conditions.append(payment_attempts.c.created_at < older_than)
    return conditions
