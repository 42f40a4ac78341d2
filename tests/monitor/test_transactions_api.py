"""Preparing transactions over HTTP: once for each key, by whoever may, audited."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from ivr.ledger.audit import find_audit
from ivr.ledger.database import Database
from ivr.ledger.preparations import claim
from ivr.ledger.tables import events, transactions
from tests.ledger.stage import REFERENCE, Stage, rows, types
from tests.monitor.clients import client_of, listening, make_app, serving
from tests.monitor.story import NOON

ADDRESS = "/api/v1/transactions"
FREE: dict[str, Any] = {"amount": 4_200, "currency": "EUR", "language": "fr"}
CARD = "4111111111111111"


async def posted(
    database: Database, body: Any, key: str | None = None, **options: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with client_of(make_app(database)) as client:
        return await client.post(ADDRESS, json=body, headers=headers, **options)


async def test_the_answer_says_where_to_transfer(database: Database) -> None:
    answer = await posted(database, FREE)
    assert answer.status_code == 201
    made = answer.json()
    transfer = made["transfer"]
    token = re.fullmatch(r"sip:t-([a-p]{32})@localhost", transfer["uri"])
    assert token is not None
    assert re.fullmatch(r"88[0-9]{8}", transfer["number"])
    assert transfer["header"] == f"X-Solde-Transaction: {token[1]}"
    content, encoding = transfer["user_to_user"].split(";")
    assert (bytes.fromhex(content).decode(), encoding) == (token[1], "encoding=hex")
    assert transfer["expires_at"] == (NOON + timedelta(minutes=15)).isoformat().replace(
        "+00:00", "Z"
    )
    assert (made["state"], made["amount_due"], made["channel"]) == ("prepared", 4_200, "agent")
    claimed = await claim(database, lambda: NOON, call_id="one", token=token[1])
    assert claimed is not None
    assert claimed.transaction_id == made["id"]


async def test_a_known_debt_is_prepared_whole(database: Database) -> None:
    await Stage(database).owe(12_050)
    made = (await posted(database, {"reference": REFERENCE, "language": "en"})).json()
    assert (made["reference"], made["amount_due"]) == (REFERENCE, 12_050)


async def test_what_does_not_fit_the_debt_is_a_conflict(database: Database) -> None:
    await Stage(database).owe(12_050)
    answer = await posted(
        database, {"reference": REFERENCE, "amount": 12_051, "language": "en"}
    )
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["errors"] == [
        {
            "parameter": "amount",
            "detail": "Only 12050 minor units are outstanding on this debt.",
        }
    ]
    assert problem["code"] == "more-than-owed"
    assert problem["owed"] == {"amount": 12_050, "currency": "EUR"}


@pytest.mark.parametrize(
    ("wrong", "parameter"),
    [
        ({"amount": None}, "body"),
        ({"currency": None}, "body"),
        ({"amount": 0}, "amount"),
        ({"amount": 10**12}, "amount"),
        ({"amount": "4200"}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"language": "de"}, "language"),
        ({"reference": "12345678901234567"}, "reference"),
        ({"offers": []}, "offers"),
        ({"offers": ["all", "instalments"]}, "offers.1"),
        ({"mode": "both"}, "mode"),
        ({"afterwards": ""}, "afterwards"),
        ({"journey": "survey"}, "journey"),
        ({"debtor": f"card {CARD}"}, "debtor"),
        ({"debtor": "a\0b"}, "debtor"),
        ({"agent_phone": "sip:é@pbx"}, "agent_phone"),
        ({"agent_phone": f"sip:{CARD}@pbx"}, "agent_phone"),
        ({"amout": 1}, "amout"),
    ],
)
async def test_what_cannot_be_meant_is_named(
    database: Database, wrong: dict[str, Any], parameter: str
) -> None:
    answer = await posted(database, FREE | wrong)
    assert answer.status_code == 400
    assert [one["parameter"] for one in answer.json()["errors"]] == [parameter]
    assert CARD not in answer.text
    assert await types(database) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"amount": NaN}', b"\xff"])
async def test_what_is_no_object_is_refused(database: Database, content: bytes) -> None:
    async with client_of(make_app(database)) as client:
        json = {"Content-Type": "application/json"}
        answer = await client.post(ADDRESS, content=content, headers=json)
        assert answer.status_code == 400
        form = await client.post(ADDRESS, data={"amount": "1"})
        assert form.status_code == 415
        large = await client.post(ADDRESS, content=b" " * 70_000, headers=json)
        assert large.status_code == 413


async def test_the_same_request_is_answered_as_before(database: Database) -> None:
    first = await posted(database, FREE, "key one")
    again = await posted(database, dict(reversed(FREE.items())), "key one")
    assert (again.status_code, again.content) == (201, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await rows(database, transactions)) == 1


async def test_a_key_is_for_one_request(database: Database) -> None:
    await posted(database, FREE, "key")
    other = await posted(database, FREE | {"amount": 1}, "key")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency-key-used"
    assert (await posted(database, FREE, "another")).status_code == 201
    assert len(await rows(database, transactions)) == 2


async def test_requests_at_once_with_one_key_are_one(database: Database) -> None:
    app = make_app(database)
    async with client_of(app) as client:
        answers = await asyncio.gather(
            *(
                client.post(ADDRESS, json=FREE, headers={"Idempotency-Key": "key"})
                for _ in range(8)
            )
        )
    assert len({one.content for one in answers}) == 1
    assert len(await rows(database, transactions)) == 1


async def test_a_refusal_is_not_kept(database: Database) -> None:
    known = {"reference": REFERENCE, "language": "fr"}
    assert (await posted(database, known, "key")).status_code == 409
    await Stage(database).owe()
    assert (await posted(database, known, "key")).status_code == 201


async def test_a_key_is_forgotten_after_a_day(database: Database) -> None:
    await posted(database, FREE, "key")
    tomorrow = make_app(database, now=NOON + timedelta(days=1))
    async with client_of(tomorrow) as client:
        again = await client.post(ADDRESS, json=FREE, headers={"Idempotency-Key": "key"})
    assert again.status_code == 201
    assert len(await rows(database, transactions)) == 2


@pytest.mark.parametrize("key", ["", " ", "é", "a" * 256])
async def test_a_key_of_another_form_is_refused(database: Database, key: str) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.post(
            ADDRESS, json=FREE, headers=[(b"Idempotency-Key", key.encode())]
        )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


async def test_it_is_written_down_who_prepared_what(database: Database) -> None:
    made = (await posted(database, FREE)).json()
    acts = [(row.actor, row.action, row.subject) for row in await find_audit(database)]
    assert acts == [("settings", "transaction.prepared", made["id"])]


async def test_one_that_waits_is_cancelled(database: Database) -> None:
    made = (await posted(database, FREE)).json()
    async with client_of(make_app(database)) as client:
        assert (await client.delete(f"{ADDRESS}/{made['id']}")).status_code == 204
        ended = (await client.get(f"{ADDRESS}/{made['id']}")).json()
        assert ended["result"] == "cancelled-by-agent"
        again = await client.delete(f"{ADDRESS}/{made['id']}")
        assert (again.status_code, again.json()["code"]) == (409, "not-waiting")
    acts = [row.action for row in await find_audit(database)]
    assert acts == ["transaction.cancelled", "transaction.prepared"]


async def test_one_whose_call_has_come_is_not_cancelled(database: Database) -> None:
    made = (await posted(database, FREE)).json()
    token = made["transfer"]["header"].partition(": ")[2]
    assert await claim(database, lambda: NOON, call_id="one", token=token)
    async with client_of(make_app(database)) as client:
        assert (await client.delete(f"{ADDRESS}/{made['id']}")).status_code == 409
    assert (await rows(database, transactions))[0]["ended_at"] is None


@pytest.mark.parametrize("unknown", ["nobody", "%00", "é"])
async def test_one_that_is_not_there_is_not_cancelled(database: Database, unknown: str) -> None:
    async with client_of(make_app(database)) as client:
        assert (await client.delete(f"{ADDRESS}/{unknown}")).status_code == 404


async def test_nothing_secret_is_in_the_events(database: Database) -> None:
    made = (await posted(database, FREE)).json()
    told = str(await rows(database, events))
    assert made["transfer"]["number"][2:] not in told
    assert made["transfer"]["header"].partition(": ")[2] not in told


async def test_a_running_monitor_ends_what_nobody_came_for(database: Database) -> None:
    made = (await posted(database, FREE)).json()
    # The clock of this monitor is an hour on.
    async with serving(database) as (base, _), listening(base, "?after=2") as listener:
        ended = await listener.next()
    assert (ended.event, ended.data["transaction_id"]) == ("transaction.ended", made["id"])
    assert ended.data["data"]["result"] == "expired"
