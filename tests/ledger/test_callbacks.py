"""Each endpoint is told each event once and in order, whatever other endpoints do."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ivr.ledger import callbacks
from ivr.ledger.callbacks import Claimed, Endpoint
from ivr.ledger.database import Database
from ivr.ledger.tables_agents import callback_deliveries
from ivr.vocabulary import EventType, Result
from tests.ledger.stage import rows
from tests.monitor.story import Teller, record

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = Endpoint(id="one", url="http://one.test/", secret="whsec_AAAA")
TWO = Endpoint(id="two", url="http://two.test/", secret="whsec_AAAA")


def at(seconds: float = 0) -> Any:
    return lambda: AT + timedelta(seconds=seconds)


async def events_of(database: Database, *names: str) -> None:
    for name in names:
        await record(database, *Teller(name).begins().take())


async def claimed(database: Database, endpoint: str, seconds: float = 0) -> Claimed:
    found = await callbacks.claim_delivery(database, at(seconds), endpoint)
    assert found is not None
    return found


async def test_what_happens_after_it_was_made_is_planned_once(database: Database) -> None:
    await events_of(database, "before")
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "after")
    both = await asyncio.gather(callbacks.plan(database, at()), callbacks.plan(database, at()))
    assert sorted(both) == [0, 1]
    assert await callbacks.plan(database, at()) == 0
    assert (await claimed(database, "one")).event.transaction_id == "tx-after"


async def test_only_the_types_and_the_transaction_that_are_wanted(database: Database) -> None:
    wanted = Endpoint(id="ends", url="http://x.test", secret="s", types=["transaction.ended"])
    mine = Endpoint(id="mine", url="http://x.test", secret="s", transaction_id="tx-b")
    await callbacks.add_endpoint(database, at(), wanted)
    await callbacks.add_endpoint(database, at(), mine)
    for name in "ab":
        told = Teller(name).begins().ends(Result.SUCCESS).take()
        await record(database, *told)
    await callbacks.plan(database, at())
    by_endpoint = {
        endpoint: [
            row["event_id"]
            for row in await rows(database, callback_deliveries)
            if row["endpoint_id"] == endpoint
        ]
        for endpoint in ("ends", "mine")
    }
    assert by_endpoint == {"ends": [2, 4], "mine": [3, 4]}


async def test_a_payment_session_ends_with_its_transaction(database: Database) -> None:
    session = Endpoint(
        id="PK", url="http://x.test", secret="s", transaction_id="tx-a", payment={"sid": "PK"}
    )
    await callbacks.add_endpoint(database, at(), session)
    await record(database, *Teller("a").begins().ends(Result.SUCCESS).take())
    assert await callbacks.plan(database, at()) == 2
    await record(database, *Teller("a").says(EventType.PAYMENT_NOT_CHARGED, amount=1).take())
    assert await callbacks.plan(database, at()) == 0


async def test_one_monitor_claims_a_delivery(database: Database) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "a")
    await callbacks.plan(database, at())
    assert await callbacks.due_endpoints(database, at()) == ("one",)
    claims = await asyncio.gather(
        *(callbacks.claim_delivery(database, at(), "one") for _ in range(4))
    )
    assert sum(one is not None for one in claims) == 1
    assert await callbacks.due_endpoints(database, at()) == ()


async def test_a_monitor_that_died_loses_its_claim_and_changes_nothing(
    database: Database,
) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "a")
    await callbacks.plan(database, at())
    slow = await claimed(database, "one")
    again = await claimed(database, "one", 60)
    await callbacks.settle_delivery(database, at(61), slow, status=200, error=None)
    assert (await rows(database, callback_deliveries))[0]["ended_at"] is None
    await callbacks.settle_delivery(database, at(62), again, status=200, error=None)
    (row,) = await rows(database, callback_deliveries)
    assert (row["outcome"], row["attempts"]) == ("delivered", 2)


async def test_an_endpoint_is_told_in_order_and_holds_nobody_else_up(
    database: Database,
) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await callbacks.add_endpoint(database, at(), TWO)
    await events_of(database, "a", "b")
    await callbacks.plan(database, at())
    failed = await claimed(database, "one")
    await callbacks.settle_delivery(database, at(), failed, status=500, error="500")
    assert await callbacks.due_endpoints(database, at(1)) == ("two",)
    first = await claimed(database, "two", 1)
    await callbacks.settle_delivery(database, at(1), first, status=200, error=None)
    assert (await claimed(database, "two", 1)).event.transaction_id == "tx-b"
    assert (await claimed(database, "one", 7)).event.transaction_id == "tx-a"


async def test_a_dead_endpoint_is_given_up_after_a_day(database: Database) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "a", "b")
    await callbacks.plan(database, at())
    seconds, tries = 0.0, 0
    while True:
        one = await claimed(database, "one", seconds)
        if one.event.transaction_id != "tx-a":
            break
        tries += 1
        await callbacks.settle_delivery(
            database, at(seconds), one, status=None, error="no answer"
        )
        open_row = next(
            row for row in await rows(database, callback_deliveries) if not row["ended_at"]
        )
        seconds = max(seconds, (open_row["next_at"] - AT).total_seconds())
    assert 25 <= tries <= 35
    assert 20 * 3600 < seconds < 30 * 3600


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 10), (8, 640), (11, 3600), (33, 3600)]
)
def test_pauses_double_up_to_an_hour(attempts: int, seconds: float) -> None:
    pauses = {callbacks.pause_after(attempts).total_seconds() for _ in range(50)}
    assert all(seconds * 0.8 <= one <= seconds * 1.2 for one in pauses)
    assert len(pauses) > 1


async def test_what_is_removed_is_told_nothing_more(database: Database) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "a")
    await callbacks.plan(database, at())
    await callbacks.remove_endpoint(database, at(), "one")
    await events_of(database, "b")
    assert await callbacks.plan(database, at()) == 0
    assert await callbacks.due_endpoints(database, at()) == ()
    assert await callbacks.find_endpoints(database) == ()
    assert [one.outcome for one in await callbacks.find_deliveries(database, "one")] == [
        "removed"
    ]


async def test_an_event_is_sent_again(database: Database) -> None:
    await callbacks.add_endpoint(database, at(), ONE)
    await events_of(database, "a")
    await callbacks.plan(database, at())
    first = await claimed(database, "one")
    await callbacks.settle_delivery(database, at(), first, status=204, error=None)
    two = await asyncio.gather(
        callbacks.replay_delivery(database, at(), "one", first.delivery.id),
        callbacks.replay_delivery(database, at(), "one", first.delivery.id),
    )
    assert sorted(one.replay for one in two if one) == [1, 2]
    assert (await claimed(database, "one")).event.id == first.event.id
    assert await callbacks.replay_delivery(database, at(), "two", first.delivery.id) is None
    assert await callbacks.replay_delivery(database, at(), "one", 99) is None
