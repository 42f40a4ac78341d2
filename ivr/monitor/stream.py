"""Events as they happen, over server-sent events (HTML Living Standard, 9.2).

Each client reads the ledger by id, at its own pace: a slow one lags and loses nothing,
and what is buffered for it is one batch at most. One waker serves all clients.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.reading import EventRow, events_after, last_event_id
from ivr.ledger.wake import open_wake
from ivr.monitor import answers

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/event-stream"
BATCH = 200
RETRY_MILLISECONDS = 1000
_CHECK_SECONDS = 1.0
_PATIENCE = 5.0
"""Seconds after which clients look again, should a wake ever be lost."""


class Waker:
    """Tells all streams at once that the ledger has grown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = 0
        self._turned = asyncio.Event()
        self.closed = False

    @property
    def turn(self) -> int:
        """Rises with each wake. Note it before reading, and no wake is missed."""
        return self._turn

    async def run(self) -> None:
        """Pass the ledger's wakes on until cancelled."""
        wake = open_wake(self._database)
        try:
            while True:
                await wake.wait(_PATIENCE)
                self._wake()
        finally:
            await wake.close()

    async def after(self, turn: int, seconds: float) -> bool:
        """Wait for a turn after `turn`; whether it came within `seconds`."""
        if self._turn > turn:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._turned.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._turn += 1
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a stream begins and what it carries."""

    after: int
    call_id: str | None = None
    transaction_id: str | None = None
    owner: str | None = None


class Places:
    """How many streams each person may have open: `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, holder: str) -> bool:
        """Take a place; whether there was one."""
        if self._taken[holder] >= self._most:
            return False
        self._taken[holder] += 1
        return True

    def give_back(self, holder: str) -> None:
        """Free a place that was taken."""
        self._taken[holder] -= 1
        if not self._taken[holder]:
            del self._taken[holder]


async def stream(
    database: Database,
    waker: Waker,
    wanted: Wanted,
    *,
    heartbeat: float,
    still_valid: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """Yield event-stream text until the monitor stops, the ledger fails, or the right ends.

    Whether the reader still has the right is asked after a wake, a second later at most:
    taking a right away wakes all streams.

    A comment every `heartbeat` seconds keeps proxies from closing a quiet stream. The
    first block only sets the id, so a client that has seen nothing yet resumes rightly.
    """
    last = wanted.after
    yield f"retry: {RETRY_MILLISECONDS}\nid: {last}\n\n"
    clock = asyncio.get_running_loop().time
    checked = -_CHECK_SECONDS
    while not waker.closed:
        turn = waker.turn
        due = clock() - checked >= _CHECK_SECONDS
        try:
            # A client that goes away must not cut a read off: that costs a connection.
            if due and not await asyncio.shield(still_valid()):
                return
            checked = clock() if due else checked
            batch, last = await asyncio.shield(_read(database, wanted, last))
        except LedgerUnavailableError as error:
            # The client comes back with the last id it has.
            _log.warning("event stream ends", reason=str(error))
            return
        if batch:
            yield "".join(map(block, batch))
        if len(batch) == BATCH:
            continue
        if not await waker.after(turn, heartbeat if due else _CHECK_SECONDS) and due:
            yield ": still here\n\n"


async def _read(
    database: Database, wanted: Wanted, last: int
) -> tuple[Sequence[EventRow], int]:
    """Return the next events, and the id behind which to go on."""
    # What is others' is not looked at twice.
    newest = last if wanted.owner is None else await last_event_id(database)
    batch = await events_after(
        database,
        last,
        call_id=wanted.call_id,
        transaction_id=wanted.transaction_id,
        owner=wanted.owner,
        limit=BATCH,
    )
    seen = batch[-1].id if batch else last
    return batch, seen if len(batch) == BATCH else max(seen, newest)


def block(row: EventRow) -> str:
    """Return one event as a block of the stream."""
    told = answers.event(row)
    return f"id: {told.id}\nevent: {told.type}\ndata: {told.model_dump_json()}\n\n"
