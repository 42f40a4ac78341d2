"""Debts: what is owed, by whom, and what is still outstanding."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database, RowRefusedError
from ivr.ledger.details import LARGEST_AMOUNT
from ivr.ledger.events import new_id
from ivr.ledger.tables import OPEN, debts, payment_attempts
from ivr.ledger.upsert import insert_or_update
from ivr.vocabulary import AttemptState

REFERENCE: Final = re.compile(r"[0-9]{4,12}")
"""What a debtor can key, and shorter than any card number."""
_CHUNK: Final = 500


class DebtsRefusedError(Exception):
    """These debts cannot be loaded, and none of them was; the message says why."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A debt as it stands now. Amounts are minor units of `currency`."""

    id: str
    reference: str
    debtor: str
    creditor: str
    letter_date: date | None
    amount: int
    currency: str
    outstanding: int
    """`amount` less what was paid; never below 0."""
    has_open_attempt: bool
    """A payment's end is not known yet: nothing may be charged meanwhile."""
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDebt:
    """A debt to load. Raise `ValueError` saying what is not right, never repeating it."""

    reference: str
    """4 to 12 digits, as on the letter."""
    amount: int
    """Minor units of `currency`."""
    currency: str
    debtor: str = ""
    creditor: str = ""
    letter_date: date | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        if not REFERENCE.fullmatch(self.reference):
            raise ValueError("reference is 4 to 12 digits")
        if not 0 <= self.amount <= LARGEST_AMOUNT:
            raise ValueError("amount is not one that can be owed")
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("currency is a code of three letters, as EUR")
        if self.language is not None and not re.fullmatch("[a-z]{2}", self.language):
            raise ValueError("language is two small letters, as fr")
        if "\0" in self.debtor + self.creditor:
            raise ValueError("debtor and creditor are plain text")


async def find_debt(database: Database, reference: str) -> Debt | None:
    """Return the debt with this reference, or None. Raise `LedgerUnavailableError`."""
    # A debtor may key the card number here: it must not reach even a statement's parameter.
    if not REFERENCE.fullmatch(reference):
        return None
    async with database.read() as connection:
        return await read_debt(connection, debts.c.reference == reference)


async def read_debt(connection: AsyncConnection, which: ColumnElement[bool]) -> Debt | None:
    """Return the one debt of which `which` holds, or None, as this transaction sees it."""
    of_debt = payment_attempts.c.debt_id == debts.c.id
    paid = (
        select(func.coalesce(func.sum(payment_attempts.c.amount), 0))
        .where(of_debt, payment_attempts.c.state == AttemptState.SUCCEEDED)
        .scalar_subquery()
    )
    query = select(
        debts, paid.label("paid"), exists().where(of_debt, OPEN).label("has_open_attempt")
    ).where(which)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _debt(row)


def _debt(row: Row[tuple[object, ...]]) -> Debt:
    return Debt(
        id=row.id,
        reference=row.reference,
        debtor=row.debtor,
        creditor=row.creditor,
        letter_date=row.letter_date,
        amount=row.amount,
        currency=row.currency,
        outstanding=max(0, row.amount - int(row.paid)),
        has_open_attempt=bool(row.has_open_attempt),
        language=row.language,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def add_debts(
    database: Database, added: Sequence[NewDebt], now: Callable[[], datetime] = _utc_now
) -> int:
    """Load debts, all or none; one with a known reference is brought up to date.

    Unless an agent made that one for somebody else: what it says is not overwritten.
    Return how many. Raise `DebtsRefusedError`, `LedgerUnavailableError`.
    """
    references = [debt.reference for debt in added]
    if len(set(references)) != len(references):
        raise DebtsRefusedError("a reference occurs twice among the debts to load")
    statement = insert_or_update(
        database.dialect,
        debts,
        ["reference"],
        ["debtor", "creditor", "letter_date", "amount", "currency", "language", "agent_made"],
    )
    loaded = {"created_at": now(), "agent_made": False}
    rows = [{name: getattr(debt, name) for name in _LOADED} for debt in added]
    try:
        async with database.write() as connection:
            for start in range(0, len(added), _CHUNK):
                await _check_currencies(connection, added[start : start + _CHUNK])
                await _check_debtors(connection, added[start : start + _CHUNK])
            if rows:
                await connection.execute(
                    statement, [{**row, **loaded, "id": new_id()} for row in rows]
                )
    except RowRefusedError as error:
        raise DebtsRefusedError(f"a debt does not fit the tables: {error}") from None
    return len(rows)


_LOADED: Final = (
    "reference", "debtor", "creditor", "letter_date", "amount", "currency", "language",
)  # fmt: skip


async def _check_currencies(connection: AsyncConnection, added: Sequence[NewDebt]) -> None:
    """Refuse another currency for a debt on which payments were attempted."""
    new = {debt.reference: debt.currency for debt in added}
    query = select(debts.c.reference, debts.c.currency).where(
        debts.c.reference.in_(new), exists().where(payment_attempts.c.debt_id == debts.c.id)
    )
    for reference, currency in await connection.execute(query):
        if new[reference] != currency:
            raise DebtsRefusedError(
                f"debt {reference} has payments in {currency}; its currency cannot change"
            )


async def _check_debtors(connection: AsyncConnection, added: Sequence[NewDebt]) -> None:
    """Refuse a debt whose reference is that of one made by an agent for another debtor."""
    new = {debt.reference: debt.debtor for debt in added}
    query = select(debts.c.reference, debts.c.debtor).where(
        debts.c.reference.in_(new), debts.c.agent_made
    )
    for reference, debtor in await connection.execute(query):
        # One without a name may be anybody's.
        if not debtor or new[reference] != debtor:
            raise DebtsRefusedError(
                f"debt {reference} was made by an agent, for another debtor or without a name; "
                "it cannot be overwritten: load this row with another reference"
            )
