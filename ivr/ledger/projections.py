"""The rows of calls and transactions, as the events of a batch open, move and end them.

Each kind of change is one statement for the whole batch. An end is written once: the row
that has ended stays as it is.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Insert,
    Update,
    and_,
    bindparam,
    case,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.events import CallOpening, Event, TransactionOpening
from ivr.ledger.tables import OPEN, calls, payment_attempts, transactions
from ivr.vocabulary import AttemptState, EventType, Result

_Row = dict[str, Any]

_ANSWERED = (
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.answered_at.is_(None))
    .values(answered_at=bindparam("moment"))
)
_CALL_ENDED = (
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.ended_at.is_(None))
    .values(ended_at=bindparam("moment"), end_reason=bindparam("reason"))
)
_TOUCHED = (
    update(transactions)
    .where(transactions.c.id == bindparam("transaction"))
    .values(updated_at=bindparam("moment"))
)
_MOVED = _TOUCHED.values(step=bindparam("to_step"))
_IDENTIFIED = (
    update(transactions)
    .where(transactions.c.id == bindparam("transaction"))
    .values(debt_id=bindparam("debt"), amount_due=bindparam("due"), currency=bindparam("money"))
)
_TRANSFERRED = (
    update(transactions)
    .where(transactions.c.id == bindparam("transaction"))
    .values(call_id=bindparam("call"))
)
_OWNED = (
    update(transactions)
    .where(transactions.c.id == bindparam("transaction"), transactions.c.owner_id.is_(None))
    .values(owner_id=bindparam("agent"))
)
_ENDED = (
    update(transactions)
    .where(transactions.c.id == bindparam("transaction"), transactions.c.ended_at.is_(None))
    .values(ended_at=bindparam("moment"), result=bindparam("end"))
)


async def project(connection: AsyncConnection, node: str, added: Sequence[Event]) -> None:
    """Bring the rows of calls and transactions up to `added`, in their order."""
    answered = [
        {"call": event.call_id, "moment": event.at}
        for event in _all(added, EventType.CALL_ANSWERED)
    ]
    ended: list[_Row] = [
        {"transaction": event.transaction_id, "moment": event.at, "end": event.detail.result}
        for event in _all(added, EventType.TRANSACTION_ENDED)
    ]
    hung_up = [
        {"call": event.call_id, "moment": event.at, "reason": event.detail.reason}
        for event in _all(added, EventType.CALL_ENDED)
    ]
    moved, touched = _progress(added)
    changes: tuple[tuple[Insert | Update, list[_Row]], ...] = (
        (insert(calls), _calls(added, node)),
        (insert(transactions), _transactions(added)),
        (_ANSWERED, answered),
        (_TRANSFERRED, _transfers(added)),
        (_OWNED, _owners(added)),
        (_IDENTIFIED, _debts(added)),
        (_MOVED, moved),
        (_TOUCHED, touched),
        (_ENDED, ended),
        (_CALL_ENDED, hung_up),
    )
    for statement, rows in changes:
        if rows:
            await connection.execute(statement, rows)
    for row in ended:
        # The gateway's answer may have come before the caller's last event.
        if row["end"] is Result.PENDING:
            await settle(connection, row["transaction"])


async def settle(connection: AsyncConnection, transaction_id: str) -> Result | None:
    """Give an ended transaction the result that its attempts have since come to.

    `pending` becomes what the last attempt came to; any result becomes success where one
    succeeded. Return the new result; None when it stays, or an attempt is still open.
    """
    its_attempts = payment_attempts.c.transaction_id == transactions.c.id
    last_state = (
        select(payment_attempts.c.state)
        .where(its_attempts)
        # Any success outweighs what else was tried.
        .order_by(
            case((payment_attempts.c.state == AttemptState.SUCCEEDED, 0), else_=1),
            payment_attempts.c.created_at.desc(),
            payment_attempts.c.id.desc(),
        )
        .limit(1)
        .scalar_subquery()
    )
    found = await connection.execute(
        update(transactions)
        .where(
            transactions.c.id == transaction_id,
            or_(
                transactions.c.result == Result.PENDING,
                and_(
                    transactions.c.result != Result.SUCCESS,
                    last_state == AttemptState.SUCCEEDED,
                ),
            ),
            exists().where(its_attempts),
            ~exists().where(its_attempts, OPEN),
        )
        .values(
            result=case(
                (last_state == AttemptState.SUCCEEDED, Result.SUCCESS.value),
                (last_state == AttemptState.DECLINED, Result.CARD_DECLINED.value),
                else_=Result.PAYMENT_CONNECTOR_ERROR.value,
            )
        )
        .returning(transactions.c.result)
    )
    result = found.scalar_one_or_none()
    return None if result is None else Result(result)


def _all(added: Sequence[Event], kind: EventType) -> list[Event]:
    return [event for event in added if event.type is kind]


def _calls(added: Sequence[Event], node: str) -> list[_Row]:
    return [
        {
            "id": event.call_id,
            "node": node,
            "direction": event.opening.direction,
            "caller": event.opening.caller,
            "called": event.opening.called,
            "sip_call_id": event.opening.sip_call_id,
            "started_at": event.at,
        }
        for event in added
        if isinstance(event.opening, CallOpening)
    ]


def _transactions(added: Sequence[Event]) -> list[_Row]:
    return [
        {
            "id": event.transaction_id,
            "call_id": event.call_id,
            "channel": event.opening.channel,
            "journey": event.opening.journey,
            "language": event.opening.language,
            "step": event.step,
            "created_at": event.at,
            "updated_at": event.at,
        }
        for event in added
        if isinstance(event.opening, TransactionOpening)
    ]


def _transfers(added: Sequence[Event]) -> list[_Row]:
    return [
        {"transaction": event.transaction_id, "call": event.call_id}
        for event in _all(added, EventType.TRANSACTION_TRANSFERRED)
    ]


def _owners(added: Sequence[Event]) -> list[_Row]:
    """Give each that is nobody's to the first agent whose phone rings for it.

    Where the agent was called before the debtor, that is who is connected.
    """
    return [
        {"transaction": event.transaction_id, "agent": event.detail.agent}
        for event in added
        if event.type in (EventType.AGENT_RINGING, EventType.AGENT_CONNECTED)
        and event.detail.agent is not None
    ]


def _debts(added: Sequence[Event]) -> list[_Row]:
    return [
        {
            "transaction": event.transaction_id,
            "debt": event.detail.debt_id,
            "due": event.detail.amount,
            "money": event.detail.currency,
        }
        for event in _all(added, EventType.TRANSACTION_IDENTIFIED)
    ]


def _progress(added: Sequence[Event]) -> tuple[list[_Row], list[_Row]]:
    """Say each transaction's last moment and, where it moved, its last step: moved, touched."""
    last: dict[str, _Row] = {}
    for event in added:
        if event.transaction_id is None or event.opening is not None:
            continue
        row = last.setdefault(event.transaction_id, {"transaction": event.transaction_id})
        row["moment"] = event.at
        if event.step is not None and event.type in _MOVES:
            row["to_step"] = event.step
    moved = [row for row in last.values() if "to_step" in row]
    touched = [row for row in last.values() if "to_step" not in row]
    return moved, touched


_MOVES = (EventType.STEP_ENTERED, EventType.TRANSACTION_ENDED)
