"""Commands come from the ledger to the calls of a node, and each ends with an outcome."""

import asyncio
from datetime import UTC, datetime

import pytest
from twisted.internet.defer import Deferred

from ivr.calls.commands import CommandReader, Dispatch
from ivr.ledger.commands import (
    Command,
    NewCommand,
    find_command,
    send_command,
    take_commands,
)
from ivr.ledger.database import Database
from ivr.ledger.events import Event
from ivr.vocabulary import CommandOutcome, CommandType, EventType

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
CALL = NewCommand(CommandType.CALL, "user:anna")


def now() -> datetime:
    return AT


class Desk:
    """A node that does what it is told to do; keeps the events."""

    def __init__(self, database: Database, dispatch: Dispatch) -> None:
        self.events: list[Event] = []
        self.ended = asyncio.Event()
        self.reader = CommandReader(database, "north", now, self, dispatch)

    def record(self, event: Event) -> None:
        self.events.append(event)
        self.ended.set()


async def _outcome(database: Database, command: Command) -> CommandOutcome | None:
    found = await find_command(database, now, command.id)
    assert found is not None
    return found.outcome


async def test_a_command_is_done_and_its_end_told(database: Database) -> None:
    told: list[Command] = []

    def dispatch(command: Command) -> CommandOutcome:
        told.append(command)
        return CommandOutcome.DONE

    sent = await send_command(database, now, CALL)
    desk = Desk(database, dispatch)
    assert await desk.reader.once() == 1
    await desk.reader.idle()
    assert [one.id for one in told] == [sent.id]
    assert await _outcome(database, sent) is CommandOutcome.DONE
    [event] = desk.events
    assert (event.type, event.detail.command, event.detail.outcome) == (
        EventType.COMMAND_ENDED,
        CommandType.CALL,
        CommandOutcome.DONE,
    )
    assert await desk.reader.once() == 0


async def test_what_takes_its_time_holds_up_no_other(database: Database) -> None:
    slow: Deferred[CommandOutcome] = Deferred()
    first = await send_command(database, now, CALL)
    second = await send_command(database, now, CALL)
    desk = Desk(
        database, lambda command: slow if command.id == first.id else CommandOutcome.DONE
    )
    await desk.reader.once()
    await desk.ended.wait()
    assert await _outcome(database, first) is None
    slow.callback(CommandOutcome.SHIELD_UNPROVED)
    await desk.reader.idle()
    assert await _outcome(database, first) is CommandOutcome.SHIELD_UNPROVED
    assert await _outcome(database, second) is CommandOutcome.DONE


async def test_a_fault_is_an_outcome_too(database: Database) -> None:
    def dispatch(_: Command) -> CommandOutcome:
        raise RuntimeError("a bug")

    sent = await send_command(database, now, CALL)
    desk = Desk(database, dispatch)
    await desk.reader.once()
    await desk.reader.idle()
    assert await _outcome(database, sent) is CommandOutcome.INTERNAL_ERROR


@pytest.mark.parametrize("before", [True, False])
async def test_a_running_reader_is_woken_and_ends_what_a_dead_process_had_taken(
    database: Database, before: bool
) -> None:
    left = await send_command(database, now, CALL)
    await take_commands(database, now, "north")
    desk = Desk(database, lambda _: CommandOutcome.DONE)
    if before:
        sent = await send_command(database, now, CALL)
        desk.reader.start()
    else:
        desk.reader.start()
        await desk.ended.wait()
        sent = await send_command(database, now, CALL)
    while len(desk.events) < 2:
        desk.ended.clear()
        await desk.ended.wait()
    await desk.reader.idle()
    await desk.reader.close()
    assert await _outcome(database, left) is CommandOutcome.CALL_ENDED
    assert await _outcome(database, sent) is CommandOutcome.DONE
