"""The Payments resource, as a program written for the well-known one uses it."""

import asyncio
import re
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from ivr.ledger.audit import find_audit
from ivr.ledger.callbacks import find_endpoints
from ivr.ledger.commands import end_command, take_commands
from ivr.ledger.database import Database
from ivr.ledger.tables_agents import commands
from ivr.ledger.wake import open_wake
from ivr.vocabulary import CommandOutcome, Result
from tests.ledger.stage import rows
from tests.monitor.clients import TOKEN, client_of, make_app
from tests.monitor.story import NOON, Teller, owe, record

CALL = "/2010-04-01/Accounts/AC1/Calls/call-live/Payments"
CREATE = {
    "IdempotencyKey": "one",
    "StatusCallback": "https://crm.test/told",
    "ChargeAmount": "42.50",
    "Currency": "eur",
    "PaymentMethod": "credit-card",
    "PaymentConnector": "Default",
    "PostalCode": "false",
}
UPDATE = {"IdempotencyKey": "two", "StatusCallback": "https://crm.test/told"}


def client(database: Database) -> httpx.AsyncClient:
    """A program that signs in as it always has: account and token."""
    plain = client_of(make_app(database), {})
    plain.auth = httpx.BasicAuth("AC1", TOKEN)
    return plain


async def a_live_call(database: Database) -> None:
    await owe(database, "debt-a", 10_000)
    told = Teller("live").call_begins().begins().identified("debt-a", 10_000).take()
    await record(database, *told)


async def ends(database: Database, outcome: CommandOutcome) -> dict[str, Any]:
    """Take the next command as a node does, and end it; return its data."""
    wake = open_wake(database, poll=0.01)
    while not (taken := await take_commands(database, lambda: NOON, "node-1")):
        await wake.wait(5)
    await wake.close()
    await end_command(database, lambda: NOON, taken[0].id, outcome)
    return {"type": taken[0].type.value, **taken[0].data}


async def asked(
    database: Database, address: str, form: dict[str, str], outcome: CommandOutcome
) -> tuple[httpx.Response, dict[str, Any]]:
    async with client(database) as program:
        posting = asyncio.create_task(program.post(address, data=form))
        sent = await ends(database, outcome)
        return await posting, sent


async def created(database: Database) -> dict[str, Any]:
    await a_live_call(database)
    answer, _ = await asked(database, f"{CALL}.json", CREATE, CommandOutcome.DONE)
    made: dict[str, Any] = answer.json()
    return made


async def test_a_payment_is_created(database: Database) -> None:
    await a_live_call(database)
    answer, command = await asked(database, f"{CALL}.json", CREATE, CommandOutcome.DONE)
    assert answer.status_code == 201
    made = answer.json()
    assert re.fullmatch("PK[a-f]{32}", made["sid"])
    assert (made["account_sid"], made["call_sid"]) == ("AC1", "call-live")
    assert made["uri"] == f"{CALL}/{made['sid']}.json"
    assert parsedate_to_datetime(made["date_created"]) == NOON
    assert command == {"type": "start-capture", "amount": 4_250, "currency": "EUR"}
    (session,) = await find_endpoints(database, made["sid"])
    assert (session.url, session.transaction_id) == ("https://crm.test/told", "tx-live")
    acts = [(row.action, row.subject) for row in await find_audit(database)]
    assert acts == [("command.start-capture", "tx-live")]


@pytest.mark.parametrize(
    ("form", "command"),
    [
        (
            {"Capture": "payment-card-number"},
            {"type": "capture", "field": "payment-card-number"},
        ),
        ({"Capture": "security-code"}, {"type": "capture", "field": "security-code"}),
        ({"Status": "complete"}, {"type": "complete"}),
        ({"Status": "cancel"}, {"type": "cancel"}),
    ],
)
async def test_a_payment_is_changed(
    database: Database, form: dict[str, str], command: dict[str, str]
) -> None:
    made = await created(database)
    moved = UPDATE | form | {"StatusCallback": "https://crm.test/elsewhere"}
    answer, sent = await asked(database, made["uri"], moved, CommandOutcome.DONE)
    assert (answer.status_code, answer.json()["sid"]) == (202, made["sid"])
    assert sent == command
    (session,) = await find_endpoints(database, made["sid"])
    assert session.url == "https://crm.test/elsewhere"


