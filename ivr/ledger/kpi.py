"""The indicators of a period, each counted from events by SQL.

Money follows the time of its event: what is due when a debt is identified, what is
recovered when a payment succeeds. Transactions are counted in the period in which they
were created, with whatever became of them since, so the figures of two adjoining
periods add up and nothing is counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database
from ivr.ledger.paging import utc
from ivr.ledger.tables import events
from ivr.vocabulary import EventType, Result, Step

_COMPLETED = (Result.SUCCESS, Result.ALREADY_PAID)
_REFUSED = (EventType.PAYMENT_DECLINED, EventType.PAYMENT_NOT_CHARGED)
_PAYMENT = (EventType.PAYMENT_ATTEMPTED, EventType.PAYMENT_UNKNOWN, *_REFUSED)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was owed and what was paid, in minor units of one currency."""

    currency: str
    due: int
    """Outstanding amounts of the debts identified, each once: at its first identification."""
    debts: int
    recovered: int
    """Sum of the payments that succeeded."""
    payments: int

    @property
    def rate(self) -> float | None:
        """Recovered over due; None when nothing was due."""
        return _ratio(self.recovered, self.due)


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many transactions entered a step, once each."""

    step: str
    transactions: int


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How often entries were refused for one reason at one step, in how many transactions."""

    step: str
    error: str
    errors: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Indicators:
    """The figures of the half-open period [`start`, `end`).

    `transactions` = `completed` + `not_completed` + `pending` + `open`.
    """

    start: datetime
    end: datetime
    recovery: tuple[Recovery, ...]
    """One for each currency met, by its code."""
    transactions: int
    """Created in the period."""
    completed: int
    """A payment succeeded, or it ended with `success` or `already-paid`."""
    not_completed: int
    """Ended otherwise: the caller hung up or refused, the card was declined, a fault …"""
    pending: int
    """Ended before the gateway's answer was known, which it still is not."""
    open: int
    """Not ended yet."""
    with_entry_error: int
    """At least one entry was refused, whatever the end."""
    funnel: tuple[StepCount, ...]
    """Steps in the order of the journey."""
    errors: tuple[ErrorCount, ...]
    """By step in the order of the journey, most frequent first."""

    @property
    def not_completed_rate(self) -> float | None:
        """Share of the transactions with a known end that were not completed."""
        return _ratio(self.not_completed, self.completed + self.not_completed)

    @property
    def entry_error_rate(self) -> float | None:
        """Share of the transactions with an entry error."""
        return _ratio(self.with_entry_error, self.transactions)


async def indicators(database: Database, start: datetime, end: datetime) -> Indicators:
    """Return the figures of [`start`, `end`), two aware moments.

    - *Recovery rate*, for each currency: amount recovered / amount due. Due is the
      outstanding amount that `transaction.identified` tells, once for each debt: its first
      identification in the period. Recovered is the sum of `payment.succeeded` in the
      period. A payment whose debt was identified before `start` is recovered without
      being due, so a short period can exceed 1.
    - *Transactions not completed*: those of `transaction.created` in the period whose
      `transaction.ended` is neither `success` nor `already-paid` and that have no
      `payment.succeeded`. A transaction that ended as `pending` is counted apart until
      its last payment event is `payment.succeeded` (completed), `payment.declined` or
      `payment.not-charged` (not completed).
    - *Transactions with an entry error*: those created in the period with an
      `entry.error`, once each.

    Raise `ValueError` when a moment is naive or the period is upside down, and
    `LedgerUnavailableError`.
    """
    start, end = utc(start), utc(end)
    if end < start:
        raise ValueError("the period ends before it starts")
    async with database.read() as connection:
        recovery = await _recovery(connection, start, end)
        ends = dict((await connection.execute(_ends(start, end))).all())
        steps = (await connection.execute(_funnel(start, end))).all()
        errors = (await connection.execute(_errors(start, end))).all()
        erring = await connection.scalar(_with_entry_error(start, end))
    return Indicators(
        start=start,
        end=end,
        recovery=recovery,
        transactions=sum(ends.values()),
        completed=ends.get("completed", 0),
        not_completed=ends.get("not-completed", 0),
        pending=ends.get("pending", 0),
        open=ends.get("open", 0),
        with_entry_error=erring or 0,
        funnel=tuple(
            sorted((StepCount(*row) for row in steps), key=lambda row: _place(row.step))
        ),
        errors=tuple(
            sorted(
                (ErrorCount(*row) for row in errors),
                key=lambda row: (_place(row.step), -row.errors, row.error),
            )
        ),
    )


