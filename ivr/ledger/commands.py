"""Commands: what an agent or a program asks of a call, carried to its node by the ledger.

sent (by the monitor) ─ taken (by the node whose call it is) ─ ended, with an outcome

A command for a call that has ended ends as it is sent. One that no node takes in time, its
node having died, is ended by a monitor, so that nobody does it when nobody expects it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, and_, case, exists, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import append, take_turn
from ivr.ledger.database import Database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.preparations import NODE
from ivr.ledger.tables import calls, transactions
from ivr.ledger.tables_agents import commands
from ivr.vocabulary import CommandOutcome, CommandType, EventType

CHANNEL: Final = "solde_commands"
"""PostgreSQL's nodes are notified here when a command is sent."""
_TAKEN_WITHIN: Final = timedelta(seconds=5)
_NOTIFY = text("SELECT pg_notify(:channel, '')")


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to be sent. `actor` is who asks, as the audit trail names them."""

    type: CommandType
    actor: str
    transaction_id: str | None = None
    """Its call is commanded; None for a command that any node may take."""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it stands."""

    id: int
    type: CommandType
    transaction_id: str | None
    call_id: str | None
    node: str | None
    data: Mapping[str, Any]
    actor: str
    sent_at: datetime
    taken_at: datetime | None
    ended_at: datetime | None
    outcome: CommandOutcome | None


async def send_command(
    database: Database, now: Callable[[], datetime], new: NewCommand
) -> Command:
    """Send a command; return how it stands. Raise `LedgerUnavailableError`."""
    async with database.write() as connection:
        return await send_within(connection, now(), new)


async def send_within(connection: AsyncConnection, at: datetime, new: NewCommand) -> Command:
    """Send a command inside the caller's write transaction; it may wait for its turn there."""
    call_id, node, outcome = None, None, None
    if new.transaction_id is not None:
        live = (
            select(calls.c.id, calls.c.node)
            .join(transactions, transactions.c.call_id == calls.c.id)
            .where(transactions.c.id == new.transaction_id, calls.c.ended_at.is_(None))
        )
        found = (await connection.execute(live)).one_or_none()
        if found is None:
            outcome = CommandOutcome.CALL_ENDED
        else:
            call_id, node = found
    row = {
        "type": new.type,
        "transaction_id": new.transaction_id,
        "call_id": call_id,
        "node": node,
        "data": dict(new.data),
        "actor": new.actor,
        "sent_at": at,
        "ended_at": None if outcome is None else at,
        "outcome": outcome,
    }
    sent = await connection.execute(insert(commands).returning(commands), [row])
    if connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY, {"channel": CHANNEL})
    command = _command(sent.mappings().one())
    if outcome is not None:
        await take_turn(connection)
        await append(connection, NODE, [_told(command, at)])
    return command


async def find_command(
    database: Database, now: Callable[[], datetime], command_id: int
) -> Command | None:
    """Return a command as it stands, or None. Raise `LedgerUnavailableError`.

    One that was not taken in time is ended: `expired`, or `call-ended` if its call has.
    """
    query = select(commands).where(commands.c.id == command_id)
    async with database.read() as connection:
        found = (await connection.execute(query)).mappings().one_or_none()
    if found is None:
        return None
    command = _command(found)
    if command.ended_at is not None or command.taken_at is not None:
        return command
    if now() - command.sent_at < _TAKEN_WITHIN:
        return command
    await expire_commands(database, now)
    async with database.read() as connection:
        return _command((await connection.execute(query)).mappings().one())


async def expire_commands(database: Database, now: Callable[[], datetime]) -> list[Command]:
    """End what no node has taken in time, so that none does it later; return it.

    As `expired`, or as `call-ended` if its call has. Raise `LedgerUnavailableError`.
    """
    at = now()
    overdue = and_(
        commands.c.taken_at.is_(None),
        commands.c.ended_at.is_(None),
        commands.c.sent_at <= at - _TAKEN_WITHIN,
    )
    async with database.read() as connection:
        if (
            await connection.execute(select(commands.c.id).where(overdue).limit(1))
        ).first() is None:
            return []
    over = exists().where(calls.c.id == commands.c.call_id, calls.c.ended_at.is_not(None))
    outcome = case((over, CommandOutcome.CALL_ENDED.value), else_=CommandOutcome.EXPIRED.value)
    async with database.write() as connection:
        await take_turn(connection)
        changed = await connection.execute(
            update(commands)
            .where(overdue)
            .values(taken_at=at, ended_at=at, outcome=outcome)
            .returning(commands)
        )
        ended = sorted(map(_command, changed.mappings()), key=lambda command: command.id)
        await append(connection, NODE, [_told(command, at) for command in ended])
    return ended


async def take_commands(
    database: Database, now: Callable[[], datetime], node: str, most: int = 50
) -> list[Command]:
    """Take the commands that wait for `node`, oldest first; nobody else is given them.

    Raise `LedgerUnavailableError`.
    """
    waiting = (
        select(commands.c.id)
        .where(
            commands.c.taken_at.is_(None),
            commands.c.ended_at.is_(None),
            or_(commands.c.node == node, commands.c.node.is_(None)),
        )
        .order_by(commands.c.id)
        .limit(most)
    )
    async with database.read() as connection:
        ids = (await connection.execute(waiting)).scalars().all()
    if not ids:
        return []
    async with database.write() as connection:
        taken = await connection.execute(
            update(commands)
            .where(commands.c.id.in_(ids), commands.c.taken_at.is_(None))
            .values(taken_at=now(), node=node)
            .returning(commands)
        )
        return sorted(map(_command, taken.mappings()), key=lambda command: command.id)


async def end_command(
    database: Database,
    now: Callable[[], datetime],
    command_id: int,
    outcome: CommandOutcome,
) -> None:
    """Write down what came of a taken command; the first end stands.

    Raise `LedgerUnavailableError`.
    """
    async with database.write() as connection:
        await connection.execute(
            update(commands)
            .where(commands.c.id == command_id, commands.c.ended_at.is_(None))
            .values(ended_at=now(), outcome=outcome)
        )


async def close_commands(
    database: Database, now: Callable[[], datetime], node: str
) -> list[Command]:
    """End what `node` had taken when it died, as `call-ended`; return these commands.

    Call it once when the node starts. Raise `LedgerUnavailableError`.
    """
    left = and_(
        commands.c.node == node,
        commands.c.taken_at.is_not(None),
        commands.c.ended_at.is_(None),
    )
    async with database.write() as connection:
        closed = await connection.execute(
            update(commands)
            .where(left)
            .values(ended_at=now(), outcome=CommandOutcome.CALL_ENDED)
            .returning(commands)
        )
        return [_command(row) for row in closed.mappings()]


def _told(command: Command, at: datetime) -> Event:
    detail = EventDetail(command=command.type, outcome=command.outcome)
    return Event(
        EventType.COMMAND_ENDED, at, command.call_id, command.transaction_id, detail=detail
    )


def _command(row: RowMapping) -> Command:
    outcome = row["outcome"]
    return Command(
        **{
            **row,
            "type": CommandType(row["type"]),
            "outcome": None if outcome is None else CommandOutcome(outcome),
        }
    )
