"""The queue of events that are not in the database yet, and the task that writes them.

Recording never waits: events are written in their order, many to a transaction. What
moves money runs through `commit`, which writes the queue first and in the same
transaction. While the database cannot be written the queue grows, within a bound.

A commit that is cut off leaves its end unknown. Each batch has a number that is written
with it; the next transaction reads it and knows whether the batch must be written again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import append, take_turn
from ivr.ledger.backlog import Backlog
from ivr.ledger.database import Database, LedgerUnavailableError, RowRefusedError
from ivr.ledger.events import PAYMENT_EVENTS, Event, new_id
from ivr.ledger.tables import writers
from ivr.ledger.upsert import insert_or_update

MOST_WAITING: Final = 100_000
_BATCH: Final = 1_000
_GATHER: Final = 0.05
"""Seconds in which events gather: a transaction costs as much as some hundred of them."""
_SPACING: Final = 0.25
"""Seconds from one batch to the next at least, while there is always something to write."""
_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0

log = structlog.get_logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Writing:
    """A transaction under way, at its turn to append."""

    connection: AsyncConnection
    node: str

    async def append(self, events: Sequence[Event]) -> None:
        """Write events and the rows that follow from them."""
        await append(self.connection, self.node, events)


async def _nothing(_writing: Writing) -> None:
    """Only the queue is written."""


class Journal:
    """The events of one ivr process. `node` names it; no two running processes share one."""

    def __init__(
        self,
        database: Database,
        node: str,
        now: Callable[[], datetime],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._database = database
        self._node = node
        self._now = now
        self._session = new_id()
        self._backlog = Backlog(most_waiting)
        self._batch: list[Event] = []
        self._number = 0
        self._in_doubt = False
        self._recorded = 0
        self._turn = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many events are not known to be in the database."""
        return len(self._backlog) + len(self._batch)

    def record(self, event: Event) -> None:
        """Take `event` down. Never waits, never raises."""
        if event.type in PAYMENT_EVENTS:
            # They come with their attempt; alone they would be money that nobody moved.
            log.error("payment-event-refused", type=event.type)
            return
        self._recorded += 1
        given_up = self._backlog.add(event)
        if given_up:
            log.error("events-given-up", events=given_up, waiting=self.waiting)
        self._wanted.set()

    async def start(self) -> None:
        """Begin to write in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ledger-journal")

    async def flush(self) -> None:
        """Return once all that was recorded so far is committed.

        Raise `LedgerUnavailableError`; the events stay queued.
        """
        so_far = self._recorded
        while self._recorded - self.waiting < so_far:
            await self.commit(_nothing)

    async def close(self) -> None:
        """Stop writing in the background and write the rest. Raise as `flush` does."""
        self._closing.set()
        self._wanted.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self.flush()

    async def commit(self, work: Callable[[Writing], Awaitable[_T]]) -> _T:
        """Run `work` in one transaction with the queued events, which are written first.

        What `work` raises undoes the transaction and comes through. Raise
        `LedgerUnavailableError`, after which it may have committed all the same, and
        `RowRefusedError`. `work` may run twice; only the last run counts.
        """
        async with self._turn:
            while self.waiting > _BATCH:
                await self._write_sifted(_nothing)
            return await self._write_sifted(work)

    async def _write_sifted(self, work: Callable[[Writing], Awaitable[_T]]) -> _T:
        try:
            return await self._write(work)
        except RowRefusedError:
            if not self._batch:
                raise
        # One event that cannot be written must not stop the others.
        await self._write_one_by_one()
        return await self._write(work)

    async def _write(self, work: Callable[[Writing], Awaitable[_T]], most: int = _BATCH) -> _T:
        async with self._database.write() as connection:
            await take_turn(connection)
            if self._in_doubt:
                if await self._was_committed(connection):
                    self._settle_batch()
                self._in_doubt = False
            self._batch += self._backlog.take(most - len(self._batch))
            writing = Writing(connection, self._node)
            await writing.append(self._batch)
            result = await work(writing)
            if self._batch:
                await self._mark(connection)
                self._in_doubt = True
        self._in_doubt = False
        self._settle_batch()
        return result

    async def _write_one_by_one(self) -> None:
        count = len(self._batch)
        self._backlog.put_back(self._batch)
        self._batch.clear()
        for _ in range(count):
            try:
                await self._write(_nothing, most=1)
            except RowRefusedError as error:
                self._give_up_refused(error)

    def _give_up_refused(self, error: RowRefusedError) -> None:
        for event in self._batch:
            log.error("event-refused", type=event.type, call=event.call_id, why=str(error))
        self._batch.clear()

    async def _was_committed(self, connection: AsyncConnection) -> bool:
        mine = select(writers.c.batch).where(
            writers.c.node == self._node, writers.c.session == self._session
        )
        last = (await connection.execute(mine)).scalar_one_or_none()
        return last is not None and last > self._number

    async def _mark(self, connection: AsyncConnection) -> None:
        statement = insert_or_update(
            self._database.dialect, writers, ["node"], ["session", "batch", "written_at"]
        )
        row = {
            "node": self._node,
            "session": self._session,
            "batch": self._number + 1,
            "written_at": self._now(),
        }
        await connection.execute(statement, [row])

    def _settle_batch(self) -> None:
        if self._batch:
            self._batch.clear()
            self._number += 1

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        retry = _FIRST_RETRY
        next_batch = loop.time()
        while not self._closing.is_set():
            await self._wanted.wait()
            await self._pause(max(_GATHER, next_batch - loop.time()))
            # What came meanwhile is in this batch, and need not be a reason for another.
            self._wanted.clear()
            next_batch = loop.time() + _SPACING
            try:
                while self.waiting:
                    await self.commit(_nothing)
            except LedgerUnavailableError as error:
                # An outage is known by its words; a traceback adds nothing.
                log.error("ledger-not-written", why=str(error), waiting=self.waiting)  # noqa: TRY400
                retry = await self._wait_to_retry(retry)
            except Exception:
                log.exception("ledger-not-written", waiting=self.waiting)
                retry = await self._wait_to_retry(retry)
            else:
                if retry > _FIRST_RETRY:
                    log.info("ledger-written-again")
                retry = _FIRST_RETRY

    async def _wait_to_retry(self, seconds: float) -> float:
        await self._pause(seconds)
        self._wanted.set()
        return min(seconds * 2, _LAST_RETRY)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the journal is being closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
