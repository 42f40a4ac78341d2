"""Commands reach the node whose call it is, once, and always get an answer."""

import asyncio
from datetime import UTC, datetime, timedelta

from ivr.ledger.commands import (
    NewCommand,
    end_command,
    expire_commands,
    find_command,
    send_command,
    take_commands,
)
from ivr.ledger.database import Database
from ivr.ledger.details import Direction, EventDetail
from ivr.ledger.events import Event, call_started, transaction_created
from ivr.ledger.reading import events_after
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import CommandOutcome, CommandType, EventType

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
TAKE_BACK = NewCommand(CommandType.TAKE_BACK, "agent:anna", "paying")


def now() -> datetime:
    return AT


async def _node(database: Database) -> LedgerWriter:
    """Return a node with one live call, whose transaction is called `paying`."""
    writer = LedgerWriter(database, "north", now)
    writer.record(
        call_started(
            "call-one",
            AT,
            direction=Direction.INBOUND,
            caller="+33123456789",
            called="3000",
            sip_call_id="x",
        )
    )
    writer.record(
        transaction_created(
            "paying", AT, call_id="call-one", channel="inbound-call", journey="p", language="fr"
        )
    )
    await writer.flush()
    return writer


async def test_a_command_reaches_the_node_of_its_call(database: Database) -> None:
    node = await _node(database)
    sent = await send_command(database, now, TAKE_BACK)
    assert (sent.node, sent.call_id, sent.outcome) == (node.node, "call-one", None)
    assert await take_commands(database, now, "south") == []
    (taken,) = await take_commands(database, now, node.node)
    assert (taken.id, taken.type, taken.actor) == (sent.id, CommandType.TAKE_BACK, "agent:anna")


async def test_a_command_is_taken_once(database: Database) -> None:
    node = await _node(database)
    await send_command(database, now, TAKE_BACK)
    both = await asyncio.gather(
        take_commands(database, now, node.node), take_commands(database, now, node.node)
    )
    assert sum(map(len, both)) == 1


async def test_any_node_may_take_a_command_without_a_call(database: Database) -> None:
    await send_command(database, now, NewCommand(CommandType.CALL, "agent:anna"))
    assert len(await take_commands(database, now, "south")) == 1
    assert await take_commands(database, now, "north") == []


async def test_the_first_end_stands(database: Database) -> None:
    node = await _node(database)
    sent = await send_command(database, now, TAKE_BACK)
    await take_commands(database, now, node.node)
    await end_command(database, now, sent.id, CommandOutcome.DONE)
    await end_command(database, now, sent.id, CommandOutcome.NOT_NOW)
    found = await find_command(database, now, sent.id)
    assert found is not None
    assert found.outcome is CommandOutcome.DONE


async def test_a_call_that_has_ended_is_told_at_once(database: Database) -> None:
    node = await _node(database)
    node.record(
        Event(EventType.CALL_ENDED, AT, "call-one", detail=EventDetail(reason="hung-up"))
    )
    await node.flush()
    sent = await send_command(database, now, TAKE_BACK)
    assert sent.outcome is CommandOutcome.CALL_ENDED
    assert await take_commands(database, now, node.node) == []
    told = (await events_after(database))[-1]
    assert (told.type, told.transaction_id) == (EventType.COMMAND_ENDED, "paying")
    assert told.data == {"command": "take-back", "outcome": "call-ended"}


async def test_a_command_that_nobody_takes_expires(database: Database) -> None:
    node = await _node(database)
    sent = await send_command(database, now, TAKE_BACK)
    young = await find_command(database, now, sent.id)
    assert young is not None
    assert young.outcome is None
    old = await find_command(database, lambda: AT + timedelta(seconds=6), sent.id)
    assert old is not None
    assert old.outcome is CommandOutcome.EXPIRED
    assert await take_commands(database, now, node.node) == []


async def test_one_that_nobody_asks_about_expires_too(database: Database) -> None:
    """A node that was away must not do later what was asked of it before."""
    node = await _node(database)
    old = await send_command(database, now, TAKE_BACK)
    call = await send_command(database, now, NewCommand(CommandType.CALL, "agent:anna"))
    young = await send_command(database, lambda: AT + timedelta(seconds=4), TAKE_BACK)
    ended = await expire_commands(database, lambda: AT + timedelta(seconds=5))
    assert [(one.id, one.outcome) for one in ended] == [
        (old.id, CommandOutcome.EXPIRED),
        (call.id, CommandOutcome.EXPIRED),
    ]
    assert [one.id for one in await take_commands(database, now, node.node)] == [young.id]
    assert await expire_commands(database, lambda: AT + timedelta(hours=1)) == []
    told = await events_after(database)
    assert [(one.transaction_id, one.data) for one in told[-2:]] == [
        ("paying", {"command": "take-back", "outcome": "expired"}),
        (None, {"command": "call", "outcome": "expired"}),
    ]


async def test_of_a_call_that_has_ended_it_is_told_so(database: Database) -> None:
    node = await _node(database)
    await send_command(database, now, TAKE_BACK)
    node.record(
        Event(EventType.CALL_ENDED, AT, "call-one", detail=EventDetail(reason="hung-up"))
    )
    await node.flush()
    (ended,) = await expire_commands(database, lambda: AT + timedelta(seconds=5))
    assert ended.outcome is CommandOutcome.CALL_ENDED


async def test_there_is_no_such_command(database: Database) -> None:
    assert await find_command(database, now, 77) is None
