"""Payment attempts: at most one open on a debt, each ended once."""

import asyncio
import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ivr.ledger.attempts import (
    AmountExceedsDebtError,
    Attempt,
    AttemptInProgressError,
    DebtAlreadyPaidError,
)
from ivr.ledger.database import Database, LedgerUnavailableError, open_database
from ivr.ledger.events import transaction_ended
from ivr.ledger.schema import migrate
from ivr.ledger.tables import events, payment_attempts, transactions
from ivr.vocabulary import AttemptState, EventType, Result
from tests.ledger.stage import NOON, Stage, rows, types


async def test_an_attempt_is_committed_with_all_that_came_before(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    attempt = await stage.begin("a", debt)
    assert (attempt.state, attempt.amount, attempt.node) == (
        AttemptState.PENDING,
        12_050,
        "node-1",
    )
    # Seen through another connection: it is committed, though nothing was flushed.
    assert await types(database) == [
        "call.started",
        "transaction.created",
        "transaction.identified",
        "payment.attempted",
    ]
    (row,) = await rows(database, payment_attempts)
    assert (row["state"], row["key"], row["debt_id"]) == ("pending", "key-a", debt.id)
    assert (await stage.debt()).has_open_attempt


async def test_success_is_recorded_once(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    end = {"reference": "pi_1", "brand": "visa", "last4": "4242"}
    assert await stage.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED, **end)
    assert not await stage.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED, **end)
    assert not await stage.writer.finish_attempt("key-a", state=AttemptState.DECLINED)
    (told,) = [
        row for row in await rows(database, events) if row["type"] == "payment.succeeded"
    ]
    assert told["data"] == {
        "amount": 12_050,
        "currency": "EUR",
        "last4": "4242",
        "expiry_masked": "**/**",
        "brand": "visa",
        "reference": "pi_1",
    }
    assert (told["transaction_id"], told["step"]) == ("tx-a", "payment-processing")
    (paid,) = await rows(database, transactions)
    assert paid["amount_paid"] == 12_050
    after = await stage.debt()
    assert (after.outstanding, after.has_open_attempt) == (0, False)


async def test_a_paid_debt_is_not_charged_again(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    await stage.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED)
    stage.identify("b", debt)
    with pytest.raises(DebtAlreadyPaidError):
        await stage.begin("b", debt)
    assert len(await rows(database, payment_attempts)) == 1


async def test_no_more_is_charged_than_is_outstanding(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt, 12_000)
    await stage.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED)
    with pytest.raises(AmountExceedsDebtError) as refused:
        await stage.begin("a", debt, 51, key="key-2")
    assert refused.value.outstanding == 50
    attempt = await stage.begin("a", debt, 50, key="key-2")
    assert attempt.amount == 50


@pytest.mark.parametrize("state", [AttemptState.DECLINED, AttemptState.NOT_CHARGED])
async def test_another_card_may_be_tried_after_a_known_end(
    database: Database, state: AttemptState
) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    assert await stage.writer.finish_attempt("key-a", state=state, code="declined")
    with pytest.raises(AttemptInProgressError, match="key"):
        await stage.begin("a", debt)
    await stage.begin("a", debt, key="key-a2")
    assert [row["state"] for row in await rows(database, payment_attempts)].count(
        "pending"
    ) == 1


async def test_an_unknown_end_keeps_the_debt_closed_until_it_is_known(
    database: Database,
) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    assert await stage.writer.finish_attempt("key-a", state=AttemptState.UNKNOWN)
    assert not await stage.writer.finish_attempt("key-a", state=AttemptState.UNKNOWN)
    stage.identify("b", debt)
    with pytest.raises(AttemptInProgressError):
        await stage.begin("b", debt)
    assert await stage.writer.finish_attempt("key-a", state=AttemptState.NOT_CHARGED)
    await stage.begin("b", debt)
    # The second call's events were not lost with the refusal.
    assert await types(database) == [
        "call.started",
        "transaction.created",
        "transaction.identified",
        "payment.attempted",
        "payment.unknown",
        "call.started",
        "transaction.created",
        "transaction.identified",
        "payment.not-charged",
        "payment.attempted",
    ]


