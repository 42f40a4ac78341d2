"""How payment attempts end: once, with the event that says so in the same transaction."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.attempts import (
    ATTEMPT_COLUMNS,
    OPEN_STATES,
    Attempt,
    payment_event,
    read_attempt,
)
from ivr.ledger.details import (
    MASKED_EXPIRY,
    EventDetail,
    safe_brand,
    safe_last4,
    safe_reference,
    safe_word,
)
from ivr.ledger.events import PAYMENT_ENDS
from ivr.ledger.journal import Journal, Writing
from ivr.ledger.projections import settle
from ivr.ledger.tables import payment_attempts, transactions
from ivr.vocabulary import AttemptState, EventType

log = structlog.get_logger(__name__)

_EVENT_OF_END: Final = {
    AttemptState.SUCCEEDED: EventType.PAYMENT_SUCCEEDED,
    AttemptState.DECLINED: EventType.PAYMENT_DECLINED,
    AttemptState.NOT_CHARGED: EventType.PAYMENT_NOT_CHARGED,
    AttemptState.UNKNOWN: EventType.PAYMENT_UNKNOWN,
}


async def finish_attempt(
    journal: Journal,
    now: Callable[[], datetime],
    key: str,
    *,
    state: AttemptState,
    reference: str | None = None,
    code: str | None = None,
    advice: str | None = None,
    brand: str | None = None,
    last4: str | None = None,
) -> bool:
    """Commit how an attempt ended, with its event.

    Return False when it had ended before, or was never begun in this ledger.
    `UNKNOWN` keeps it open, to be inquired about. What the gateway says beside the end is
    left out where an event would refuse it: an end is never lost for its decoration.
    Raise `LedgerUnavailableError`.
    """
    if state is AttemptState.PENDING:
        raise ValueError("an attempt does not end as pending")
    said = {
        "reference": safe_reference(reference),
        "code": safe_word(code),
        "advice": safe_word(advice),
        "brand": safe_brand(brand),
        "last4": safe_last4(last4),
    }
    if reference is not None and said["reference"] is None:
        log.warning("gateway-reference-withheld", attempt=key)

    async def work(writing: Writing) -> bool:
        at = now()
        attempt = await _end(writing.connection, key, state, at, said)
        if attempt is None:
            return False
        result = None
        if state is not AttemptState.UNKNOWN:
            result = await settle(writing.connection, attempt.transaction_id)
        kind = _EVENT_OF_END[state]
        detail = EventDetail(
            amount=attempt.amount,
            currency=attempt.currency,
            reference=attempt.reference,
            code=attempt.code,
            advice=attempt.advice,
            brand=attempt.brand,
            last4=attempt.last4 if kind in PAYMENT_ENDS else None,
            expiry_masked=MASKED_EXPIRY if kind in PAYMENT_ENDS and attempt.last4 else None,
            result=result,
        )
        await writing.append([payment_event(attempt, kind, at, detail)])
        return True

    return await journal.commit(work)


async def _end(
    connection: AsyncConnection,
    key: str,
    state: AttemptState,
    at: datetime,
    said: Mapping[str, str | None],
) -> Attempt | None:
    """Move the attempt to `state`; None when it is there, or has ended, already."""
    of_key = payment_attempts.c.key == key
    known = {name: value for name, value in said.items() if value is not None}
    unknown = state is AttemptState.UNKNOWN
    endable = (AttemptState.PENDING,) if unknown else OPEN_STATES
    moved = await connection.execute(
        update(payment_attempts)
        .where(of_key, payment_attempts.c.state.in_(endable))
        .values(state=state, ended_at=None if unknown else at, **known)
        .returning(*ATTEMPT_COLUMNS)
    )
    row = moved.mappings().one_or_none()
    if row is None:
        found = await connection.execute(select(payment_attempts.c.state).where(of_key))
        if found.scalar_one_or_none() is None:
            # A notice may tell of another system's payment at the same gateway.
            log.error("attempt-not-known", attempt=key, state=state)
        return None
    if state is AttemptState.SUCCEEDED:
        await connection.execute(
            update(transactions)
            .where(transactions.c.id == row["transaction_id"])
            .values(amount_paid=transactions.c.amount_paid + row["amount"])
        )
    return read_attempt(row)
