"""Having a debtor called over HTTP, and saying amid a call what is to be paid."""

import asyncio
from typing import Any

import httpx
import pytest

from ivr.ledger.audit import find_audit
from ivr.ledger.commands import end_command, take_commands
from ivr.ledger.database import Database
from ivr.ledger.tables import debts
from ivr.ledger.tables_agents import commands
from ivr.ledger.wake import open_wake
from ivr.vocabulary import CommandOutcome
from tests.ledger.stage import rows
from tests.monitor.clients import client_of, make_app
from tests.monitor.story import NOON, Teller, owe, record

CALL = {"number": "+33199000001", "phone": "1001", "language": "fr"}
COMMANDS = "/api/v1/transactions/tx-live/commands"
FREE = {"amount": 4250, "currency": "EUR"}


async def ends(database: Database) -> dict[str, Any]:
    """Take the next command as a node does, and end it; return its data."""
    wake = open_wake(database, poll=0.01)
    while not (taken := await take_commands(database, lambda: NOON, "node-1")):
        await wake.wait(5)
    await wake.close()
    await end_command(database, lambda: NOON, taken[0].id, CommandOutcome.DONE)
    return {"type": taken[0].type.value, **taken[0].data}


async def asked(
    database: Database, address: str, body: dict[str, Any], **more: Any
) -> tuple[httpx.Response, dict[str, Any]]:
    async with client_of(make_app(database)) as client:
        posting = asyncio.create_task(client.post(address, json=body, **more))
        told = await ends(database)
        return await posting, told


async def test_any_node_is_told_to_call_and_the_ids_are_known_at_once(
    database: Database,
) -> None:
    answer, told = await asked(database, "/api/v1/calls", CALL)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["type"], shown["outcome"]) == ("call", "done")
    assert (shown["call_id"], shown["transaction_id"]) == (told["call"], told["transaction"])
    given = {name: told[name] for name in ("number", "phone", "language")}
    assert given == CALL
    assert {"reference", "amount"} & told.keys() == set()
    audited = [(row.action, row.subject) for row in await find_audit(database)]
    assert audited == [("command.call", told["transaction"])]
    async with client_of(make_app(database)) as client:
        again = await client.get(f"/api/v1/commands/{shown['id']}")
        assert again.json() == shown


async def test_a_free_amount_makes_its_debt_before_anybody_is_called(
    database: Database,
) -> None:
    _, told = await asked(database, "/api/v1/calls", CALL | FREE | {"debtor": "Anne"})
    [debt] = await rows(database, debts)
    assert (debt["amount"], debt["currency"], debt["debtor"]) == (4250, "EUR", "Anne")
    assert (told["reference"], told["amount"]) == (debt["reference"], 4250)


async def test_made_again_the_same_request_calls_once(database: Database) -> None:
    key: dict[str, Any] = {"headers": {"Idempotency-Key": "once"}}
    first, _ = await asked(database, "/api/v1/calls", CALL, **key)
    async with client_of(make_app(database)) as client:
        again = await client.post("/api/v1/calls", json=CALL, **key)
        assert again.json() == first.json()
        other = await client.post("/api/v1/calls", json=CALL | FREE, **key)
        assert other.status_code == 422
    assert len(await rows(database, commands)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "sip:anybody@anywhere.example"},
        {"number": ""},
        {"phone": ""},
        {"amount": 100},
        {"currency": "EUR"},
        {"amount": 100, "currency": "ZZZ"},
        {"reference": "12"},
    ],
)
async def test_what_cannot_be_called_is_refused(
    database: Database, wrong: dict[str, Any]
) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.post("/api/v1/calls", json=CALL | wrong)
    assert answer.status_code in (400, 409)
    assert not await rows(database, commands)


async def test_a_debt_that_is_paid_is_not_called_about(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.post("/api/v1/calls", json=CALL | {"reference": "12345678"})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["parameter"] == "amount"
    assert answer.json()["code"] == "debt-unknown"


async def test_without_a_phone_nobody_is_called(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.post("/api/v1/calls", json=CALL | {"phone": ""})
    assert (answer.status_code, answer.json()["code"]) == (409, "no-phone")


async def test_a_free_amount_makes_a_debt_for_a_call_that_has_none(database: Database) -> None:
    await record(database, *Teller("live").call_begins().begins().take())
    _, told = await asked(database, COMMANDS, {"type": "start-capture", **FREE})
    [debt] = await rows(database, debts)
    assert told == {"type": "start-capture", "reference": debt["reference"], **FREE}


async def test_a_call_that_has_its_debt_gets_no_other(database: Database) -> None:
    await owe(database, "debt-a", 10_000)
    live = Teller("live").call_begins().begins().identified("debt-a", 10_000)
    await record(database, *live.take())
    _, told = await asked(database, COMMANDS, {"type": "start-capture", **FREE})
    assert told == {"type": "start-capture", **FREE}
    assert len(await rows(database, debts)) == 1


async def test_what_is_to_be_paid_is_told_with_start_capture_only(database: Database) -> None:
    await record(database, *Teller("live").call_begins().begins().take())
    async with client_of(make_app(database)) as client:
        for body in (
            {"type": "complete", **FREE},
            {"type": "start-capture", "currency": "EUR"},
            {"type": "start-capture", **FREE, "currency": "ZZZ"},
        ):
            answer = await client.post(COMMANDS, json=body)
            assert answer.status_code == 400
        unknown = {"type": "start-capture", "reference": "12345678"}
        assert (await client.post(COMMANDS, json=unknown)).status_code == 409
