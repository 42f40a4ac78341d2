"""What can be read of the ledger: typed queries for the monitor, the demo and the CLI.

Lists run newest first and are paged by a cursor over (time, id), so a row is met once
however many arrive meanwhile. Times come and go as aware UTC.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.paging import Page, page_of, paged, utc
from ivr.ledger.tables import calls, debts, events, payment_attempts, transactions
from ivr.ledger.tables_agents import users
from ivr.vocabulary import AttemptState, EventType

MAX_ID = 2**63 - 1
"""The largest event id a database can hold."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; `data` holds only the keys that its writer set."""

    id: int
    at: datetime
    type: str
    node: str
    call_id: str | None
    transaction_id: str | None
    step: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction, the reference of its debt and the card of its payment.

    Amounts are minor units of `currency`. `brand`, `last4` and `gateway_reference` are
    those of the payment that succeeded, and None before.
    """

    id: str
    call_id: str | None
    debt_id: str | None
    owner_id: str | None
    """The agent whose it is; None for a transaction of nobody's."""
    owner: str | None
    """The agent's name; a program is named by its id."""
    reference: str | None
    channel: str
    journey: str
    language: str
    step: str
    result: str | None
    amount_due: int | None
    amount_paid: int
    currency: str | None
    brand: str | None
    last4: str | None
    gateway_reference: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One request for money to a gateway, committed before it was made."""

    id: str
    gateway: str
    amount: int
    currency: str
    state: str
    reference: str | None
    code: str | None
    advice: str | None
    brand: str | None
    last4: str | None
    created_at: datetime
    ended_at: datetime | None
    inquiries: int


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call with its transactions, oldest first.

    `latest` has, while the call lives, the newest event of each type and step, oldest
    first: enough to draw the call without reading all that happened in it.
    """

    id: str
    node: str
    direction: str
    caller: str
    called: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    transactions: tuple[TransactionRow, ...] = ()
    latest: tuple[EventRow, ...] = ()


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions; None means any. `created_to` is exclusive."""

    result: str | None = None
    open: bool | None = None
    reference: str | None = None
    language: str | None = None
    call_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    owner: str | None = None


async def find_transactions(
    database: Database,
    wanted: TransactionFilter | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[TransactionRow]:
    """Return transactions, newest first. Raise `CursorError`."""
    query = _transactions()
    for condition in _conditions(wanted or TransactionFilter()):
        query = query.where(condition)
    query = paged(query, transactions.c.created_at, transactions.c.id, limit, cursor)
    async with database.read() as connection:
        rows = [TransactionRow(**row) for row in (await connection.execute(query)).mappings()]
    return page_of(rows, limit, [(row.created_at, row.id) for row in rows])


async def get_transaction(
    database: Database, transaction_id: str, *, owner: str | None = None
) -> TransactionRow | None:
    """Return one transaction, or None when there is none of this id, or of this owner."""
    async with database.read() as connection:
        return await read_transaction(connection, transaction_id, owner=owner)


async def read_transaction(
    connection: AsyncConnection, transaction_id: str, *, owner: str | None = None
) -> TransactionRow | None:
    """Return what `get_transaction` does, as this transaction sees it."""
    query = _transactions().where(transactions.c.id == transaction_id)
    if owner is not None:
        query = query.where(transactions.c.owner_id == owner)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else TransactionRow(**row)


async def attempts_of(database: Database, transaction_id: str) -> tuple[AttemptRow, ...]:
    """Return the payment attempts of a transaction, oldest first."""
    query = (
        select(*(payment_attempts.c[name.name] for name in fields(AttemptRow)))
        .where(payment_attempts.c.transaction_id == transaction_id)
        .order_by(payment_attempts.c.created_at, payment_attempts.c.id)
    )
    async with database.read() as connection:
        return tuple(AttemptRow(**row) for row in (await connection.execute(query)).mappings())


async def find_calls(
    database: Database,
    *,
    live: bool | None = None,
    owner: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[CallRow]:
    """Return calls, newest first, only live or only ended ones on wish. Raise `CursorError`.

    With an `owner`, only calls that have a transaction of theirs, and of those only that.
    """
    query: Select[Any] = select(*_CALL)
    if owner is not None:
        query = query.where(calls.c.id.in_(_owned(transactions.c.call_id, owner)))
    if live is not None:
        query = query.where(
            calls.c.ended_at.is_(None) if live else calls.c.ended_at.is_not(None)
        )
    query = paged(query, calls.c.started_at, calls.c.id, limit, cursor)
    async with database.read() as connection:
        bare = [CallRow(**row) for row in (await connection.execute(query)).mappings()]
        page = page_of(bare, limit, [(row.started_at, row.id) for row in bare])
        made = await _transactions_by_call(connection, [row.id for row in page.items], owner)
        latest = await _latest_by_call(
            connection, [row.id for row in page.items if row.ended_at is None], owner
        )
    return replace(
        page,
        items=tuple(
            replace(row, transactions=tuple(made[row.id]), latest=tuple(latest[row.id]))
            for row in page.items
        ),
    )


async def events_after(
    database: Database,
    after: int = 0,
    *,
    call_id: str | None = None,
    transaction_id: str | None = None,
    owner: str | None = None,
    limit: int = 200,
) -> tuple[EventRow, ...]:
    """Return up to `limit` events with an id above `after`, in the order of their ids.

    With an `owner`, those of their transactions, and what is told of these calls as such.
    """
    query = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
    if call_id is not None:
        query = query.where(events.c.call_id == call_id)
    if transaction_id is not None:
        query = query.where(events.c.transaction_id == transaction_id)
    if owner is not None:
        calls_of_theirs = events.c.call_id.in_(_owned(transactions.c.call_id, owner))
        query = query.where(_theirs(owner), or_(_OF_TRANSACTION, calls_of_theirs))
    async with database.read() as connection:
        return tuple(EventRow(**row) for row in (await connection.execute(query)).mappings())


async def last_event_id(database: Database) -> int:
    """Return the newest event's id; 0 before the first event."""
    async with database.read() as connection:
        return await connection.scalar(select(func.max(events.c.id))) or 0


