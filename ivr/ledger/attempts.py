"""Payment attempts: committed before the gateway is called.

At most one attempt on a debt is open, whatever the phone, process or node: the debt's row
is locked while its outstanding amount is computed again, and a unique index stands behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import LedgerUnavailableError, RowRefusedError
from ivr.ledger.details import LARGEST_AMOUNT, EventDetail
from ivr.ledger.events import Event, new_id
from ivr.ledger.journal import Journal, Writing
from ivr.ledger.tables import debts, payment_attempts
from ivr.vocabulary import AttemptState, EventType, Step

OPEN_STATES: Final = (AttemptState.PENDING, AttemptState.UNKNOWN)


class AttemptRefusedError(Exception):
    """This attempt must not be made; nothing was written."""


class DebtAlreadyPaidError(AttemptRefusedError):
    """Nothing is outstanding."""


class AttemptInProgressError(AttemptRefusedError):
    """Another attempt on this debt is open: its end is not known yet."""


class AmountExceedsDebtError(AttemptRefusedError):
    """The amount is more than what is outstanding (minor units)."""

    def __init__(self, outstanding: int) -> None:
        super().__init__(f"only {outstanding} minor units are outstanding")
        self.outstanding = outstanding


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for money to a gateway. Amounts are minor units of `currency`."""

    id: str
    key: str
    """The idempotency key that the gateway sees."""
    transaction_id: str
    debt_id: str
    call_id: str | None
    node: str
    gateway: str
    amount: int
    currency: str
    state: AttemptState
    reference: str | None
    code: str | None
    advice: str | None
    brand: str | None
    last4: str | None
    created_at: datetime
    ended_at: datetime | None
    inquired_at: datetime | None
    inquiries: int


ATTEMPT_COLUMNS: Final = tuple(payment_attempts.c[named.name] for named in fields(Attempt))


def read_attempt(row: RowMapping) -> Attempt:
    """Return the attempt in a row of `ATTEMPT_COLUMNS`."""
    values = {named.name: row[named.name] for named in fields(Attempt)}
    return Attempt(**{**values, "state": AttemptState(row["state"])})


async def begin_attempt(
    journal: Journal,
    now: Callable[[], datetime],
    *,
    transaction_id: str,
    debt_id: str,
    call_id: str | None,
    key: str,
    gateway: str,
    amount: int,
    currency: str,
) -> Attempt:
    """Commit a pending attempt and its event; only then may the gateway be called.

    Raise `DebtAlreadyPaidError`, `AttemptInProgressError`, `AmountExceedsDebtError` or
    `LedgerUnavailableError`: nothing may be charged. A cancelled or unavailable commit may
    leave a pending attempt, which an inquiry then ends as not charged.
    """
    if not 0 < amount <= LARGEST_AMOUNT:
        raise ValueError("an attempt's amount is more than nothing, in minor units")

    async def work(writing: Writing) -> Attempt:
        connection = writing.connection
        await _check(connection, debt_id, key, amount, currency)
        attempt = Attempt(
            id=new_id(),
            key=key,
            transaction_id=transaction_id,
            debt_id=debt_id,
            call_id=call_id,
            node=writing.node,
            gateway=gateway,
            amount=amount,
            currency=currency,
            state=AttemptState.PENDING,
            reference=None,
            code=None,
            advice=None,
            brand=None,
            last4=None,
            created_at=now(),
            ended_at=None,
            inquired_at=None,
            inquiries=0,
        )
        row = {named.name: getattr(attempt, named.name) for named in fields(Attempt)}
        await connection.execute(insert(payment_attempts), [row])
        detail = EventDetail(amount=amount, currency=currency)
        await writing.append(
            [payment_event(attempt, EventType.PAYMENT_ATTEMPTED, now(), detail)]
        )
        return attempt

    try:
        return await journal.commit(work)
    except RowRefusedError:
        raise LedgerUnavailableError(
            "the attempt does not fit the ledger: its transaction is not there"
        ) from None


async def _check(
    connection: AsyncConnection, debt_id: str, key: str, amount: int, currency: str
) -> None:
    """Lock the debt and refuse what must not be charged."""
    of_debt = select(debts.c.amount, debts.c.currency).where(debts.c.id == debt_id)
    debt = (await connection.execute(of_debt.with_for_update())).one_or_none()
    if debt is None:
        raise LedgerUnavailableError("the attempt's debt is not in the ledger")
    if debt.currency != currency:
        raise ValueError("the attempt's currency is not the debt's")
    attempts = select(
        payment_attempts.c.key, payment_attempts.c.state, payment_attempts.c.amount
    )
    rows = (
        await connection.execute(
            attempts.where(
                or_(payment_attempts.c.debt_id == debt_id, payment_attempts.c.key == key)
            )
        )
    ).all()
    paid = sum(row.amount for row in rows if row.state == AttemptState.SUCCEEDED)
    outstanding = debt.amount - paid
    if outstanding <= 0:
        raise DebtAlreadyPaidError("nothing is outstanding on this debt")
    if any(row.state in OPEN_STATES for row in rows):
        raise AttemptInProgressError("another attempt on this debt is open")
    if any(row.key == key for row in rows):
        raise AttemptInProgressError("an attempt with this key was made before")
    if amount > outstanding:
        raise AmountExceedsDebtError(outstanding)


def payment_event(
    attempt: Attempt, kind: EventType, at: datetime, detail: EventDetail
) -> Event:
    """Return an event of the attempt's own."""
    return Event(kind, at, attempt.call_id, attempt.transaction_id, Step.PROCESSING, detail)
