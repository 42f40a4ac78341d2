"""The indicators, over sets of events made by hand, on each database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ivr.ledger.database import Database
from ivr.ledger.kpi import ErrorCount, Indicators, Recovery, StepCount, indicators
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.monitor.story import NOON, Teller, owe, record

DAY = datetime(2026, 11, 23, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)


async def told(database: Database, *tellers: Teller) -> None:
    events = [event for teller in tellers for event in teller.take()]
    for debt_id in {event.detail.debt_id for event in events} - {None}:
        await owe(database, str(debt_id))
    await record(database, *events)


async def today(database: Database) -> Indicators:
    return await indicators(database, DAY, NEXT_DAY)


async def test_nothing_happened(database: Database) -> None:
    figures = await today(database)
    assert figures == Indicators(
        DAY, NEXT_DAY, (), 0, 0, 0, 0, 0, with_entry_error=0, funnel=(), errors=()
    )
    assert figures.not_completed_rate is None
    assert figures.entry_error_rate is None


async def test_a_debt_identified_twice_is_due_once_at_its_first_identification(
    database: Database,
) -> None:
    await told(
        database,
        # Told first, happened later: time decides, not the order of writing.
        Teller("late", NOON + timedelta(hours=1)).begins().identified("d1", 4_000),
        Teller("early").begins().identified("d1", 10_000).pays(6_000),
        Teller("other").begins().identified("d2", 30_000).pays(4_000),
    )
    (euros,) = (await today(database)).recovery
    assert euros == Recovery("EUR", due=40_000, debts=2, recovered=10_000, payments=2)
    assert euros.rate == 0.25


async def test_two_debts_in_one_transaction_are_both_due(database: Database) -> None:
    await told(database, Teller("a").begins().identified("d1", 100).identified("d2", 50))
    (euros,) = (await today(database)).recovery
    assert (euros.due, euros.debts) == (150, 2)


async def test_currencies_are_never_added_up(database: Database) -> None:
    await told(
        database,
        Teller("a").begins().identified("d1", 10_000).pays(10_000),
        Teller("b").begins().identified("d2", 8_000, "CHF"),
        Teller("c").begins().pays(700, "JPY"),
    )
    assert (await today(database)).recovery == (
        Recovery("CHF", 8_000, 1, 0, 0),
        Recovery("EUR", 10_000, 1, 10_000, 1),
        Recovery("JPY", 0, 0, 700, 1),
    )
    assert [row.rate for row in (await today(database)).recovery] == [0, 1, None]


async def test_amounts_beyond_32_bits(database: Database) -> None:
    await told(
        database,
        Teller("a").begins().identified("d1", 999_999_999_999).pays(999_999_999_999),
        Teller("b").begins().identified("d2", 999_999_999_999),
    )
    (euros,) = (await today(database)).recovery
    assert (euros.due, euros.recovered) == (1_999_999_999_998, 999_999_999_999)
    assert isinstance(euros.due, int)


async def test_the_period_holds_its_start_and_not_its_end(database: Database) -> None:
    second = timedelta(seconds=1)
    at_start = Teller("start", DAY - second).begins()  # exactly 00:00:00
    at_end = Teller("end", NEXT_DAY - second).begins()
    paid_at_start = Teller("paid", DAY - 2 * second).begins().pays(100)
    paid_at_end = Teller("later", NEXT_DAY - 2 * second).begins().pays(10)
    due_at_start = Teller("due", DAY - 2 * second).begins().identified("d1", 1_000)
    due_at_end = Teller("due2", NEXT_DAY - 2 * second).begins().identified("d2", 5)
    await told(database, at_start, at_end, paid_at_start, paid_at_end, due_at_start, due_at_end)
    figures = await today(database)
    (euros,) = figures.recovery
    assert (euros.due, euros.recovered) == (1_000, 100)
    # Created at 00:00:00, and two at 23:59:59; not the two of the evening before.
    assert figures.transactions == 3
    before = await indicators(database, DAY - timedelta(days=1), DAY)
    after = await indicators(database, NEXT_DAY, NEXT_DAY + timedelta(days=1))
    assert (before.transactions, after.transactions) == (2, 1)


async def test_the_period_is_told_in_any_zone(database: Database) -> None:
    await told(database, Teller("a", NOON).begins())
    paris = timezone(timedelta(hours=1))
    hour = await indicators(
        database,
        datetime(2026, 11, 23, 13, tzinfo=paris),
        datetime(2026, 11, 23, 14, tzinfo=paris),
    )
    assert hour.transactions == 1
    assert hour.start == NOON


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NEXT_DAY, DAY),
        (DAY.replace(tzinfo=None), NEXT_DAY),
        (DAY, NEXT_DAY.replace(tzinfo=None)),
    ],
)
async def test_a_period_that_cannot_be(
    database: Database, start: datetime, end: datetime
) -> None:
    with pytest.raises(ValueError):
        await indicators(database, start, end)


async def test_each_transaction_stands_in_one_state(database: Database) -> None:
    declined = {"code": "insufficient-funds", "amount": 500, "currency": "EUR"}
    await told(
        database,
        Teller("open").begins(),
        Teller("hung-up").begins().ends(Result.CALLER_HUNG_UP),
        Teller("refused").begins().ends(Result.CARD_DECLINED),
        Teller("already").begins().ends(Result.ALREADY_PAID),
        Teller("pending").begins().says(EventType.PAYMENT_UNKNOWN).ends(Result.PENDING),
        Teller("bare-pending").begins().ends(Result.PENDING),
        # A decline, then a success: one completed transaction, one payment.
        Teller("twice")
        .begins()
        .says(EventType.PAYMENT_DECLINED, Step.PROCESSING, **declined)
        .pays(500)
        .ends(Result.SUCCESS),
    )
    figures = await today(database)
    assert (figures.transactions, figures.completed, figures.not_completed) == (7, 2, 2)
    assert (figures.pending, figures.open) == (2, 1)
    assert figures.not_completed_rate == 0.5
    (euros,) = figures.recovery
    assert (euros.recovered, euros.payments) == (500, 1)


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (EventType.PAYMENT_SUCCEEDED, "completed"),
        (EventType.PAYMENT_DECLINED, "not_completed"),
        (EventType.PAYMENT_NOT_CHARGED, "not_completed"),
        (EventType.PAYMENT_UNKNOWN, "pending"),
    ],
)
@pytest.mark.parametrize("answer_first", [True, False])
async def test_a_pending_end_is_settled_by_the_last_answer(
    database: Database, answer: EventType, counted: str, answer_first: bool
) -> None:
    teller = Teller("a").begins()
    # An earlier card was declined: that is not the answer that is waited for.
    teller.says(EventType.PAYMENT_DECLINED).says(EventType.PAYMENT_UNKNOWN)
    if answer_first:
        teller.says(answer, amount=5, currency="EUR").ends(Result.PENDING)
    else:
        teller.ends(Result.PENDING).says(answer, amount=5, currency="EUR")
    await told(database, teller)
    figures = await today(database)
    counts = {
        name: getattr(figures, name)
        for name in ("completed", "not_completed", "pending", "open")
    }
    assert counts == {**dict.fromkeys(counts, 0), counted: 1}


async def test_what_became_of_a_transaction_after_midnight_counts_for_its_own_day(
    database: Database,
) -> None:
    teller = Teller("a", NEXT_DAY - timedelta(seconds=2)).begins()  # 23:59:59
    teller.enters(Step.CARD_NUMBER).errs(Step.CARD_NUMBER, EntryError.LUHN_FAILED)
    teller.ends(Result.CALLER_HUNG_UP)
    await told(database, teller)
    its_day = await today(database)
    assert (its_day.not_completed, its_day.with_entry_error) == (1, 1)
    assert its_day.errors
    next_day = await indicators(database, NEXT_DAY, NEXT_DAY + timedelta(days=1))
    assert (next_day.transactions, next_day.not_completed, next_day.with_entry_error) == (
        0,
        0,
        0,
    )
    assert (next_day.funnel, next_day.errors) == ((), ())


async def test_entry_errors_and_the_funnel(database: Database) -> None:
    steps = (Step.WELCOME, Step.REFERENCE, Step.CARD_NUMBER)
    three_errors = Teller("a").begins()
    for step in steps:
        three_errors.enters(step)
    three_errors.errs(Step.CARD_NUMBER, EntryError.LUHN_FAILED)
    three_errors.enters(Step.CARD_NUMBER)
    three_errors.errs(Step.CARD_NUMBER, EntryError.LUHN_FAILED, 2)
    three_errors.errs(Step.REFERENCE, EntryError.REFERENCE_UNKNOWN)
    await told(
        database,
        three_errors,
        Teller("b")
        .begins()
        .enters(Step.WELCOME)
        .enters(Step.CARD_NUMBER)
        .errs(Step.CARD_NUMBER, EntryError.TIMEOUT)
        .errs(Step.CARD_NUMBER, EntryError.LUHN_FAILED),
        Teller("c").begins().enters(Step.WELCOME),
        Teller("d").begins(),
    )
    figures = await today(database)
    assert figures.with_entry_error == 2
    assert figures.entry_error_rate == 0.5
    assert figures.funnel == (
        StepCount("welcome", 3),
        StepCount("reference", 1),
        StepCount("payment-card-number", 2),
    )
    assert figures.errors == (
        ErrorCount("reference", "reference-unknown", 1, 1),
        ErrorCount("payment-card-number", "luhn-failed", 3, 2),
        ErrorCount("payment-card-number", "timeout", 1, 1),
    )