_CALL = [column for column in calls.columns if column.name != "sip_call_id"]


_OF_TRANSACTION = events.c.transaction_id.is_not(None)


def _owned(column: Column[Any], owner: str) -> Select[Any]:
    return select(column).where(transactions.c.owner_id == owner, column.is_not(None))


def _theirs(owner: str) -> ColumnElement[bool]:
    """Events of no transaction, or of this owner's."""
    return or_(~_OF_TRANSACTION, events.c.transaction_id.in_(_owned(transactions.c.id, owner)))


def _transactions() -> Select[Any]:
    paid = (
        select(payment_attempts.c.id)
        .where(
            payment_attempts.c.transaction_id == transactions.c.id,
            payment_attempts.c.state == AttemptState.SUCCEEDED,
        )
        .order_by(payment_attempts.c.created_at.desc(), payment_attempts.c.id)
        .limit(1)
        .correlate(transactions)
        .scalar_subquery()
    )
    return select(
        *transactions.columns,
        func.coalesce(users.c.name, transactions.c.owner_id).label("owner"),
        debts.c.reference,
        payment_attempts.c.brand,
        payment_attempts.c.last4,
        payment_attempts.c.reference.label("gateway_reference"),
    ).select_from(
        transactions.outerjoin(debts, debts.c.id == transactions.c.debt_id)
        .outerjoin(payment_attempts, payment_attempts.c.id == paid)
        .outerjoin(users, users.c.id == transactions.c.owner_id)
    )


def _conditions(wanted: TransactionFilter) -> list[ColumnElement[bool]]:
    exact: list[tuple[Column[Any], str | None]] = [
        (transactions.c.result, wanted.result),
        (transactions.c.language, wanted.language),
        (transactions.c.call_id, wanted.call_id),
        (debts.c.reference, wanted.reference),
        (transactions.c.owner_id, wanted.owner),
    ]
    found: list[ColumnElement[bool]] = [
        column == value for column, value in exact if value is not None
    ]
    if wanted.open is not None:
        ended = transactions.c.ended_at
        found.append(ended.is_(None) if wanted.open else ended.is_not(None))
    if wanted.created_from is not None:
        found.append(transactions.c.created_at >= utc(wanted.created_from))
    if wanted.created_to is not None:
        found.append(transactions.c.created_at < utc(wanted.created_to))
    return found


async def _transactions_by_call(
    connection: AsyncConnection, call_ids: Sequence[str], owner: str | None
) -> dict[str, list[TransactionRow]]:
    query = (
        _transactions()
        .where(transactions.c.call_id.in_(call_ids))
        .order_by(transactions.c.created_at, transactions.c.id)
    )
    if owner is not None:
        query = query.where(transactions.c.owner_id == owner)
    found: dict[str, list[TransactionRow]] = defaultdict(list)
    for row in (await connection.execute(query)).mappings():
        found[row["call_id"]].append(TransactionRow(**row))
    return found


async def _latest_by_call(
    connection: AsyncConnection, call_ids: Sequence[str], owner: str | None
) -> dict[str, list[EventRow]]:
    newest = (
        select(func.max(events.c.id))
        .where(events.c.call_id.in_(call_ids), events.c.type != EventType.PROMPT_PLAYED)
        .group_by(events.c.call_id, events.c.type, events.c.step)
    )
    if owner is not None:
        newest = newest.where(_theirs(owner))
    query = select(events).where(events.c.id.in_(newest)).order_by(events.c.id)
    found: dict[str, list[EventRow]] = defaultdict(list)
    for row in (await connection.execute(query)).mappings():
        found[row["call_id"]].append(EventRow(**row))
    return found
