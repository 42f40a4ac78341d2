"""The indicators, where agents take calls back and hand them over again."""

from datetime import UTC, datetime, timedelta

from ivr.ledger.database import Database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.kpi import Recovery, indicators
from ivr.vocabulary import EventType, Result, Step
from tests.monitor.story import Teller, owe, record

DAY = datetime(2026, 11, 23, tzinfo=UTC)


def taken_back(teller: Teller, *, resumed: bool) -> Teller:
    """An agent has the call, and hands it over again perhaps."""
    kinds = [EventType.AGENT_WANTED, EventType.AGENT_CONNECTED]
    kinds += [EventType.AGENT_LEFT, EventType.JOURNEY_RESUMED] if resumed else []
    teller.enters(Step.AGENT)
    teller.told += [
        Event(kind, teller.now(), None, teller.transaction, Step.AGENT, EventDetail())
        for kind in kinds
    ]
    return teller


async def test_each_transaction_counts_once_by_what_it_came_to(database: Database) -> None:
    await owe(database, "d1")
    paid = taken_back(Teller("paid").begins().identified("d1", 10_000), resumed=True)
    paid = taken_back(paid.enters(Step.CARD_NUMBER), resumed=True)
    paid.enters(Step.CARD_NUMBER).pays(10_000).ends(Result.SUCCESS)
    kept = taken_back(Teller("kept").begins(), resumed=False)
    kept.ends(Result.TRANSFERRED_TO_AGENT)
    shown = Teller("shown").begins().pays(500).ends(Result.SUCCESS)
    taken_back(shown, resumed=False)
    await record(database, *paid.take(), *kept.take(), *shown.take())
    figures = await indicators(database, DAY, DAY + timedelta(days=1))
    assert (figures.transactions, figures.completed, figures.not_completed) == (3, 2, 1)
    assert (figures.open, figures.pending) == (0, 0)
    assert figures.recovery == (Recovery("EUR", 10_000, 1, 10_500, 2),)
    steps = {count.step: count.transactions for count in figures.funnel}
    assert (steps[Step.AGENT], steps[Step.CARD_NUMBER]) == (3, 1)
