"""Preparing a transaction before the debtor's call comes: its debt, its token, its code.

`preparations` is what becomes of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import append, take_turn
from ivr.ledger.debts import Debt, NewDebt, read_debt
from ivr.ledger.events import new_id, transaction_created, transaction_identified
from ivr.ledger.preparations import NODE
from ivr.ledger.tables import debts, transactions
from ivr.ledger.tables_agents import preparations
from ivr.vocabulary import Refusal

CHANNEL: Final = "agent"
"""The channel of a transaction that was prepared."""
# As with `new_id`, no digit: 16 letters to the power of 32 are 128 bits.
_LETTERS, _LENGTH = "abcdefghijklmnop", 32
_DRAWS: Final = 50


class NotPreparedError(Exception):
    """This cannot be prepared; `field` is what is not right, the message says why.

    `debt` is the one that it would be about, where it is known.
    """

    def __init__(self, code: Refusal, field: str, why: str, debt: Debt | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.field = field
        self.debt = debt


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPreparation:
    """What is to be prepared, for whom. Amounts are minor units of `currency`."""

    owner_id: str | None
    """The agent whose it is, or the program; None for nobody's."""
    language: str
    reference: str | None = None
    """Of a debt; None, or one that no debt has, makes a debt of `amount`."""
    amount: int | None = None
    """None for all that is outstanding."""
    currency: str | None = None
    """None for the debt's."""
    debtor: str = ""
    """Name on a debt that is made."""
    journey: str = "payment"
    offers: tuple[str, ...] = ("all",)
    agent_phone: str = ""
    afterwards: str = "good-bye"
    mode: str = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """How codes and references are drawn, and how long a preparation lives."""

    digits: int = 8
    lives: timedelta = timedelta(minutes=15)
    reference_digits: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What was prepared. `token` and `code` open it: show them to who prepared it only."""

    transaction_id: str
    token: str
    code: str
    """Digits without the prefix."""
    expires_at: datetime


async def prepare(
    connection: AsyncConnection, at: datetime, new: NewPreparation, codes: Codes
) -> Prepared:
    """Prepare a transaction inside the caller's write transaction.

    Raise `NotPreparedError`; nothing of it must then be committed.
    """
    await take_turn(connection)
    debt = await _debt_for(connection, at, new, codes.reference_digits)
    amount = debt.outstanding if new.amount is None else new.amount
    transaction_id = new_id()
    created = transaction_created(
        transaction_id,
        at,
        call_id=None,
        channel=CHANNEL,
        journey=new.journey,
        language=new.language,
    )
    identified = transaction_identified(
        transaction_id,
        at,
        call_id=None,
        debt_id=debt.id,
        outstanding=amount,
        currency=debt.currency,
    )
    await append(connection, NODE, [created, identified])
    await connection.execute(
        update(transactions)
        .where(transactions.c.id == transaction_id)
        .values(owner_id=new.owner_id)
    )
    prepared = Prepared(
        transaction_id=transaction_id,
        token="".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)),
        code=await _free_code(connection, codes.digits),
        expires_at=at + codes.lives,
    )
    row = {
        "transaction_id": transaction_id,
        "token": prepared.token,
        "code": prepared.code,
        "offers": list(new.offers),
        "agent_phone": new.agent_phone,
        "afterwards": new.afterwards,
        "mode": new.mode,
        "expires_at": prepared.expires_at,
    }
    await connection.execute(insert(preparations), [row])
    return prepared


async def debt_to_pay(
    connection: AsyncConnection, at: datetime, new: NewPreparation, codes: Codes
) -> Debt:
    """Return the debt of what is wanted; one is made where none is known.

    As `prepare`, without a transaction to prepare.
    """
    await take_turn(connection)
    return await _debt_for(connection, at, new, codes.reference_digits)


async def debt_of_live(
    connection: AsyncConnection,
    at: datetime,
    transaction_id: str,
    new: NewPreparation,
    codes: Codes,
) -> Debt | None:
    """As `debt_to_pay`, for a live transaction; None where that stays at the debt it has."""
    query = select(transactions.c.debt_id).where(transactions.c.id == transaction_id)
    has_debt = await connection.scalar(query) is not None
    if new.reference is None and (has_debt or new.amount is None):
        return None
    return await debt_to_pay(connection, at, new, codes)


async def _debt_for(
    connection: AsyncConnection, at: datetime, new: NewPreparation, reference_digits: int
) -> Debt:
    known = (
        await read_debt(connection, debts.c.reference == new.reference)
        if new.reference is not None
        else None
    )
    if known is None:
        return await _new_debt(connection, at, new, reference_digits)
    if new.currency not in (None, known.currency):
        raise NotPreparedError(
            Refusal.OTHER_CURRENCY, "currency", f"This debt is in {known.currency}.", known
        )
    if known.has_open_attempt:
        raise NotPreparedError(
            Refusal.PAYMENT_UNDECIDED,
            "reference",
            "A payment on this debt is not decided yet; nothing may be charged meanwhile.",
        )
    if known.outstanding == 0:
        raise NotPreparedError(
            Refusal.NOTHING_OWED, "reference", "Nothing is outstanding on this debt."
        )
    if new.amount is not None and new.amount > known.outstanding:
        raise NotPreparedError(
            Refusal.MORE_THAN_OWED,
            "amount",
            f"Only {known.outstanding} minor units are outstanding on this debt.",
            known,
        )
    return known


async def _new_debt(
    connection: AsyncConnection, at: datetime, new: NewPreparation, reference_digits: int
) -> Debt:
    if new.amount is None or new.currency is None:
        raise NotPreparedError(
            Refusal.DEBT_UNKNOWN,
            "amount",
            "No debt is known by this reference: give an amount and its currency.",
        )
    reference = new.reference or await _free_reference(connection, reference_digits)
    try:
        made = NewDebt(
            reference=reference,
            amount=new.amount,
            currency=new.currency,
            debtor=new.debtor,
            language=new.language,
        )
    except ValueError as error:
        raise NotPreparedError(Refusal.WRONG_FIELDS, "reference", f"{error}.") from None
    debt_id = new_id()
    row = {
        "id": debt_id,
        "reference": made.reference,
        "debtor": made.debtor,
        "amount": made.amount,
        "currency": made.currency,
        "language": made.language,
        "created_at": at,
        "agent_made": True,
    }
    await connection.execute(insert(debts), [row])
    found = await read_debt(connection, debts.c.id == debt_id)
    assert found is not None  # noqa: S101 - written a moment ago
    return found


def _digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))


async def _free_reference(connection: AsyncConnection, count: int) -> str:
    for _ in range(_DRAWS):
        drawn = _digits(count)
        taken = exists().where(debts.c.reference == drawn)
        if not await connection.scalar(select(taken)):
            return drawn
    raise NotPreparedError(Refusal.NONE_FREE, "reference", "No reference is free: give one.")


async def _free_code(connection: AsyncConnection, count: int) -> str:
    """Draw a code that no open transaction has: all that prepare take turns."""
    for _ in range(_DRAWS):
        drawn = _digits(count)
        taken = exists(
            select(preparations.c.code)
            .select_from(
                preparations.join(
                    transactions, transactions.c.id == preparations.c.transaction_id
                )
            )
            .where(preparations.c.code == drawn, transactions.c.ended_at.is_(None))
        )
        if not await connection.scalar(select(taken)):
            return drawn
    raise NotPreparedError(
        Refusal.NONE_FREE, "transfer", "No code is free: make transfer.code_digits larger."
    )
