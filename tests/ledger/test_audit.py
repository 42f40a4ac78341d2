"""The audit trail keeps what it was told, and the database refuses to change it."""

import pytest
from sqlalchemy import delete, text, update

from ivr.ledger.audit import AuditRow, add_audit, audit, find_audit
from ivr.ledger.database import Database, LedgerUnavailableError, RowRefusedError
from ivr.ledger.tables_agents import audit as trail
from tests.ledger.stage import NOON


async def _two(database: Database) -> None:
    await audit(database, lambda: NOON, "user:anna", "command.sent", "tx-1", {"type": "cancel"})
    await audit(database, lambda: NOON, "command-line", "user.added", "u-1")


async def test_the_newest_comes_first_and_pages_go_back(database: Database) -> None:
    await _two(database)
    rows = await find_audit(database)
    assert rows == (
        AuditRow(2, NOON, "command-line", "user.added", "u-1", {}),
        AuditRow(1, NOON, "user:anna", "command.sent", "tx-1", {"type": "cancel"}),
    )
    assert await find_audit(database, limit=1) == rows[:1]
    assert await find_audit(database, before=2) == rows[1:]


@pytest.mark.parametrize(
    "change",
    [
        update(trail).values(actor="user:eve"),
        update(trail).where(trail.c.id == 1).values(at=NOON),
        delete(trail).where(trail.c.id == 1),
        delete(trail),
    ],
)
async def test_the_database_refuses_every_change(database: Database, change: object) -> None:
    await _two(database)
    before = await find_audit(database)
    with pytest.raises((LedgerUnavailableError, RowRefusedError)):
        async with database.write() as connection:
            await connection.execute(change)  # type: ignore[call-overload]
    assert await find_audit(database) == before


async def test_postgresql_refuses_to_empty_it(database: Database) -> None:
    await _two(database)
    # SQLite has no TRUNCATE; its DELETE without a condition is refused above.
    empty = "TRUNCATE audit" if database.dialect == "postgresql" else "DELETE FROM audit"
    with pytest.raises((LedgerUnavailableError, RowRefusedError)):
        async with database.write() as connection:
            await connection.execute(text(empty))
    assert len(await find_audit(database)) == 2


async def test_an_act_that_is_undone_leaves_no_trace(database: Database) -> None:
    async def act() -> None:
        async with database.write() as connection:
            await add_audit(connection, NOON, "user:anna", "user.added")
            raise KeyError

    with pytest.raises(KeyError):
        await act()
    assert await find_audit(database) == ()
