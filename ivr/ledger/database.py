"""Opening the ledger's database, SQLite or PostgreSQL, with the settings that money needs.

A transaction that commits has survived a power cut: `synchronous=FULL` on SQLite,
`synchronous_commit=on` on PostgreSQL. Parameters never reach a log or an exception.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Literal

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

Dialect = Literal["sqlite", "postgresql"]

BUSY_SECONDS = 5
"""How long a statement waits for another process's lock before it gives up."""
STATEMENT_SECONDS = 15
_WRITES = "solde_writes"


class LedgerUnavailableError(Exception):
    """The ledger cannot be read or written now: nothing may be charged.

    The message says why in the database's words; it holds no password and no value.
    """


class RowRefusedError(Exception):
    """The tables cannot hold a row: another has its key, or what it refers to is missing.

    Nothing of its transaction was written.
    """


class Database:
    """One process's connections to the ledger."""

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self.engine = engine
        self.dialect = dialect
        self.url = engine.url.render_as_string(hide_password=True)
        self._writing = engine.execution_options(**{_WRITES: True})
        # SQLite has one writer at a time. Waiting here is fair and wakes at once;
        # SQLite's own waiting, needed between processes, polls.
        self._turn = asyncio.Lock() if dialect == "sqlite" else None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction of its own, rolled back at the end.

        Raise `LedgerUnavailableError`.
        """
        with _explained(self.url):
            async with self.engine.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a write transaction, committed at the end.

        On SQLite it is the only writer from the first moment (`BEGIN IMMEDIATE`), so
        what it reads stays true until it commits. After `LedgerUnavailableError` or a
        cancellation the transaction may have committed all the same; `RowRefusedError` and
        the body's own exceptions mean that it did not.
        """
        turn: AbstractAsyncContextManager[Any] = self._turn or nullcontext()
        async with turn:
            with _explained(self.url):
                async with self._writing.begin() as connection:
                    yield connection

    async def close(self) -> None:
        """Close the connections."""
        await self.engine.dispose()


class _explained:  # noqa: N801 - reads as a statement
    """Turn what a driver raises into the ledger's own exceptions, which hold no value."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DBAPIError) and _is_refusal(error):
            raise RowRefusedError(type(error.orig).__name__) from None
        if isinstance(error, (SQLAlchemyError, OSError)):
            raise LedgerUnavailableError(f"{self._url}: {_reason(error)}") from None


def _is_refusal(error: DBAPIError) -> bool:
    if isinstance(error, (IntegrityError, DataError)):
        return True
    # Data exceptions of PostgreSQL come untyped (SQL standard, class 22).
    return str(getattr(error.orig, "sqlstate", None)).startswith("22")


def _reason(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    first_line = (str(cause).splitlines() or [""])[0]
    return first_line or type(cause).__name__


def open_database(url: str) -> Database:
    """Open the ledger at `sqlite:////path/to/file.db` or `postgresql://user@host/name`.

    Nothing is connected yet. Raise `LedgerUnavailableError` for any other URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerUnavailableError(
            "the ledger's URL cannot be read; use sqlite:////path/to/file.db or "
            "postgresql://user:password@host/name"
        ) from None
    # At DEBUG this logger prints the parameters of every statement.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    match parsed.get_backend_name():
        case "sqlite":
            return Database(_sqlite(parsed), "sqlite")
        case "postgresql" | "postgres":
            return Database(_postgresql(parsed), "postgresql")
        case other:
            raise LedgerUnavailableError(
                f"the ledger cannot be kept in {other!r}; use sqlite:// or postgresql://"
            )


def _sqlite(url: URL) -> AsyncEngine:
    if not url.database or ":memory:" in url.database:
        raise LedgerUnavailableError(
            "the ledger's URL names no file; two processes share it, so it cannot be in memory"
        )
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions late and never IMMEDIATE; `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> AsyncEngine:
    query = dict(url.query)
    if "sslmode" in query:  # libpq's name, in every other tool's URL
        query["ssl"] = query.pop("sslmode")
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg", query=query),
        hide_parameters=True,
        pool_size=5,
        max_overflow=5,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "timeout": BUSY_SECONDS,
            "command_timeout": STATEMENT_SECONDS + BUSY_SECONDS,
            "server_settings": {
                "application_name": "solde",
                "synchronous_commit": "on",
                "statement_timeout": f"{STATEMENT_SECONDS}s",
                "lock_timeout": f"{BUSY_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
            },
        },
    )
