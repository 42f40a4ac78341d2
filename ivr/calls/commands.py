"""Taking the commands of agents and programs from the ledger to the live calls."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog
from twisted.internet.defer import Deferred

from ivr.aio import future
from ivr.faults import place
from ivr.ledger.commands import (
    CHANNEL,
    Command,
    close_commands,
    end_command,
    take_commands,
)
from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.wake import open_wake
from ivr.vocabulary import CommandOutcome, EventType

_log = structlog.get_logger(__name__)

_POLL = 0.05
_AT_LEAST_EVERY = 2.0
"""Seconds in which a command is found that no wake-up has told of."""
_RETRY = 1.0

Dispatch = Callable[[Command], CommandOutcome | Deferred[CommandOutcome]]
"""Does a command: what came of it, at once or later."""


class EventSink(Protocol):
    """Takes events to be committed."""

    def record(self, event: Event) -> None:
        """Queue one event."""


class CommandReader:
    """Reads the commands for one node, from `start` to `close`."""

    def __init__(
        self,
        database: Database,
        node: str,
        now: Callable[[], datetime],
        events: EventSink,
        dispatch: Dispatch,
    ) -> None:
        self._database = database
        self._node = node
        self._now = now
        self._events = events
        self._dispatch = dispatch
        self._wake = open_wake(database, CHANNEL, _POLL)
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name="command-reader")

    async def close(self) -> None:
        """Stop reading; what was taken is ended as it stands."""
        for task in (self._task, *self._under_way):
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(task for task in (self._task, *self._under_way) if task is not None),
            return_exceptions=True,
        )
        await self._wake.close()

    async def once(self) -> int:
        """Do what waits now; return how many commands. Raise `LedgerUnavailableError`."""
        taken = await take_commands(self._database, self._now, self._node)
        for command in taken:
            task = asyncio.create_task(self._do(command))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(taken)

    async def idle(self) -> None:
        """Wait until every command that was taken has ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _run(self) -> None:
        left = True
        while True:
            try:
                if left:
                    # Their calls died with the process that had taken them.
                    for command in await close_commands(self._database, self._now, self._node):
                        self._tell(command, CommandOutcome.CALL_ENDED)
                    left = False
                await self.once()
            except LedgerUnavailableError as error:
                _log.warning("commands.postponed", why=str(error))
                await self._wake.wait(_RETRY)
                continue
            await self._wake.wait(_AT_LEAST_EVERY)

    async def _do(self, command: Command) -> None:
        try:
            done = self._dispatch(command)
            outcome = await future(done) if isinstance(done, Deferred) else done
        except Exception as error:  # noqa: BLE001 - one command must not stop the others
            _log.error("command.failed", command=command.id, **place(error))
            outcome = CommandOutcome.INTERNAL_ERROR
        _log.info("command.ended", command=command.id, type=command.type, outcome=outcome)
        self._tell(command, outcome)
        try:
            await end_command(self._database, self._now, command.id, outcome)
        except LedgerUnavailableError as error:
            _log.error("command.end-not-written", command=command.id, why=str(error))

    def _tell(self, command: Command, outcome: CommandOutcome) -> None:
        told = EventDetail(command=command.type, outcome=outcome)
        self._events.record(
            Event(
                EventType.COMMAND_ENDED,
                self._now(),
                command.call_id,
                command.transaction_id,
                detail=told,
            )
        )