async def test_two_phones_at_the_same_moment_make_one_attempt(
    database: Database, ledger_url: str
) -> None:
    elsewhere = open_database(ledger_url)
    stages = [Stage(database, "node-1"), Stage(elsewhere, "node-2")]
    debt = await stages[0].owe()
    for name, stage in zip("ab", stages, strict=True):
        stage.identify(name, debt)
        await stage.writer.flush()
    ends = await asyncio.gather(
        *(stage.begin(name, debt) for name, stage in zip("ab", stages, strict=True)),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["Attempt", "AttemptInProgressError"]
    assert len(await rows(database, payment_attempts)) == 1
    assert (await types(database)).count("payment.attempted") == 1
    await elsewhere.close()


async def test_ten_calls_on_one_transaction_make_one_attempt(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    ends = await asyncio.gather(
        *(stage.begin("a", debt, key=f"key-{n}") for n in range(10)), return_exceptions=True
    )
    assert [isinstance(end, Attempt) for end in ends].count(True) == 1
    assert all(isinstance(end, (Attempt, AttemptInProgressError)) for end in ends)


def _race(url: str, debt_id: str, name: str, start: Barrier, ends: "Queue[str]") -> None:
    async def begin() -> str:
        database = open_database(url)
        stage = Stage(database, f"node-{name}")
        debt = await stage.debt()
        assert debt.id == debt_id
        stage.identify(name, debt)
        await stage.writer.flush()
        start.wait()
        try:
            await stage.begin(name, debt)
        except AttemptInProgressError:
            return "refused"
        finally:
            await database.close()
        return "begun"

    ends.put(asyncio.run(begin()))


async def test_two_processes_on_one_file_make_one_attempt(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database = open_database(url)
    await migrate(database)
    debt = await Stage(database).owe()
    spawn = multiprocessing.get_context("spawn")
    start, ends = spawn.Barrier(2), spawn.Queue()
    racers = [
        spawn.Process(target=_race, args=(url, debt.id, name, start, ends)) for name in "ab"
    ]
    for racer in racers:
        racer.start()
    loop = asyncio.get_running_loop()
    told = sorted([await loop.run_in_executor(None, ends.get, True, 30) for _ in racers])
    for racer in racers:
        await loop.run_in_executor(None, racer.join)
    assert told == ["begun", "refused"]
    assert len(await rows(database, payment_attempts)) == 1
    await database.close()


async def test_a_transaction_that_is_not_there_is_not_charged(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    with pytest.raises(LedgerUnavailableError, match="transaction"):
        await stage.begin("nobody", debt)
    assert await rows(database, payment_attempts) == []


async def test_another_currency_or_no_amount_is_refused(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    with pytest.raises(ValueError, match="amount"):
        await stage.begin("a", debt, 0)
    with pytest.raises(ValueError, match="currency"):
        await stage.writer.begin_attempt(
            transaction_id="tx-a",
            debt_id=debt.id,
            call_id=None,
            key="k",
            gateway="sandbox",
            amount=1,
            currency="USD",
        )
    assert await rows(database, payment_attempts) == []


async def test_an_end_is_kept_though_its_decoration_is_not(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    assert await stage.writer.finish_attempt(
        "key-a",
        state=AttemptState.SUCCEEDED,
        reference="4242 4242 4242 4242",
        code="NOT A WORD",
        brand="bank-of-somewhere",
        last4="42424242",
    )
    (row,) = await rows(database, payment_attempts)
    assert (row["state"], row["reference"], row["code"], row["brand"], row["last4"]) == (
        "succeeded",
        None,
        None,
        "unknown",
        None,
    )


async def test_no_charge_shows_no_card(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    await stage.writer.finish_attempt("key-a", state=AttemptState.NOT_CHARGED, last4="4242")
    told = (await rows(database, events))[-1]
    assert told["type"] == EventType.PAYMENT_NOT_CHARGED
    assert "last4" not in told["data"]


async def test_an_attempt_that_was_never_begun_has_no_end(database: Database) -> None:
    stage = Stage(database)
    assert not await stage.writer.finish_attempt("stranger", state=AttemptState.SUCCEEDED)
    assert await types(database) == []


async def test_pending_is_no_end(database: Database) -> None:
    stage = Stage(database)
    with pytest.raises(ValueError, match="pending"):
        await stage.writer.finish_attempt("key-a", state=AttemptState.PENDING)


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (AttemptState.SUCCEEDED, Result.SUCCESS),
        (AttemptState.DECLINED, Result.CARD_DECLINED),
        (AttemptState.NOT_CHARGED, Result.PAYMENT_CONNECTOR_ERROR),
    ],
)
@pytest.mark.parametrize("answer_first", [False, True])
async def test_a_pending_transaction_gets_the_result_of_its_attempt(
    database: Database, state: AttemptState, result: Result, answer_first: bool
) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    pending = transaction_ended(
        "tx-a", NOON, call_id="call-a", step=None, result=Result.PENDING
    )
    if answer_first:
        await stage.writer.finish_attempt("key-a", state=state)
        stage.writer.record(pending)
        await stage.writer.flush()
    else:
        stage.writer.record(pending)
        await stage.writer.finish_attempt("key-a", state=state)
        assert (await rows(database, events))[-1]["data"]["result"] == result
    (row,) = await rows(database, transactions)
    assert row["result"] == result


async def test_money_taken_after_the_caller_hung_up_is_a_success(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    await stage.begin("a", debt)
    hung_up = Result.CALLER_HUNG_UP
    stage.writer.record(
        transaction_ended("tx-a", NOON, call_id="call-a", step=None, result=hung_up)
    )
    await stage.writer.finish_attempt("key-a", state=AttemptState.SUCCEEDED)
    (row,) = await rows(database, transactions)
    assert (row["result"], row["amount_paid"]) == (Result.SUCCESS, 12_050)
