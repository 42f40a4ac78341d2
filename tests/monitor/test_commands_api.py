"""Commanding live calls over HTTP: answered when they have ended, or when patience has."""

import asyncio
from typing import Any

import pytest

from ivr.ledger.audit import find_audit
from ivr.ledger.commands import end_command, take_commands
from ivr.ledger.database import Database
from ivr.ledger.wake import open_wake
from ivr.vocabulary import CommandOutcome, Result
from tests.monitor.clients import client_of, make_app
from tests.monitor.story import NOON, Teller, record

ADDRESS = "/api/v1/transactions/tx-live/commands"


async def a_live_call(database: Database) -> None:
    await record(database, *Teller("live").call_begins().begins().take())


async def test_a_command_that_ends_soon_is_answered_with_its_outcome(
    database: Database,
) -> None:
    await a_live_call(database)

    async def node() -> None:
        wake = open_wake(database, poll=0.01)
        while not (taken := await take_commands(database, lambda: NOON, "node-1")):
            await wake.wait(5)
        await wake.close()
        (command,) = taken
        assert dict(command.data) == {"field": "security-code"}
        await end_command(database, lambda: NOON, command.id, CommandOutcome.DONE)

    async with client_of(make_app(database)) as client:
        answer, _ = await asyncio.gather(
            client.post(ADDRESS, json={"type": "capture", "field": "security-code"}), node()
        )
        assert answer.status_code == 200
        told = answer.json()
        assert (told["type"], told["outcome"]) == ("capture", "done")
        again = await client.get(f"/api/v1/commands/{told['id']}")
        assert (again.status_code, again.json()) == (200, told)
    acts = [(row.action, row.subject) for row in await find_audit(database)]
    assert acts == [("command.capture", "tx-live")]


async def test_a_command_that_takes_longer_is_answered_meanwhile(database: Database) -> None:
    await a_live_call(database)
    async with client_of(make_app(database)) as client:
        answer = await client.post(ADDRESS, json={"type": "take-back"})
    assert answer.status_code == 202
    assert answer.json()["outcome"] is None


async def test_a_call_that_has_ended_is_told_at_once(database: Database) -> None:
    live = Teller("live").call_begins().begins()
    await record(database, *live.ends(Result.CALLER_HUNG_UP).hangs_up().take())
    async with client_of(make_app(database)) as client:
        answer = await client.post(ADDRESS, json={"type": "take-back"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "call-ended")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "explode"},
        {"type": "capture"},
        {"type": "capture", "field": "pin"},
        {"type": "take-back", "field": "security-code"},
        {"type": "take-back", "now": True},
    ],
)
async def test_what_is_no_command_is_refused(database: Database, wrong: Any) -> None:
    await a_live_call(database)
    async with client_of(make_app(database)) as client:
        assert (await client.post(ADDRESS, json=wrong)).status_code == 400
    assert await find_audit(database) == ()


@pytest.mark.parametrize("unknown", ["1", "-1", "x", "99999999999999999999", "%00", "١"])
async def test_there_is_no_such_command(database: Database, unknown: str) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.get(f"/api/v1/commands/{unknown}")
        assert answer.status_code == 404
        nobody = await client.post(
            "/api/v1/transactions/nobody/commands", json={"type": "cancel"}
        )
        assert nobody.status_code == 404
