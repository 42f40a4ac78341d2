"""Bringing a database to the tables that this version of Solde reads and writes."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ivr.ledger.database import Database, LedgerUnavailableError

_MIGRATING = 7_077_633_002


async def migrate(database: Database) -> None:
    """Make the tables, or change them to those of this version. Nothing happens if they are.

    All steps are one transaction, so a step that fails leaves the ledger as it was. A
    second process that starts meanwhile waits. Raise `LedgerUnavailableError`.
    """
    async with database.write() as connection:
        if database.dialect == "postgresql":
            # A step over a large table, or the wait for another process's, may take long.
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING}
            )
        await connection.run_sync(_upgrade)


async def check_schema(database: Database) -> None:
    """Raise `LedgerUnavailableError` unless the tables are those of this version."""
    async with database.read() as connection:
        found = await connection.run_sync(_revision)
    scripts = ScriptDirectory.from_config(_config())
    if found == scripts.get_current_head():
        return
    known = {script.revision for script in scripts.walk_revisions()}
    if found is None or found in known:
        state = "has no tables yet" if found is None else f"is at step {found}"
        raise LedgerUnavailableError(f"{database.url}: the ledger {state}: run solde migrate")
    raise LedgerUnavailableError(
        f"{database.url}: the ledger was made by a newer Solde (step {found}): upgrade this one"
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "ivr.ledger:migrations")
    return config


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
