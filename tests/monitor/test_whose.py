"""An agent changes only what is theirs: others' transactions look as if they were not there."""

from typing import Any

import httpx
import pytest

from ivr.ledger.api_tokens import add_token
from ivr.ledger.audit import find_audit
from ivr.ledger.callbacks import find_endpoints
from ivr.ledger.commands import NewCommand, send_command
from ivr.ledger.database import Database
from ivr.ledger.tables import transactions
from ivr.monitor.principal import Scope
from ivr.vocabulary import CommandType
from tests.ledger.stage import rows
from tests.monitor.clients import client_of, make_app
from tests.monitor.people import hire, own, proof, quick_hashes
from tests.monitor.story import NOON, Teller, record

__all__ = ["quick_hashes"]
FREE = {"amount": 4_200, "currency": "EUR", "language": "fr"}
FORM = {
    "IdempotencyKey": "k",
    "StatusCallback": "http://crm.test/told",
    "ChargeAmount": "1",
}


async def signed_in(database: Database, login: str) -> httpx.AsyncClient:
    await hire(database, login, phone=f"sip:{login}@pbx")
    client = client_of(make_app(database), {})
    assert (await client.post("/api/v1/sign-in", json=proof(login))).status_code == 204
    client.headers["X-CSRF-Token"] = (await client.get("/api/v1/me")).json()["csrf"]
    return client


async def test_what_an_agent_prepares_is_theirs(database: Database) -> None:
    anna, bert = await signed_in(database, "anna"), await signed_in(database, "bert")
    made = (await anna.post("/api/v1/transactions", json=FREE)).json()
    me = (await anna.get("/api/v1/me")).json()["user"]["id"]
    assert (await rows(database, transactions))[0]["owner_id"] == me
    address = f"/api/v1/transactions/{made['id']}"
    for refused in (
        await bert.delete(address),
        await bert.post(f"{address}/commands", json={"type": "cancel"}),
        await bert.get(address),
    ):
        assert refused.status_code == 404
    assert (await rows(database, transactions))[0]["ended_at"] is None
    assert (await anna.delete(address)).status_code == 204
    assert (await find_audit(database))[0].actor == "user:anna"


async def test_a_key_is_one_persons(database: Database) -> None:
    anna, bert = await signed_in(database, "anna"), await signed_in(database, "bert")
    key = {"Idempotency-Key": "same"}
    one = await anna.post("/api/v1/transactions", json=FREE, headers=key)
    other = await bert.post("/api/v1/transactions", json=FREE, headers=key)
    assert one.json()["id"] != other.json()["id"]


async def test_nor_is_it_of_all_tokens_of_one_name(database: Database) -> None:
    made = []
    for login in ("anna", "bert"):
        user = await hire(database, login)
        scopes = ["transactions:read", "transactions:write"]
        _, token = await add_token(
            database, lambda: NOON, "test", name="crm", scopes=scopes, user_id=user.id
        )
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "same"}
        async with client_of(make_app(database), headers) as program:
            made.append((await program.post("/api/v1/transactions", json=FREE)).json())
        assert made[-1]["owner_id"] == user.id
    assert made[0]["transfer"] != made[1]["transfer"]


async def test_nor_are_calls_of_all_tokens_of_one_name(database: Database) -> None:
    """Ids of commands are easily guessed."""
    anna, bert = await hire(database, "anna"), await hire(database, "bert")
    told = {"agent": anna.id, "call": "call-1", "transaction": "tx-1"}
    command = NewCommand(CommandType.CALL, "token:crm", None, told)
    sent = await send_command(database, lambda: NOON, command)
    seen = {}
    for user in (anna, bert):
        _, token = await add_token(
            database,
            lambda: NOON,
            "test",
            name="crm",
            scopes=["transactions:read"],
            user_id=user.id,
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with client_of(make_app(database), headers) as program:
            answer = await program.get(f"/api/v1/commands/{sent.id}")
            seen[user.login] = answer.status_code
    assert seen == {"anna": 200, "bert": 404}


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "/api/v1/callbacks", None),
        ("POST", "/api/v1/callbacks", {"url": "http://crm.test/"}),
    ],
)
async def test_an_agent_tells_nobody_else_what_happens(
    database: Database, method: str, address: str, body: Any
) -> None:
    anna = await signed_in(database, "anna")
    assert (await anna.request(method, address, json=body)).status_code == 403


async def test_a_payment_is_only_begun_in_ones_own_call(database: Database) -> None:
    await record(database, *Teller("live").call_begins().begins().take())
    scopes = [Scope.WRITE, Scope.INTEGRATE]
    _, token = await add_token(database, lambda: NOON, "test", name="crm", scopes=scopes)
    address = "/2010-04-01/Accounts/AC1/Calls/call-live/Payments.json"
    async with client_of(make_app(database), {"Authorization": f"Bearer {token}"}) as crm:
        answer = await crm.post(address, data=FORM)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_nor_has_an_agent_the_server_post_anywhere(database: Database) -> None:
    await record(database, *Teller("live").call_begins().begins().take())
    anna = await signed_in(database, "anna")
    await own(database, "tx-live", (await anna.get("/api/v1/me")).json()["user"]["id"])
    address = "/2010-04-01/Accounts/AC1/Calls/call-live/Payments"
    change = {name: FORM[name] for name in ("IdempotencyKey", "StatusCallback")}
    for path, form in (
        (f"{address}.json", FORM),
        (f"{address}/PK{'a' * 32}.json", change | {"Status": "cancel"}),
    ):
        answer = await anna.post(path, data=form)
        assert (answer.status_code, answer.json()["code"]) == (403, 20006)
    assert await find_endpoints(database) == ()
