"""A database that cannot be used says so, without a secret, and nothing is charged."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from ivr.ledger.database import (
    Database,
    LedgerUnavailableError,
    RowRefusedError,
    open_database,
)
from ivr.ledger.debts import Debt
from ivr.ledger.schema import migrate
from ivr.ledger.tables import debts, payment_attempts
from tests.ledger.stage import NOON, Stage, rows


@pytest.mark.parametrize(
    "url",
    ["mysql://root:secret@localhost/x", "secret", "sqlite://", "sqlite:///:memory:", ""],
)
def test_a_url_that_cannot_hold_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerUnavailableError) as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    database = open_database("postgresql://solde:secret@127.0.0.1:1/ledger")
    assert "secret" not in database.url
    with pytest.raises(LedgerUnavailableError) as refused:
        async with database.read():
            pass
    assert "127.0.0.1" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    await database.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
async def test_a_database_that_does_not_exist_is_unavailable(ledger_url: str) -> None:
    database = open_database(ledger_url.replace("/solde_", "/no_such_"))
    with pytest.raises(LedgerUnavailableError, match="no_such_"):
        async with database.write():
            pass
    await database.close()


async def test_a_missing_directory_is_unavailable(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}")
    with pytest.raises(LedgerUnavailableError, match="unable to open"):
        await migrate(database)
    await database.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a letter, not a database\n" * 100)
    database = open_database(f"sqlite:///{path}")
    with pytest.raises(LedgerUnavailableError, match="not a database"):
        await migrate(database)
    await database.close()


async def _owing(path: Path) -> Debt:
    database = open_database(f"sqlite:///{path}")
    await migrate(database)
    debt = await Stage(database).owe()
    await database.close()
    return debt


async def _refused(database: Database, debt: Debt, why: str) -> None:
    stage = Stage(database)
    stage.identify("a", debt)
    with pytest.raises(LedgerUnavailableError, match=why):
        await stage.begin("a", debt)
    await database.close()


async def test_a_read_only_ledger_charges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    debt = await _owing(path)
    await _refused(
        open_database(f"sqlite:///file:{path}?mode=ro&uri=true"), debt, "readonly database"
    )
    again = open_database(f"sqlite:///{path}")
    assert await rows(again, payment_attempts) == []
    await again.close()


async def _fill(stage: Stage, debt: Debt) -> None:
    """Use up the room that is left in the pages of the file."""
    for number in range(10_000):
        stage.identify(f"filler-{number}", debt)
        await stage.writer.flush()


async def test_a_full_disk_charges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    debt = await _owing(path)
    database = open_database(f"sqlite:///{path}")

    def no_more_pages(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")  # SQLite takes the present count
        cursor.close()

    event.listen(database.engine.sync_engine, "connect", no_more_pages)
    stage = Stage(database)
    with pytest.raises(LedgerUnavailableError, match="disk is full"):
        await _fill(stage, debt)
    before = await rows(database, payment_attempts)
    await _refused(database, debt, "disk is full")
    again = open_database(f"sqlite:///{path}")
    assert await rows(again, payment_attempts) == before == []
    await again.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.ledger.database.BUSY_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
async def test_a_ledger_that_another_process_holds_charges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    debt = await _owing(path)
    holder = open_database(f"sqlite:///{path}")
    async with holder.write():
        await _refused(open_database(f"sqlite:///{path}"), debt, "locked")
    assert await rows(holder, payment_attempts) == []
    await holder.close()


async def test_a_committed_attempt_outlives_a_power_cut(database: Database) -> None:
    async with database.write() as connection:
        if database.dialect == "sqlite":
            pragmas = ("synchronous", "journal_mode", "foreign_keys")
            found = [
                (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in pragmas
            ]
            assert found == [2, "wal", 1]
        else:
            shown = await connection.execute(text("SHOW synchronous_commit"))
            assert shown.scalar_one() == "on"


async def test_a_row_that_does_not_fit_is_refused_without_its_values(
    database: Database,
) -> None:
    row = {"id": "d", "reference": "12345678", "amount": 1, "currency": "EUR"}
    secret = {**row, "id": "e", "created_at": NOON}
    async with database.write() as connection:
        await connection.execute(insert(debts), [{**row, "created_at": NOON}])
    with pytest.raises(RowRefusedError) as refused:
        async with database.write() as connection:
            await connection.execute(insert(debts), [secret])
    assert "12345678" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert len(await rows(database, debts)) == 1


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
async def test_a_value_too_long_is_a_refusal_too(database: Database) -> None:
    row = {"id": "d", "reference": "1" * 21, "amount": 1, "currency": "EUR"}
    with pytest.raises(RowRefusedError):
        async with database.write() as connection:
            await connection.execute(insert(debts), [{**row, "created_at": NOON}])


async def test_a_time_without_a_zone_does_not_go_in(database: Database) -> None:
    row = {"id": "d", "reference": "1234", "amount": 1, "currency": "EUR"}
    naive = datetime(2026, 11, 21, 12)  # noqa: DTZ001 - what must be refused
    with pytest.raises(LedgerUnavailableError, match="time zone"):
        async with database.write() as connection:
            await connection.execute(insert(debts), [{**row, "created_at": naive}])


async def test_the_body_of_a_transaction_undoes_it_by_raising(database: Database) -> None:
    row = {"id": "d", "reference": "1234", "amount": 1, "currency": "EUR", "created_at": NOON}

    async def insert_and_fail() -> None:
        async with database.write() as connection:
            await connection.execute(insert(debts), [row])
            raise KeyError("the body's own")

    with pytest.raises(KeyError):
        await insert_and_fail()
    assert await rows(database, debts) == []
