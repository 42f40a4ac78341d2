"""The rows of calls and transactions follow their events."""

from datetime import timedelta

from ivr.ledger.database import Database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event, transaction_created, transaction_ended
from ivr.ledger.tables import calls, transactions
from ivr.vocabulary import EventType, Result, Step
from tests.ledger.stage import NOON, Stage, call, rows, transaction

_SECOND = timedelta(seconds=1)


async def test_a_call_is_opened_answered_and_ended(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(call("a"))
    stage.writer.record(Event(EventType.CALL_ANSWERED, NOON + _SECOND, "call-a"))
    stage.writer.record(Event(EventType.CALL_ANSWERED, NOON + 2 * _SECOND, "call-a"))
    for second, reason in ((3, "caller-hung-up"), (4, "too-late")):
        ended = Event(
            EventType.CALL_ENDED,
            NOON + second * _SECOND,
            "call-a",
            detail=EventDetail(reason=reason),
        )
        stage.writer.record(ended)
        await stage.writer.flush()
    assert await rows(database, calls) == [
        {
            "id": "call-a",
            "node": "node-1",
            "direction": "inbound",
            "caller": "+33612345678",
            "called": "3000",
            "sip_call_id": "a@192.0.2.1",
            "started_at": NOON,
            "answered_at": NOON + _SECOND,
            "ended_at": NOON + 3 * _SECOND,
            "end_reason": "caller-hung-up",
        }
    ]


async def test_a_transaction_is_opened_moved_tied_to_its_debt_and_ended(
    database: Database,
) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.writer.flush()
    (row,) = await rows(database, transactions)
    assert (row["step"], row["debt_id"], row["amount_due"], row["currency"]) == (
        "welcome",
        debt.id,
        12_050,
        "EUR",
    )
    for second, step in ((1, Step.READY), (2, Step.CARD_NUMBER)):
        at = NOON + second * _SECOND
        stage.writer.record(Event(EventType.STEP_ENTERED, at, "call-a", "tx-a", step))
    await stage.writer.flush()
    (row,) = await rows(database, transactions)
    assert (row["step"], row["updated_at"]) == ("payment-card-number", NOON + 2 * _SECOND)
    later = NOON + 3 * _SECOND
    stage.writer.record(
        Event(EventType.PROMPT_PLAYED, later, "call-a", "tx-a", Step.EXPIRATION_DATE)
    )
    for result in (Result.CALLER_HUNG_UP, Result.INTERNAL_ERROR):
        stage.writer.record(
            transaction_ended(
                "tx-a", later, call_id="call-a", step=Step.CANCELLED, result=result
            )
        )
        await stage.writer.flush()
    (row,) = await rows(database, transactions)
    assert row == {
        "id": "tx-a",
        "call_id": "call-a",
        "debt_id": debt.id,
        "owner_id": None,
        "channel": "inbound-call",
        "journey": "payment",
        "language": "fr",
        "step": "payment-cancelled",
        "result": "caller-hung-up",
        "amount_due": 12_050,
        "amount_paid": 0,
        "currency": "EUR",
        "created_at": NOON,
        "updated_at": later,
        "ended_at": later,
    }


async def test_a_whole_call_fits_into_one_batch(database: Database) -> None:
    stage = Stage(database)
    for name in "ab":
        stage.writer.record(call(name))
        stage.writer.record(transaction(name))
        call_id, tx = f"call-{name}", f"tx-{name}"
        stage.writer.record(Event(EventType.STEP_ENTERED, NOON, call_id, tx, Step.CARD_NUMBER))
        stage.writer.record(
            transaction_ended(
                tx, NOON, call_id=call_id, step=None, result=Result.CALLER_HUNG_UP
            )
        )
        stage.writer.record(Event(EventType.CALL_ENDED, NOON, call_id))
    await stage.writer.flush()
    found = await rows(database, transactions)
    assert [(row["step"], row["result"]) for row in found] == [
        ("payment-card-number", "caller-hung-up")
    ] * 2
    assert all(row["ended_at"] == NOON for row in await rows(database, calls))


async def test_who_is_connected_first_owns_what_nobody_has_prepared(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(call("o"))
    stage.writer.record(
        transaction_created(
            "tx-o",
            NOON,
            call_id="call-o",
            channel="outbound-call",
            journey="payment",
            language="fr",
        )
    )
    for agent in (None, "anna", "ben"):
        detail = EventDetail(agent=agent)
        connected = Event(EventType.AGENT_CONNECTED, NOON, "call-o", "tx-o", detail=detail)
        stage.writer.record(connected)
    await stage.writer.flush()
    (row,) = await rows(database, transactions)
    assert row["owner_id"] == "anna"


async def test_a_transfer_ties_a_prepared_transaction_to_its_call(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(call("p"))
    stage.writer.record(
        transaction_created(
            "tx-p", NOON, call_id=None, channel="agent", journey="payment", language="fr"
        )
    )
    stage.writer.record(Event(EventType.TRANSACTION_TRANSFERRED, NOON, "call-p", "tx-p"))
    for agent in ("anna", "ben"):
        stage.writer.record(
            Event(
                EventType.AGENT_RINGING,
                NOON,
                "call-p",
                "tx-p",
                detail=EventDetail(agent=agent),
            )
        )
        await stage.writer.flush()
    (row,) = await rows(database, transactions)
    assert (row["call_id"], row["owner_id"]) == ("call-p", "anna")
