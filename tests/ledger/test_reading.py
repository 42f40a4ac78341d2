"""What is read of the database, on each database."""

from datetime import UTC, timedelta
from typing import Any

import pytest

from ivr.ledger.database import Database
from ivr.ledger.paging import CursorError
from ivr.ledger.reading import (
    TransactionFilter,
    attempts_of,
    events_after,
    find_calls,
    find_transactions,
    get_transaction,
    last_event_id,
)
from ivr.ledger.totals import Totals, totals
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.monitor.story import NOON, Teller, attempt, owe, record


async def ids(database: Database, **wanted: Any) -> list[str]:
    page = await find_transactions(database, TransactionFilter(**wanted))
    return [row.id for row in page.items]


async def three_transactions(database: Database) -> None:
    await owe(database, "d1")
    minute = timedelta(minutes=1)
    paid = Teller("paid", NOON).call_begins().begins().identified("d1", 12_345)
    paid.ends(Result.SUCCESS)
    await record(database, *paid.take())
    lost = Teller("lost", NOON + minute, language="en").begins().ends(Result.CALLER_HUNG_UP)
    await record(database, *lost.take())
    await record(database, *Teller("open", NOON + 2 * minute).begins().take())


async def test_transactions_come_newest_first_and_by_each_filter(database: Database) -> None:
    await three_transactions(database)
    assert await ids(database) == ["tx-open", "tx-lost", "tx-paid"]
    assert await ids(database, result="success") == ["tx-paid"]
    assert await ids(database, open=True) == ["tx-open"]
    assert await ids(database, open=False) == ["tx-lost", "tx-paid"]
    assert await ids(database, reference="D1") == ["tx-paid"]
    assert await ids(database, language="en") == ["tx-lost"]
    assert await ids(database, call_id="call-paid") == ["tx-paid"]
    assert await ids(database, language="fr", open=False) == ["tx-paid"]
    created = NOON + timedelta(minutes=1, seconds=1)
    assert await ids(database, created_from=created) == ["tx-open", "tx-lost"]
    assert await ids(database, created_to=created) == ["tx-paid"]


async def test_a_transaction_tells_its_debt_and_the_card_that_paid(database: Database) -> None:
    await three_transactions(database)
    its = {"transaction_id": "tx-paid", "debt_id": "d1", "brand": "visa"}
    await attempt(database, "a1", **its, state="declined", last4="0002", code="declined")
    await attempt(
        database,
        "a2",
        **its,
        last4="4242",
        reference="pi_1",
        created_at=NOON + timedelta(seconds=5),
    )
    row = await get_transaction(database, "tx-paid")
    assert row is not None
    assert (row.reference, row.debt_id, row.amount_due, row.currency) == (
        "D1",
        "d1",
        12_345,
        "EUR",
    )
    assert (row.brand, row.last4, row.gateway_reference) == ("visa", "4242", "pi_1")
    assert row.created_at.tzinfo is UTC
    attempts = await attempts_of(database, "tx-paid")
    assert [(one.state, one.last4) for one in attempts] == [
        ("declined", "0002"),
        ("succeeded", "4242"),
    ]
    assert (await find_transactions(database)).items[-1] == row


async def test_a_declined_card_is_not_told_as_the_one_that_paid(database: Database) -> None:
    await three_transactions(database)
    its = {"transaction_id": "tx-paid", "debt_id": "d1"}
    await attempt(database, "a1", **its, state="declined", last4="0002", brand="visa")
    row = await get_transaction(database, "tx-paid")
    assert row is not None
    assert (row.brand, row.last4) == (None, None)


async def test_no_such_transaction(database: Database) -> None:
    assert await get_transaction(database, "nobody") is None
    assert await attempts_of(database, "nobody") == ()


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_meet_each_row_once_whatever_arrives_meanwhile(
    database: Database, limit: int
) -> None:
    # Three at the same moment: the id decides among them.
    for name in ("a", "b", "c"):
        await record(database, *Teller(name, NOON).begins().take())
    for number in range(4):
        later = NOON + timedelta(minutes=1 + number)
        await record(database, *Teller(f"l{number}", later).begins().take())
    found: list[str] = []
    page = await find_transactions(database, limit=limit)
    found += [row.id for row in page.items]
    await record(database, *Teller("new", NOON + timedelta(hours=1)).begins().take())
    while page.next is not None:
        page = await find_transactions(database, limit=limit, cursor=page.next)
        assert 1 <= len(page.items) <= limit
        found += [row.id for row in page.items]
    assert found == [f"tx-{name}" for name in ("l3", "l2", "l1", "l0", "c", "b", "a")]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "AAAA",
        "é",
        "MjAyNi0xMS0yM1QxMjowMDowMHx4",
        "MjAyNi0xMS0yM1QxMjowMDowMCswMDowMA==",
    ],
    ids=["empty", "no base64", "no text", "not ascii", "naive", "no id"],
)
async def test_a_cursor_of_another_make_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(CursorError):
        await find_transactions(database, cursor=cursor)
    with pytest.raises(CursorError):
        await find_calls(database, cursor=cursor)