async def test_the_same_request_is_done_once(database: Database) -> None:
    made = await created(database)
    async with client(database) as program:
        again = await program.post(f"{CALL}.json", data=CREATE)
        assert again.json() == made
        other = await program.post(f"{CALL}.json", data=CREATE | {"ChargeAmount": "1"})
        assert (other.status_code, other.json()["code"]) == (422, 20422)
    assert len(await rows(database, commands)) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (CommandOutcome.CALL_ENDED, 400, 21220),
        (CommandOutcome.NOT_NOW, 409, 20409),
        (CommandOutcome.SHIELD_UNPROVED, 409, 20409),
        (CommandOutcome.INTERNAL_ERROR, 409, 20409),
    ],
)
async def test_a_command_that_failed_is_told(
    database: Database, outcome: CommandOutcome, status: int, code: int
) -> None:
    await a_live_call(database)
    answer, _ = await asked(database, f"{CALL}.json", CREATE, outcome)
    assert answer.status_code == status
    refusal = answer.json()
    assert refusal.keys() == {"code", "message", "more_info", "status"}
    assert (refusal["code"], refusal["status"]) == (code, status)
    # Whoever lost this answer gets it again, and no session is told anything.
    async with client(database) as program:
        again = await program.post(f"{CALL}.json", data=CREATE)
    assert (again.status_code, again.json()) == (status, refusal)
    assert len(await rows(database, commands)) == 1
    assert await find_endpoints(database) == ()


async def test_an_answer_that_a_monitor_could_not_give_is_given_by_the_next(
    database: Database,
) -> None:
    await a_live_call(database)
    async with client(database) as program:
        # It stops between the command and its end.
        stopped = asyncio.create_task(program.post(f"{CALL}.json", data=CREATE))
        sent = await ends(database, CommandOutcome.SHIELD_UNPROVED)
        stopped.cancel()
        await asyncio.wait([stopped])
    assert sent["type"] == "start-capture"
    async with client(database) as program:
        again = await program.post(f"{CALL}.json", data=CREATE)
    assert (again.status_code, again.json()["code"]) == (409, 20409)
    assert len(await rows(database, commands)) == 1


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"ChargeAmount": "0"}, "ChargeAmount"),
        ({"ChargeAmount": "x"}, "ChargeAmount"),
        ({"ChargeAmount": "NaN"}, "ChargeAmount"),
        ({"ChargeAmount": "1.001"}, "ChargeAmount"),
        ({"ChargeAmount": "1.5", "Currency": "JPY"}, "ChargeAmount"),
        ({"Currency": "euro"}, "Currency"),
        ({"Currency": "ZZZ"}, "Currency"),
        ({"PaymentMethod": "ach-debit"}, "PaymentMethod"),
        ({"SecurityCode": "false"}, "SecurityCode"),
        ({"StatusCallback": "told"}, "StatusCallback"),
        ({"IdempotencyKey": ""}, "IdempotencyKey"),
        ({"BankAccountType": "consumer-checking"}, "BankAccountType"),
        ({"ChargeAmount": ["1", "2"]}, "ChargeAmount"),
    ],
)
async def test_a_form_that_cannot_be_meant_is_refused(
    database: Database, wrong: dict[str, Any], name: str
) -> None:
    await a_live_call(database)
    async with client(database) as program:
        answer = await program.post(f"{CALL}.json", data=CREATE | wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
    assert name in answer.json()["message"]
    assert await rows(database, commands) == []


async def test_a_change_is_one_thing(database: Database) -> None:
    made = await created(database)
    async with client(database) as program:
        for wrong in (
            {},
            {"Capture": "security-code", "Status": "complete"},
            {"Capture": "bank-account-number"},
            {"Capture": "postal-code"},
            {"Status": "pause"},
        ):
            assert (await program.post(made["uri"], data=UPDATE | wrong)).status_code == 400
    assert len(await rows(database, commands)) == 1


async def test_what_is_not_there_is_not_found(database: Database) -> None:
    made = await created(database)
    async with client(database) as program:
        for address in (
            CALL.replace("call-live", "nobody") + ".json",
            CALL.replace("call-live", "%00") + ".json",
            f"{CALL}/PK{'a' * 32}.json",
            made["uri"].replace("AC1", "AC2"),
            made["uri"].replace("call-live", "call-other"),
        ):
            form = CREATE if address.endswith("Payments.json") else UPDATE
            more = {} if form is CREATE else {"Status": "cancel"}
            answer = await program.post(address, data=form | more | {"IdempotencyKey": "k"})
            assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_a_call_that_has_ended_says_so(database: Database) -> None:
    made = await created(database)
    live = Teller("live")
    live.calling = True
    await record(database, *live.ends(Result.CALLER_HUNG_UP).hangs_up().take())
    async with client(database) as program:
        for address, form in (
            (f"{CALL}.json", CREATE | {"IdempotencyKey": "late"}),
            (made["uri"], UPDATE | {"Status": "complete"}),
        ):
            answer = await program.post(address, data=form)
            assert (answer.status_code, answer.json()["code"]) == (400, 21220)


async def test_without_a_token_nothing_is_told(database: Database) -> None:
    await a_live_call(database)
    async with client_of(make_app(database), {}) as program:
        answer = await program.post(f"{CALL}.json", data=CREATE, auth=("AC1", "wrong"))
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
