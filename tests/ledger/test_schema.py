"""The migrations make the tables that the code reads, on both databases."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from ivr.ledger.database import Database, LedgerUnavailableError, open_database
from ivr.ledger.schema import check_schema, migrate
from ivr.ledger.tables_agents import users


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, users.metadata))


async def test_the_migrations_make_the_tables_of_this_version(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []
    await check_schema(database)


async def test_partial_indexes_are_partial(database: Database) -> None:
    catalogue = (
        "SELECT sql FROM sqlite_master WHERE name = 'uq_payment_attempts_open'"
        if database.dialect == "sqlite"
        else "SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_payment_attempts_open'"
    )
    async with database.read() as connection:
        made = str((await connection.execute(text(catalogue))).scalar_one())
    assert "UNIQUE" in made
    assert "pending" in made.partition("WHERE")[2]
    assert "unknown" in made.partition("WHERE")[2]


async def test_an_empty_database_says_what_to_run(ledger_url: str) -> None:
    database = open_database(ledger_url)
    with pytest.raises(LedgerUnavailableError, match="run solde migrate"):
        await check_schema(database)
    await database.close()


async def test_a_newer_ledger_is_left_alone(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerUnavailableError, match="newer Solde"):
        await check_schema(database)


async def test_two_processes_may_migrate_at_once(ledger_url: str) -> None:
    one, other = open_database(ledger_url), open_database(ledger_url)
    await asyncio.gather(migrate(one), migrate(other))
    await check_schema(one)
    await migrate(one)
    await one.close()
    await other.close()
