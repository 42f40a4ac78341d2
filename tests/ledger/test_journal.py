"""Events reach the database in their order, once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.database import Database, LedgerUnavailableError, open_database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.journal import Journal, Writing
from ivr.ledger.tables import calls, entry_errors, events, payment_attempts
from ivr.ledger.wake import open_wake
from ivr.vocabulary import EntryError, EventType, Step
from tests.fakes.databases import PostgresServer
from tests.ledger.stage import NOON, Stage, Ticking, call, rows, transaction, types


def progress(digits: int) -> Event:
    detail = EventDetail(digits=digits)
    return Event(EventType.ENTRY_PROGRESS, NOON, None, None, Step.CARD_NUMBER, detail)


async def keyed(database: Database) -> list[int]:
    return [row["data"]["digits"] for row in await rows(database, events)]


async def test_events_are_written_in_their_order(database: Database) -> None:
    stage = Stage(database)
    for digits in range(50):
        stage.writer.record(progress(digits))
    assert stage.writer.waiting == 50
    await stage.writer.flush()
    assert stage.writer.waiting == 0
    assert await keyed(database) == list(range(50))
    ids = [row["id"] for row in await rows(database, events)]
    assert ids == list(range(ids[0], ids[0] + 50))


async def test_more_than_a_batch_is_written_whole(database: Database) -> None:
    stage = Stage(database)
    for number in range(2_500):
        stage.writer.record(progress(number % 100))
    await stage.writer.flush()
    assert await keyed(database) == [number % 100 for number in range(2_500)]


async def test_two_nodes_share_one_row_of_ids(database: Database, ledger_url: str) -> None:
    elsewhere = open_database(ledger_url)
    nodes = [Stage(database, "node-1"), Stage(elsewhere, "node-2")]
    for digits in range(99):
        nodes[digits % 2].writer.record(progress(digits))
    await asyncio.gather(*(node.writer.flush() for node in nodes))
    found = await rows(database, events)
    assert sorted(row["data"]["digits"] for row in found) == list(range(99))
    for node in ("node-1", "node-2"):
        of_node = [row["data"]["digits"] for row in found if row["node"] == node]
        assert of_node == sorted(of_node)
    await elsewhere.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
async def test_a_higher_id_never_commits_before_a_lower_one(
    database: Database, ledger_url: str
) -> None:
    elsewhere = open_database(ledger_url)
    first, second = Journal(database, "node-1", Ticking()), Stage(elsewhere, "node-2").writer
    second.record(progress(2))

    async def append_and_hold(writing: Writing) -> "asyncio.Future[None]":
        await writing.append([progress(1)])
        other = asyncio.ensure_future(second.flush())
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not (await writing.connection.execute(waiting)).scalar_one():
            assert not other.done()
        return other

    async with asyncio.timeout(30):
        await (await first.commit(append_and_hold))
    assert await keyed(database) == [1, 2]
    await elsewhere.close()


async def test_an_event_keeps_its_words_and_no_empty_field(database: Database) -> None:
    stage = Stage(database)
    detail = EventDetail(digits=4, brand="visa", luhn=False, silence=1.26)
    stage.writer.record(call("a"))
    stage.writer.record(transaction("a"))
    stage.writer.record(
        Event(EventType.ENTRY_PROGRESS, NOON, "call-a", "tx-a", Step.CARD_NUMBER, detail)
    )
    await stage.writer.flush()
    row = (await rows(database, events))[-1]
    assert row["data"] == {"digits": 4, "brand": "visa", "luhn": False, "silence": 1.3}
    assert (row["at"], row["node"], row["call_id"], row["transaction_id"], row["step"]) == (
        NOON,
        "node-1",
        "call-a",
        "tx-a",
        "payment-card-number",
    )


async def test_an_entry_error_has_a_row_that_points_to_its_event(database: Database) -> None:
    stage = Stage(database)
    detail = EventDetail(error=EntryError.LUHN_FAILED, attempt=2)
    stage.writer.record(progress(1))
    stage.writer.record(
        Event(EventType.ENTRY_ERROR, NOON, "call-a", "tx-a", Step.CARD_NUMBER, detail)
    )
    stage.writer.record(progress(2))
    await stage.writer.flush()
    (row,) = await rows(database, entry_errors)
    (event,) = [row for row in await rows(database, events) if row["type"] == "entry.error"]
    assert row == {
        "event_id": event["id"],
        "transaction_id": "tx-a",
        "call_id": "call-a",
        "at": NOON,
        "step": "payment-card-number",
        "error": "luhn-failed",
        "attempt": 2,
    }


async def test_events_are_written_in_the_background(
    database: Database, ledger_url: str
) -> None:
    elsewhere = open_database(ledger_url)
    wake = open_wake(elsewhere)
    stage = Stage(database)
    await stage.writer.start()
    stage.writer.record(progress(1))
    async with asyncio.timeout(30):
        while not await types(elsewhere):
            await wake.wait(30)
    await wake.close()
    await stage.writer.close()
    await elsewhere.close()


async def test_closing_writes_what_waits(database: Database) -> None:
    stage = Stage(database)
    await stage.writer.start()
    stage.writer.record(progress(1))
    await stage.writer.close()
    assert await keyed(database) == [1]


async def _rename(database: Database, name: str, to: str) -> None:
    async with database.write() as connection:
        await connection.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))


async def test_an_outage_loses_nothing(database: Database, ledger_url: str) -> None:
    elsewhere = open_database(ledger_url)
    wake = open_wake(elsewhere)
    stage = Stage(database)
    await _rename(elsewhere, "events", "away")
    with structlog.testing.capture_logs() as logs:
        await stage.writer.start()
        stage.writer.record(progress(1))
        with pytest.raises(LedgerUnavailableError):
            await stage.writer.flush()
        stage.writer.record(progress(2))
        with pytest.raises(LedgerUnavailableError):
            await stage.writer.flush()
        assert stage.writer.waiting == 2
        await _rename(elsewhere, "away", "events")
        async with asyncio.timeout(30):
            while len(await types(elsewhere)) < 2:
                await wake.wait(30)
        await stage.writer.close()
    assert await keyed(database) == [1, 2]
    assert all(line["log_level"] in ("error", "info") for line in logs)
    await wake.close()
    await elsewhere.close()


async def test_nothing_is_charged_in_an_outage(database: Database, ledger_url: str) -> None:
    elsewhere = open_database(ledger_url)
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await _rename(elsewhere, "events", "away")
    with pytest.raises(LedgerUnavailableError):
        await stage.begin("a", debt)
    await _rename(elsewhere, "away", "events")
    assert await rows(database, payment_attempts) == []
    await stage.begin("a", debt)
    assert (await types(database)).count("call.started") == 1
    await elsewhere.close()


class _CutOff(Database):
    """Loses the connection at the moment of a commit, before or after it happened."""

    cut: str | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        async with super().write() as connection:
            yield connection
            if self.cut == "before":
                self.cut = None
                raise LedgerUnavailableError("cut off before the commit")
        if self.cut == "after":
            self.cut = None
            raise LedgerUnavailableError("cut off after the commit")


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_commit_that_is_cut_off_is_neither_lost_nor_repeated(
    database: Database, cut: str
) -> None:
    fragile = _CutOff(database.engine, database.dialect)
    journal = Journal(fragile, "node-1", Ticking())
    journal.record(progress(1))
    await journal.flush()
    fragile.cut = cut
    journal.record(progress(2))
    with pytest.raises(LedgerUnavailableError):
        await journal.flush()
    journal.record(progress(3))
    await journal.flush()
    assert await keyed(database) == [1, 2, 3]
    journal.record(progress(4))
    await journal.flush()
    assert await keyed(database) == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_an_attempt_whose_commit_is_cut_off_is_not_charged(
    database: Database, cut: str
) -> None:
    fragile = _CutOff(database.engine, database.dialect)
    stage = Stage(fragile)
    debt = await stage.owe()
    stage.identify("a", debt)
    fragile.cut = cut
    with pytest.raises(LedgerUnavailableError):
        await stage.begin("a", debt)
    await stage.writer.flush()
    told = await types(database)
    assert told[:3] == ["call.started", "transaction.created", "transaction.identified"]
    # What may have been committed is found open, to be inquired about; nothing is doubled.
    open_now = await stage.writer.open_attempts()
    assert len(open_now) == told.count("payment.attempted") == (1 if cut == "after" else 0)


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
async def test_a_restart_of_postgresql_loses_nothing(
    database: Database, ledger_url: str, postgres: PostgresServer
) -> None:
    stage = Stage(database)
    stage.writer.record(progress(1))
    await stage.writer.flush()
    stage.writer.record(progress(2))
    postgres.cut_connections(ledger_url)
    await stage.writer.flush()

    journal = Journal(database, "node-2", Ticking())

    async def cut(writing: Writing) -> None:
        postgres.cut_connections(ledger_url)
        await writing.append([progress(4)])

    journal.record(progress(3))
    with pytest.raises(LedgerUnavailableError):
        await journal.commit(cut)
    await journal.flush()
    assert await keyed(database) == [1, 2, 3]


async def test_a_cancelled_commit_leaves_the_queue_whole(database: Database) -> None:
    journal = Journal(database, "node-1", Ticking())
    journal.record(progress(1))
    reached = asyncio.Event()

    async def hang(writing: Writing) -> None:
        await writing.append([progress(9)])
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(journal.commit(hang))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    journal.record(progress(2))
    await journal.flush()
    assert await keyed(database) == [1, 2]


async def test_one_event_that_does_not_fit_stops_no_other(database: Database) -> None:
    stage = Stage(database)
    with structlog.testing.capture_logs() as logs:
        stage.writer.record(call("a"))
        stage.writer.record(transaction("without-call"))
        stage.writer.record(transaction("a"))
        await stage.writer.flush()
    assert await types(database) == ["call.started", "transaction.created"]
    assert [line["event"] for line in logs] == ["event-refused"]


async def test_a_refused_attempt_takes_no_other_event_with_it(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.writer.record(call("a"))
    with pytest.raises(LedgerUnavailableError, match="transaction"):
        await stage.begin("a", debt)
    await stage.writer.flush()
    assert await types(database) == ["call.started"]


async def test_payment_events_come_only_with_their_attempt(database: Database) -> None:
    stage = Stage(database)
    with structlog.testing.capture_logs() as logs:
        stage.writer.record(Event(EventType.PAYMENT_SUCCEEDED, NOON))
    await stage.writer.flush()
    assert await types(database) == []
    assert [line["event"] for line in logs] == ["payment-event-refused"]


async def test_memory_is_bounded_and_the_least_telling_is_given_up(database: Database) -> None:
    stage = Stage(database, most_waiting=4)
    with structlog.testing.capture_logs() as logs:
        stage.writer.record(call("a"))
        stage.writer.record(progress(1))
        stage.writer.record(progress(2))
        stage.writer.record(Event(EventType.PROMPT_PLAYED, NOON))
        stage.writer.record(transaction("a"))
        stage.writer.record(call("b"))
        stage.writer.record(transaction("b"))
        stage.writer.record(call("c"))
    assert [line["event"] for line in logs] == ["events-given-up"] * 4
    await stage.writer.flush()
    assert await types(database) == [
        "call.started",
        "transaction.created",
        "call.started",
        "transaction.created",
    ]
    assert [row["id"] for row in await rows(database, calls)] == ["call-a", "call-b"]
