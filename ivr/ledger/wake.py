"""Waking a reader when another process has written.

A wake-up says only that something may be new; what it is, the reader reads. It may come
without cause, and no cause goes without one: what is written between a reader's query
and its next `wait` ends that wait at once. One `Wake` serves one reader.
"""

import asyncio
import sqlite3
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import CHANNEL
from ivr.ledger.database import Database

log = structlog.get_logger(__name__)

POLL: Final = 0.1
"""Seconds between two looks at SQLite's counter: a few microseconds each."""
_RETRY: Final = 1.0


class Wake(Protocol):
    """Waits for news."""

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - seconds at most
        """Return when something was written, or after `timeout` seconds. Never raise.

        While the database is away it only waits.
        """

    async def close(self) -> None:
        """Give the connection back."""


def open_wake(database: Database, channel: str = CHANNEL, poll: float = POLL) -> Wake:
    """Return what wakes a reader of `database`. It connects at the first `wait`.

    `channel` is what PostgreSQL notifies, `poll` the seconds between two looks at SQLite.
    """
    if database.dialect == "postgresql":
        return _Notified(database, channel)
    return _Polled(database, poll)


class _Connected:
    """A connection of its own, made when first needed and again when it was lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None

    async def _driver(self) -> Any:
        """Return the driver's own connection, outside any transaction."""
        if self._connection is None:
            self._connection = await self._database.engine.connect()
        raw = await self._connection.get_raw_connection()
        return raw.driver_connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):
                # Never back into the pool: it listens, or it is broken.
                await connection.invalidate()
            with suppress(SQLAlchemyError, OSError):
                await connection.close()

    async def close(self) -> None:
        await self._drop()


class _Polled(_Connected):
    """SQLite: `PRAGMA data_version` moves when any other connection has committed."""

    def __init__(self, database: Database, poll: float) -> None:
        super().__init__(database)
        self._poll = poll
        self._seen: int | None = None

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - seconds at most
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not await self._moved():
            left = deadline - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(self._poll if self._connection else _RETRY, left))

    async def _moved(self) -> bool:
        try:
            driver = await self._driver()
            async with driver.execute("PRAGMA data_version") as cursor:
                (version,) = await cursor.fetchone()
        except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
            log.warning("wake-lost", why=type(error).__name__)
            await self._drop()
            return False
        before, self._seen = self._seen, version
        return bool(before != version)


class _Notified(_Connected):
    """PostgreSQL: LISTEN on a connection of its own."""

    def __init__(self, database: Database, channel: str) -> None:
        super().__init__(database)
        self._channel = channel
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - seconds at most
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._lost.is_set():
                    await self._listen()
                await self._news.wait()
        self._news.clear()

    async def _listen(self) -> None:
        await self._drop()
        try:
            driver = await self._driver()
            await driver.add_listener(self._channel, self._notified)
        except Exception as error:  # noqa: BLE001 - asyncpg's errors share no base class
            log.warning("wake-lost", why=type(error).__name__)
            await asyncio.sleep(_RETRY)
            return
        driver.add_termination_listener(self._terminated)
        self._lost.clear()
        # Something may have been written while nobody listened.
        self._news.set()

    def _notified(self, *_: object) -> None:
        self._news.set()

    def _terminated(self, *_: object) -> None:
        self._lost.set()
        self._news.set()
