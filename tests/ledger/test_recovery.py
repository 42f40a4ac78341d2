"""After a crash: what was open is found, claimed once, and ended once."""

import asyncio
from datetime import timedelta

from ivr.ledger.database import Database, open_database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.tables import calls, events, transactions
from ivr.vocabulary import AttemptState, EventType
from tests.ledger.stage import NOON, Stage, call, rows, transaction, types

_LONG_AFTER = NOON + timedelta(days=1)


async def test_an_attempt_survives_the_process_that_made_it(
    database: Database, ledger_url: str
) -> None:
    dying = open_database(ledger_url)
    stage = Stage(dying)
    debt = await stage.owe()
    stage.identify("a", debt)
    begun = await stage.begin("a", debt)
    await dying.close()  # nothing else is written: as after SIGKILL

    restarted = Stage(database)
    (found,) = await restarted.writer.open_attempts(node="node-1")
    assert found == begun
    assert await restarted.writer.open_attempts(node="node-2") == []
    assert await restarted.writer.open_attempts(older_than=begun.created_at) == []
    assert await restarted.writer.open_attempts(older_than=_LONG_AFTER) == [begun]
    assert await restarted.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED)
    assert await restarted.writer.open_attempts() == []


async def test_orphans_are_ended_by_what_is_known_of_them(database: Database) -> None:
    stage = Stage(database)
    first = await stage.owe(30_000)
    for name, amount in (("paid", 10_000), ("declined", 5_000), ("open", 10_000)):
        stage.identify(name, first)
        await stage.begin(name, first, amount)
        if name == "paid":
            await stage.writer.finish_attempt("key-paid", state=AttemptState.SUCCEEDED)
        elif name == "declined":
            await stage.writer.finish_attempt("key-declined", state=AttemptState.DECLINED)
    stage.writer.record(call("early"))
    await stage.writer.flush()
    other = Stage(database, "node-2")
    other.writer.record(call("elsewhere"))
    other.writer.record(transaction("elsewhere"))
    await other.writer.flush()

    restarted = Stage(database)
    assert await restarted.writer.close_orphans() == 4
    assert await restarted.writer.close_orphans() == 0
    results = {row["id"]: row["result"] for row in await rows(database, transactions)}
    assert results == {
        "tx-paid": "success",
        "tx-declined": "internal-error",
        "tx-open": "pending",
        "tx-elsewhere": None,
    }
    reasons = {row["id"]: row["end_reason"] for row in await rows(database, calls)}
    assert reasons == {
        "call-paid": "process-ended",
        "call-declined": "process-ended",
        "call-open": "process-ended",
        "call-early": "process-ended",
        "call-elsewhere": None,
    }
    told = [row for row in await rows(database, events) if row["type"] == "transaction.ended"]
    assert {row["transaction_id"]: row["data"]["result"] for row in told} == {
        "tx-paid": "success",
        "tx-declined": "internal-error",
        "tx-open": "pending",
    }

    assert await restarted.writer.finish_attempt("key-open", state=AttemptState.SUCCEEDED)
    results = {row["id"]: row["result"] for row in await rows(database, transactions)}
    assert results["tx-open"] == "success"


async def test_a_call_that_ended_is_no_orphan(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(call("a"))
    stage.writer.record(
        Event(EventType.CALL_ENDED, NOON, "call-a", detail=EventDetail(reason="done"))
    )
    await stage.writer.flush()
    assert await stage.writer.close_orphans() == 0
    assert await types(database) == ["call.started", "call.ended"]


async def test_two_nodes_never_claim_the_same_attempt(
    database: Database, ledger_url: str
) -> None:
    elsewhere = open_database(ledger_url)
    one, other = Stage(database, "node-1"), Stage(elsewhere, "node-2")
    debt = await one.owe()
    one.identify("a", debt)
    await one.begin("a", debt)
    claims = await asyncio.gather(
        *(
            stage.writer.claim_open_attempt(not_inquired_since=NOON + timedelta(seconds=1))
            for stage in (one, other)
        )
    )
    taken = [claim for claim in claims if claim is not None]
    assert [(claim.key, claim.inquiries) for claim in taken] == [("key-a", 1)]
    await elsewhere.close()


async def test_a_claim_waits_for_its_next_time(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    begun = await stage.begin("a", debt)
    claim = stage.writer.claim_open_attempt
    assert await claim(not_inquired_since=NOON, node="node-2") is None
    assert await claim(not_inquired_since=NOON, older_than=begun.created_at) is None
    first = await claim(not_inquired_since=NOON, node="node-1", older_than=_LONG_AFTER)
    assert first is not None
    assert first.inquired_at is not None
    assert await claim(not_inquired_since=first.inquired_at) is None
    again = await claim(not_inquired_since=first.inquired_at + timedelta(seconds=1))
    assert again is not None
    assert again.inquiries == 2
    await stage.writer.finish_attempt("key-a", state=AttemptState.NOT_CHARGED)
    assert await claim(not_inquired_since=_LONG_AFTER) is None
