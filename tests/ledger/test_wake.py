"""A reader is woken by what another process commits."""

import asyncio

import pytest

from ivr.ledger.database import Database, open_database
from ivr.ledger.events import Event
from ivr.ledger.wake import Wake, open_wake
from ivr.vocabulary import EventType
from tests.fakes.databases import PostgresServer
from tests.ledger.stage import NOON, Stage, types

_LONG = 3600.0
_PATIENCE = 30.0


async def _settle(wake: Wake) -> None:
    """Use up the wake-up that a new connection gives."""
    async with asyncio.timeout(_PATIENCE):
        await wake.wait(_LONG)


async def _record(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(Event(EventType.PROMPT_PLAYED, NOON))
    await stage.writer.flush()


async def test_a_commit_ends_the_wait(database: Database, ledger_url: str) -> None:
    reader = open_database(ledger_url)
    wake = open_wake(reader)
    await _settle(wake)
    waiting = asyncio.ensure_future(wake.wait(_LONG))
    await _record(database)
    await asyncio.wait_for(waiting, _PATIENCE)
    assert await types(reader) == ["prompt.played"]
    await wake.close()
    await reader.close()


async def test_what_was_committed_before_the_wait_ends_it_at_once(
    database: Database, ledger_url: str
) -> None:
    reader = open_database(ledger_url)
    wake = open_wake(reader)
    await _settle(wake)
    await _record(database)
    async with asyncio.timeout(_PATIENCE):
        await wake.wait(_LONG)
    await wake.close()
    await reader.close()


async def test_silence_ends_with_the_timeout(database: Database) -> None:
    wake = open_wake(database)
    await _settle(wake)
    await wake.wait(0)
    await wake.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
async def test_a_lost_connection_is_made_again(
    database: Database, ledger_url: str, postgres: PostgresServer
) -> None:
    reader = open_database(ledger_url)
    wake = open_wake(reader)
    await _settle(wake)
    postgres.cut_connections(ledger_url)
    await _settle(wake)  # the loss itself wakes: something may have been missed
    await _settle(wake)  # and so does listening again
    await _record(database)
    async with asyncio.timeout(_PATIENCE):
        await wake.wait(_LONG)
    await wake.close()
    await reader.close()


async def test_no_database_is_only_silence(tmp_path: object) -> None:
    reader = open_database(f"sqlite:///{tmp_path}/nowhere/ledger.db")
    wake = open_wake(reader)
    await wake.wait(0)
    await wake.close()
    await reader.close()