async def _recovery(
    connection: AsyncConnection, start: datetime, end: datetime
) -> tuple[Recovery, ...]:
    due = await _sums(connection, _due(start, end))
    recovered = await _sums(connection, _recovered(start, end))
    return tuple(
        Recovery(currency, *due.get(currency, (0, 0)), *recovered.get(currency, (0, 0)))
        for currency in sorted({*due, *recovered})
    )


async def _sums(connection: AsyncConnection, query: Select[Any]) -> dict[str, tuple[int, int]]:
    rows = await connection.execute(query)
    return {currency: (int(amount), count) for currency, amount, count in rows}


_AMOUNT = cast(events.c.data["amount"].as_string(), BigInteger)
_CURRENCY = events.c.data["currency"].as_string()


def _due(start: datetime, end: datetime) -> Select[Any]:
    debt = events.c.data["debt_id"].as_string()
    first = (
        select(
            _CURRENCY.label("currency"),
            _AMOUNT.label("amount"),
            func.row_number()
            .over(partition_by=debt, order_by=(events.c.at, events.c.id))
            .label("rank"),
        )
        .where(
            events.c.type == EventType.TRANSACTION_IDENTIFIED,
            events.c.at >= start,
            events.c.at < end,
        )
        .subquery()
    )
    return (
        select(first.c.currency, func.sum(first.c.amount), func.count())
        .where(first.c.rank == 1)
        .group_by(first.c.currency)
    )


def _recovered(start: datetime, end: datetime) -> Select[Any]:
    return (
        select(_CURRENCY, func.sum(_AMOUNT), func.count())
        .where(
            events.c.type == EventType.PAYMENT_SUCCEEDED,
            events.c.at >= start,
            events.c.at < end,
        )
        .group_by(_CURRENCY)
    )


def _created(start: datetime, end: datetime) -> Select[Any]:
    return select(events.c.transaction_id).where(
        events.c.type == EventType.TRANSACTION_CREATED,
        events.c.at >= start,
        events.c.at < end,
    )


def _ends(start: datetime, end: datetime) -> Select[Any]:
    """Return how many of the period's transactions stand in each of the four states."""
    created = _created(start, end).distinct().subquery()
    ended, asked = events.alias(), events.alias()
    result = ended.c.data["result"].as_string()
    succeeded = exists().where(
        events.c.transaction_id == created.c.transaction_id,
        events.c.type == EventType.PAYMENT_SUCCEEDED,
    )
    state = case(
        (succeeded, "completed"),
        (ended.c.id.is_(None), "open"),
        (result.in_(_COMPLETED), "completed"),
        # The gateway's last answer may come before the end as well as after it.
        (
            and_(result == Result.PENDING, func.coalesce(asked.c.type, "").not_in(_REFUSED)),
            "pending",
        ),
        else_="not-completed",
    ).label("state")
    each = (
        select(state)
        .select_from(created)
        .outerjoin(ended, ended.c.id == _last(created, EventType.TRANSACTION_ENDED))
        .outerjoin(asked, asked.c.id == _last(created, *_PAYMENT))
        .subquery()
    )
    return select(each.c.state, func.count()).group_by(each.c.state)


def _last(created: Subquery, *types: EventType) -> ScalarSelect[int]:
    """Return the id of a transaction's newest event of these types."""
    one = events.alias()
    return (
        select(func.max(one.c.id))
        .where(one.c.transaction_id == created.c.transaction_id, one.c.type.in_(types))
        .correlate(created)
        .scalar_subquery()
    )


def _with_entry_error(start: datetime, end: datetime) -> Select[Any]:
    return select(func.count(distinct(events.c.transaction_id))).where(
        events.c.type == EventType.ENTRY_ERROR,
        events.c.transaction_id.in_(_created(start, end)),
    )


def _funnel(start: datetime, end: datetime) -> Select[Any]:
    return (
        select(events.c.step, func.count(distinct(events.c.transaction_id)))
        .where(
            events.c.type == EventType.STEP_ENTERED,
            events.c.step.is_not(None),
            events.c.transaction_id.in_(_created(start, end)),
        )
        .group_by(events.c.step)
    )


def _errors(start: datetime, end: datetime) -> Select[Any]:
    error = events.c.data["error"].as_string()
    return (
        select(
            events.c.step, error, func.count(), func.count(distinct(events.c.transaction_id))
        )
        .where(
            events.c.type == EventType.ENTRY_ERROR,
            events.c.step.is_not(None),
            events.c.transaction_id.in_(_created(start, end)),
        )
        .group_by(events.c.step, error)
    )


_STEPS: Sequence[str] = [step.value for step in Step]


def _place(step: str) -> int:
    return _STEPS.index(step) if step in _STEPS else len(_STEPS)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
