"""What programs get from the API."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text, update

from ivr.ledger import reading
from ivr.ledger.database import Database
from ivr.ledger.tables import events
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.monitor.clients import client_of, make_app
from tests.monitor.story import NOON, Teller, attempt, owe, record, trunk


async def a_paid_call(database: Database) -> None:
    await owe(database, "d1")
    teller = Teller("paid").call_begins().begins().identified("d1", 12_345)
    teller.enters(Step.CARD_NUMBER).says(
        EventType.ENTRY_PROGRESS, Step.CARD_NUMBER, digits=7, brand="visa", luhn=False
    )
    teller.errs(Step.CARD_NUMBER, EntryError.TOO_SHORT)
    teller.errs(Step.EXPIRATION_DATE, EntryError.TOO_LONG, 2)
    teller.pays(12_345, last4="4242", brand="visa", reference="pi_1")
    await record(database, *teller.ends(Result.SUCCESS).hangs_up().take())
    await attempt(
        database,
        "a1",
        transaction_id="tx-paid",
        debt_id="d1",
        amount=12_345,
        brand="visa",
        last4="4242",
        reference="pi_1",
    )


async def test_transactions(database: Database) -> None:
    await a_paid_call(database)
    async with client_of(make_app(database)) as client:
        answer = await client.get("/api/v1/transactions")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    (transaction,) = answer.json()["items"]
    assert answer.json()["next"] is None
    assert transaction == {
        "id": "tx-paid",
        "call_id": "call-paid",
        "debt_id": "d1",
        "owner_id": None,
        "owner": None,
        "reference": "D1",
        "channel": "inbound",
        "journey": "payment",
        "language": "fr",
        "step": "payment-completed",
        "result": "success",
        "amount_due": 12_345,
        "amount_paid": 0,
        "currency": "EUR",
        "brand": "visa",
        "last4": "4242",
        "gateway_reference": "pi_1",
        "created_at": "2026-11-23T12:00:03Z",
        "updated_at": "2026-11-23T12:00:10Z",
        "ended_at": "2026-11-23T12:00:10Z",
    }


async def test_filters_and_pages_of_transactions(database: Database) -> None:
    for number in range(5):
        at = NOON + timedelta(minutes=number)
        await record(database, *Teller(str(number), at).begins().take())
    ended = Teller("x", NOON - timedelta(minutes=1), language="en").begins()
    await record(database, *ended.ends(Result.CARD_DECLINED).take())
    async with client_of(make_app(database)) as client:

        async def found(**query: str) -> list[str]:
            answer = await client.get("/api/v1/transactions", params=query)
            assert answer.status_code == 200, answer.text
            return [one["id"] for one in answer.json()["items"]]

        assert await found(result="card-declined") == ["tx-x"]
        assert await found(open="false") == ["tx-x"]
        assert await found(language="en") == ["tx-x"]
        assert await found(call_id="none") == []
        assert await found(reference="NONE") == []
        assert await found(created_to="2026-11-23T12:00:00Z") == ["tx-x"]
        assert await found(created_from="2026-11-23T13:03:00+01:00") == ["tx-4", "tx-3"]
        first = (await client.get("/api/v1/transactions?open=true&limit=3")).json()
        assert [one["id"] for one in first["items"]] == ["tx-4", "tx-3", "tx-2"]
        assert await found(open="true", limit="3", cursor=first["next"]) == ["tx-1", "tx-0"]


async def test_one_transaction_with_its_attempts(database: Database) -> None:
    await a_paid_call(database)
    async with client_of(make_app(database)) as client:
        transaction = (await client.get("/api/v1/transactions/tx-paid")).json()
    assert transaction["result"] == "success"
    (tried,) = transaction["attempts"]
    assert (tried["gateway"], tried["amount"], tried["state"]) == (
        "sandbox",
        12_345,
        "succeeded",
    )


async def test_its_events_tell_errors_in_both_vocabularies(database: Database) -> None:
    await a_paid_call(database)
    async with client_of(make_app(database)) as client:
        told = (await client.get("/api/v1/transactions/tx-paid/events")).json()["items"]
        after = told[2]["id"]
        rest = await client.get(f"/api/v1/transactions/tx-paid/events?after={after}&limit=2")
    errors = [event["data"] for event in told if event["type"] == "entry.error"]
    assert errors == [
        {"error": "too-short", "error_type": "invalid-card-number", "attempt": 1},
        {"error": "too-long", "error_type": "invalid-date", "attempt": 2},
    ]
    progress = next(event for event in told if event["type"] == "entry.progress")
    assert progress["data"] == {"digits": 7, "brand": "visa", "luhn": False}
    assert progress["step"] == "payment-card-number"
    assert rest.json()["items"] == told[3:5]


async def test_an_error_that_this_version_does_not_know_is_passed_on(
    database: Database,
) -> None:
    await a_paid_call(database)
    async with database.write() as connection:
        await connection.execute(
            update(events)
            .where(events.c.type == "entry.error")
            .values(step="new-step", data={"error": "new-error", "digit": "4242", "attempt": 1})
        )
    async with client_of(make_app(database)) as client:
        told = (await client.get("/api/v1/transactions/tx-paid/events")).json()["items"]
    errors = [event for event in told if event["type"] == "entry.error"]
    assert errors[0]["step"] == "new-step"
    # What is on no list stays in the house.
    assert errors[0]["data"] == {
        "error": "new-error",
        "error_type": "internal-error",
        "attempt": 1,
    }


async def test_calls_live_and_past(database: Database) -> None:
    await a_paid_call(database)
    await record(database, *Teller("live", NOON + timedelta(hours=1)).call_begins().take())
    async with client_of(make_app(database)) as client:
        every = (await client.get("/api/v1/calls")).json()
        live = (await client.get("/api/v1/calls?live=true")).json()
        past = (await client.get("/api/v1/calls?live=false")).json()
        page = (await client.get("/api/v1/calls?limit=1")).json()
        rest = (await client.get("/api/v1/calls", params={"cursor": page["next"]})).json()
    assert [call["id"] for call in every["items"]] == ["call-live", "call-paid"]
    assert every["last_event_id"] == every["items"][0]["latest"][-1]["id"]
    assert [event["type"] for event in live["items"][0]["latest"]] == [
        "call.started",
        "call.answered",
    ]
    assert past["items"][0]["transactions"][0]["last4"] == "4242"
    assert past["items"][0]["latest"] == []
    assert page["items"] + rest["items"] == every["items"]


async def test_trunks_and_what_is_told_of_a_calls_quality(database: Database) -> None:
    await record(database, trunk(EventType.TRUNK_DOWN), trunk(EventType.TRUNK_UP, "a-pbx"))
    teller = Teller("a").call_begins().begins()
    quality = {"loss": 0.02, "peer_loss": 0.0, "jitter": 0.0042, "round_trip": 0.081}
    await record(database, *teller.says(EventType.CALL_QUALITY, None, **quality).take())
    async with client_of(make_app(database)) as client:
        told = (await client.get("/api/v1/trunks")).json()["items"]
        refused = await client.get("/api/v1/trunks?up=false")
        events = (await client.get("/api/v1/transactions/tx-a/events")).json()["items"]
    assert [(row["node"], row["name"], row["up"], row["registered"]) for row in told] == [
        ("node-1", "a-pbx", True, None),
        ("node-1", "carrier", False, None),
    ]
    assert refused.status_code == 400
    assert events[-1]["data"] == {**quality, "jitter": 0.004}


async def test_kpi_of_a_period_and_of_today(database: Database) -> None:
    await a_paid_call(database)
    async with client_of(make_app(database, now=NOON + timedelta(hours=1))) as client:
        today = (await client.get("/api/v1/kpi")).json()
        before = (
            await client.get(
                "/api/v1/kpi",
                params={"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z"},
            )
        ).json()
    # The day begins at midnight in Paris.
    assert (today["from"], today["to"]) == ("2026-11-22T23:00:00Z", "2026-11-23T13:00:00Z")
    assert today["recovery"] == [
        {
            "currency": "EUR",
            "due": 12_345,
            "debts": 1,
            "recovered": 12_345,
            "payments": 1,
            "rate": 1.0,
        }
    ]
    assert (today["transactions"], today["completed"], today["not_completed"]) == (1, 1, 0)
    assert (today["with_entry_error"], today["entry_error_rate"]) == (1, 1.0)
    assert today["funnel"] == [{"step": "payment-card-number", "transactions": 1}]
    assert today["errors"][1] == {
        "step": "expiration-date",
        "error": "too-long",
        "error_type": "invalid-date",
        "errors": 1,
        "transactions": 1,
    }
    assert (before["transactions"], before["recovery"]) == (0, [])
    assert before["not_completed_rate"] is None


async def refused(database: Database, path: str, status: int) -> httpx.Response:
    async with client_of(make_app(database)) as client:
        answer = await client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return answer


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/transactions?limit=0", "limit"),
        ("/api/v1/transactions?limit=201", "limit"),
        ("/api/v1/transactions?limit=many", "limit"),
        ("/api/v1/transactions?result=paid", "result"),
        ("/api/v1/transactions?open=perhaps", "open"),
        ("/api/v1/transactions?language=FR", "language"),
        ("/api/v1/transactions?created_from=2026-11-23T12:00:00", "created_from"),
        ("/api/v1/transactions?created_to=yesterday", "created_to"),
        ("/api/v1/transactions?cursor=4111", "cursor"),
        ("/api/v1/transactions?limit=1&limit=2", "limit"),
        ("/api/v1/transactions?call_id=%00", "call_id"),
        ("/api/v1/transactions?colour=blue", "colour"),
        ("/api/v1/calls?live=no-idea", "live"),
        ("/api/v1/calls?cursor=x", "cursor"),
        ("/api/v1/events?after=-1", "after"),
        ("/api/v1/events?after=9223372036854775808", "after"),
        ("/api/v1/kpi?from=today", "from"),
        ("/api/v1/kpi?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/api/v1/kpi?to=9999-12-31T23:59:59Z", "to"),
        ("/api/v1/transactions?created_from=0001-01-01T00:00:00%2B14:00", "created_from"),
        ("/api/v1/transactions?created_to=9999-12-31T23:59:59-12:00", "created_to"),
    ],
)
async def test_a_wrong_parameter_is_named(
    database: Database, path: str, parameter: str
) -> None:
    problem = (await refused(database, path, 400)).json()
    assert [error["parameter"] for error in problem["errors"]] == [parameter]
    assert parameter in problem["detail"]


async def test_a_refusal_does_not_repeat_what_was_sent(database: Database) -> None:
    for sent in ("result=4111111111111111", "4111111111111111=1", "4111+1111-1111.1111=1"):
        answer = await refused(database, f"/api/v1/transactions?{sent}", 400)
        assert "1111" not in answer.text
    async with client_of(make_app(database)) as client:
        asked = await client.request("4111111111111111", "/api/v1/transactions")
        named = await client.post("/api/v1/transactions", json={"4111111111111111": 1})
        nowhere = await client.get("/api/v1/transactions/4111111111111111/")
    assert (asked.status_code, named.status_code, nowhere.status_code) == (405, 400, 404)
    for answer in (asked, named, nowhere):
        assert "1111" not in answer.text + str(answer.headers)


async def test_other_refusals(database: Database) -> None:
    await refused(database, "/api/v1/transactions/nobody", 404)
    await refused(database, "/api/v1/transactions/%00", 404)
    await refused(database, "/api/v1/transactions/nobody/events", 404)
    await refused(database, "/api/v2", 404)
    await refused(
        database, "/api/v1/kpi?from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z", 400
    )
    await refused(database, "/api/v1/events?after=5", 409)
    async with client_of(make_app(database)) as client:
        answer = await client.post("/api/v1/kpi")
        resumed = await client.get("/api/v1/events", headers={"Last-Event-ID": "4 or 1=1"})
        # More digits than Python reads as a number.
        far = await client.get("/api/v1/events", headers={"Last-Event-ID": "9" * 5000})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json()["title"] == "Method Not Allowed"
    for answer in (resumed, far):
        assert answer.status_code == 400
        assert "Last-Event-ID" in answer.json()["detail"]


def put_a_folder_in_its_place(ledger_url: str) -> Path:
    file = Path(ledger_url.removeprefix("sqlite:///"))
    for part in file.parent.glob("ledger.db*"):
        part.unlink()
    file.mkdir()
    return file


async def test_a_ledger_that_is_away(database: Database, ledger_url: str) -> None:
    app = make_app(database)
    await database.close()
    file = put_a_folder_in_its_place(ledger_url)
    answer = await refused(database, "/api/v1/transactions", 503)
    assert answer.headers["retry-after"] == "5"
    async with client_of(app, {}) as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert str(file) not in ready.text


async def test_ready_with_the_tables_of_this_version(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        assert (await client.get("/health")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_fault_tells_nothing_of_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(reading, "find_calls", broken)
    answer = await refused(database, "/api/v1/calls", 500)
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