async def test_live_and_past_calls(database: Database) -> None:
    past = Teller("past").call_begins().begins().ends(Result.CALLER_HUNG_UP).hangs_up()
    await record(database, *past.take())
    live = Teller("live", NOON + timedelta(hours=1)).call_begins().begins()
    await record(database, *live.take())
    assert [row.id for row in (await find_calls(database)).items] == ["call-live", "call-past"]
    (now,) = (await find_calls(database, live=True)).items
    (then,) = (await find_calls(database, live=False)).items
    assert (now.id, now.ended_at) == ("call-live", None)
    assert [row.id for row in now.transactions] == ["tx-live"]
    assert (then.id, then.end_reason, then.latest) == ("call-past", "caller-hung-up", ())
    assert then.ended_at == NOON + timedelta(seconds=5)
    assert then.transactions[0].result == "caller-hung-up"


async def test_a_live_call_is_told_by_its_newest_events_of_each_kind_and_step(
    database: Database,
) -> None:
    teller = Teller("live").call_begins().begins().enters(Step.CARD_NUMBER)
    for keyed in (1, 2, 3):
        teller.says(EventType.ENTRY_PROGRESS, Step.CARD_NUMBER, digits=keyed)
    teller.says(EventType.PROMPT_PLAYED, Step.CARD_NUMBER, prompt="card-number")
    teller.errs(Step.CARD_NUMBER, EntryError.TOO_SHORT)
    teller.says(EventType.ENTRY_PROGRESS, Step.EXPIRATION_DATE, digits=2)
    await record(database, *teller.take())
    (call,) = (await find_calls(database, live=True)).items
    told = [(event.type, event.step, event.data.get("digits")) for event in call.latest]
    assert told == [
        ("call.started", None, None),
        ("call.answered", None, None),
        ("transaction.created", "welcome", None),
        ("step.entered", "payment-card-number", None),
        ("entry.progress", "payment-card-number", 3),
        ("entry.error", "payment-card-number", None),
        ("entry.progress", "expiration-date", 2),
    ]


async def test_events_behind_an_id_and_of_one_call(database: Database) -> None:
    assert await last_event_id(database) == 0
    await record(database, *Teller("a").call_begins().begins().take())
    await record(database, *Teller("b").call_begins().begins().take())
    newest = await last_event_id(database)
    every = await events_after(database)
    assert len(every) == 6
    assert every[-1].id == newest
    assert [event.id for event in every] == sorted(event.id for event in every)
    assert await events_after(database, every[3].id) == every[4:]
    assert await events_after(database, limit=2) == every[:2]
    assert await events_after(database, call_id="call-b") == every[3:]
    assert await events_after(database, transaction_id="tx-a") == every[2:3]
    assert every[0].data["caller"] == "+33140000001"
    assert every[0].at == NOON + timedelta(seconds=1)


async def test_totals(database: Database) -> None:
    assert await totals(database) == Totals(0, 0, {}, {}, {}, {}, ())
    await three_transactions(database)
    erring = Teller("erring").begins()
    erring.errs(Step.CARD_NUMBER, EntryError.TIMEOUT).errs(Step.CARD_NUMBER, EntryError.TIMEOUT)
    await record(database, *erring.take())
    its = {"transaction_id": "tx-paid", "debt_id": "d1"}
    await attempt(database, "a1", **its)
    await attempt(database, "a2", **its, amount=2_345)
    await attempt(database, "a3", **its, state="declined")
    assert await totals(database) == Totals(
        live_calls=1,
        open_transactions=2,
        transactions={"success": 1, "caller-hung-up": 1},
        attempts={"succeeded": 2, "declined": 1},
        entry_errors={("payment-card-number", "timeout"): 2},
        recovered={"EUR": 12_345},
        trunks=(),
    )
