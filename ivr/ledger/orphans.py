"""Calls that were alive when their process died."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, exists, or_, select

from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.journal import Journal, Writing
from ivr.ledger.tables import OPEN, calls, payment_attempts, transactions
from ivr.ledger.tables_agents import preparations
from ivr.vocabulary import EventType, Result, Step

PROCESS_ENDED: Final = "process-ended"


async def close_orphans(journal: Journal, now: Callable[[], datetime], node: str) -> int:
    """End the calls and transactions that `node` left alive; return how many calls.

    Call it once when the node starts, before its first call. A transaction ends as
    `success` where money was taken, as `pending` where an attempt is open, otherwise as
    `internal-error`. Raise `LedgerUnavailableError`.
    """

    async def work(writing: Writing) -> int:
        at = now()
        attempt_open = exists().where(
            payment_attempts.c.transaction_id == transactions.c.id, OPEN
        )
        prepared = exists().where(preparations.c.transaction_id == transactions.c.id)
        left = await writing.connection.execute(
            select(
                transactions.c.id,
                transactions.c.call_id,
                transactions.c.step,
                transactions.c.amount_paid,
                attempt_open.label("attempt_open"),
            )
            .join(calls, calls.c.id == transactions.c.call_id)
            .where(
                transactions.c.ended_at.is_(None),
                calls.c.node == node,
                # Taken back by a PBX, it waits for another call, or for its time to end.
                or_(calls.c.ended_at.is_(None), ~prepared),
            )
            .order_by(transactions.c.created_at, transactions.c.id)
        )
        ends = [_end(row, at) for row in left.mappings()]
        alive = await writing.connection.execute(
            select(calls.c.id)
            .where(calls.c.ended_at.is_(None), calls.c.node == node)
            .order_by(calls.c.started_at, calls.c.id)
        )
        reason = EventDetail(reason=PROCESS_ENDED)
        hung_up = [
            Event(EventType.CALL_ENDED, at, call_id, detail=reason)
            for call_id in alive.scalars()
        ]
        await writing.append([*ends, *hung_up])
        return len(hung_up)

    return await journal.commit(work)


def _end(row: RowMapping, at: datetime) -> Event:
    if row["amount_paid"] > 0:
        result = Result.SUCCESS
    else:
        result = Result.PENDING if row["attempt_open"] else Result.INTERNAL_ERROR
    return Event(
        EventType.TRANSACTION_ENDED,
        at,
        row["call_id"],
        row["id"],
        Step(row["step"]),
        EventDetail(result=result, reason=PROCESS_ENDED),
    )
