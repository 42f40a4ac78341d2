"""Transactions that are prepared before the debtor's call comes to us.

prepared ─ used (a call came with its token or code) ─ the transaction ends
         ├ cancelled (by who prepared it)
         └ expired (no call came)

It works once. Only when the call that used it has ended while the transaction is open, taken
back by an agent, may it be used again: that is how the agent hands the debtor over again.
Each change is one statement that finds the row as it was read, so of two at once one wins.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import append, take_turn
from ivr.ledger.database import Database
from ivr.ledger.debts import Debt, read_debt
from ivr.ledger.details import EventDetail
from ivr.ledger.events import (
    Event,
    transaction_ended,
)
from ivr.ledger.tables import OPEN, calls, debts, payment_attempts, transactions
from ivr.ledger.tables_agents import preparations
from ivr.vocabulary import AttemptState, EventType, Result, Step

NODE: Final = "monitor"
"""Who writes the events of preparing: no ivr node has this name."""
TOKEN: Final = re.compile("[a-p]{32}")
CODE: Final = re.compile("[0-9]{4,12}")
_WRITTEN_WITHIN: Final = timedelta(hours=1)
"""A node may keep what it has to write for so long, while the ledger is away."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A prepared transaction whose call has come."""

    transaction_id: str
    owner_id: str | None
    debt: Debt
    """As it stands now: it may have been paid since."""
    amount: int
    """To be paid, in minor units; never more than what is outstanding."""
    currency: str
    language: str
    agent_phone: str
    afterwards: str
    """"agent" or "good-bye"."""
    mode: str
    """"alone" or "stay"."""
    offers: tuple[str, ...]
    reused: bool
    """Handed over again after it was taken back: the journey goes on where it was."""


async def claim(
    database: Database,
    now: Callable[[], datetime],
    *,
    call_id: str,
    token: str | None = None,
    code: str | None = None,
) -> Preparation | None:
    """Give the prepared transaction of a token or a code (without its prefix) to a call.

    Return None for one that is unknown, used, cancelled or expired. Token and code may be
    any text of the network's. Raise `LedgerUnavailableError`.
    """
    # No other text reaches even a statement's parameter: a card number might be keyed here.
    if token is not None and TOKEN.fullmatch(token):
        which = preparations.c.token == token
    elif code is not None and CODE.fullmatch(code):
        which = preparations.c.code == code
    else:
        return None
    at = now()
    usable = and_(
        which,
        preparations.c.cancelled_at.is_(None),
        preparations.c.expires_at > at,
        transactions.c.ended_at.is_(None),
        or_(preparations.c.used_at.is_(None), _TAKEN_BACK),
    )
    async with database.write() as connection:
        found = await connection.execute(
            select(
                preparations,
                *(transactions.c[name] for name in _OF_TRANSACTION),
            )
            .select_from(_JOINED)
            .where(usable)
        )
        row = found.mappings().one_or_none()
        if row is None:
            return None
        used = await connection.execute(
            update(preparations)
            .where(
                preparations.c.transaction_id == row["transaction_id"],
                preparations.c.used_at.is_not_distinct_from(row["used_at"]),
                preparations.c.cancelled_at.is_(None),
            )
            .values(used_at=at)
        )
        debt = await read_debt(connection, debts.c.id == row["debt_id"])
    if used.rowcount == 0 or debt is None:
        return None
    reused = row["used_at"] is not None
    log.info(
        "preparation-claimed", transaction=row["transaction_id"], call=call_id, reused=reused
    )
    return Preparation(
        transaction_id=row["transaction_id"],
        owner_id=row["owner_id"],
        debt=debt,
        amount=min(row["amount_due"], debt.outstanding),
        currency=row["currency"],
        language=row["language"],
        agent_phone=row["agent_phone"],
        afterwards=row["afterwards"],
        mode=row["mode"],
        offers=tuple(row["offers"]),
        reused=reused,
    )


async def cancel(
    connection: AsyncConnection, at: datetime, transaction_id: str, result: Result
) -> bool:
    """End a prepared transaction that no call has used, inside the caller's transaction.

    Return False when there is none: it was used, cancelled or has expired.
    """
    await take_turn(connection)
    if not await _close(connection, at, transaction_id, None):
        return False
    ended = transaction_ended(transaction_id, at, call_id=None, step=None, result=result)
    await append(connection, NODE, [ended])
    return True


async def expire(database: Database, now: Callable[[], datetime]) -> int:
    """End what nobody came for in time; return how many. Raise `LedgerUnavailableError`.

    One that was taken back and not handed over again in time ends as `transferred-to-agent`;
    one whose call was lost with its node, before it was written down, as `internal-error`.
    """
    at = now()
    due = and_(preparations.c.expires_at <= at, transactions.c.ended_at.is_(None))
    unused = and_(preparations.c.used_at.is_(None), preparations.c.cancelled_at.is_(None))
    lost = and_(
        preparations.c.used_at <= at - _WRITTEN_WITHIN,
        or_(calls.c.id.is_(None), calls.c.ended_at < preparations.c.used_at),
    )
    query = (
        select(
            preparations.c.transaction_id,
            preparations.c.used_at,
            transactions.c.call_id,
            _TAKEN_BACK.label("taken_back"),
            exists()
            .where(
                payment_attempts.c.transaction_id == transactions.c.id,
                or_(OPEN, payment_attempts.c.state == AttemptState.SUCCEEDED),
            )
            .label("may_be_paid"),
        )
        .select_from(_JOINED)
        .where(due, or_(unused, _TAKEN_BACK, lost))
    )
    async with database.read() as connection:
        if (await connection.execute(query.limit(1))).first() is None:
            return 0
    async with database.write() as connection:
        await take_turn(connection)
        ended = 0
        for row in (await connection.execute(query)).mappings().all():
            if row["used_at"] is None:
                ended += await cancel(connection, at, row["transaction_id"], Result.EXPIRED)
                continue
            if not await _close(connection, at, row["transaction_id"], row["used_at"]):
                continue
            # As pending it takes the result that its payment has come to, or comes to.
            result = Result.INTERNAL_ERROR
            if row["may_be_paid"]:
                result = Result.PENDING
            elif row["taken_back"]:
                result = Result.TRANSFERRED_TO_AGENT
            event = Event(
                EventType.TRANSACTION_ENDED,
                at,
                row["call_id"],
                row["transaction_id"],
                Step.AGENT,
                EventDetail(result=result),
            )
            await append(connection, NODE, [event])
            ended += 1
    return ended


async def _close(
    connection: AsyncConnection, at: datetime, transaction_id: str, used_at: datetime | None
) -> bool:
    """Let no call claim it any more; False when one has, since it was looked at."""
    closed = await connection.execute(
        update(preparations)
        .where(
            preparations.c.transaction_id == transaction_id,
            preparations.c.used_at.is_not_distinct_from(used_at),
            preparations.c.cancelled_at.is_(None),
        )
        .values(cancelled_at=at)
    )
    return bool(closed.rowcount)


_JOINED: Final = preparations.join(
    transactions, transactions.c.id == preparations.c.transaction_id
).outerjoin(calls, calls.c.id == transactions.c.call_id)
_OF_TRANSACTION: Final = (
    "owner_id", "debt_id", "amount_due", "currency", "language",
)  # fmt: skip
# The call that ended came after the last use: a use whose call is only arriving still counts.
_TAKEN_BACK: Final = calls.c.ended_at >= preparations.c.used_at
