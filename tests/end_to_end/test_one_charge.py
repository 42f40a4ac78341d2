"""Two telephones pay one debt at the same moment: one charge, and the other hears why."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ivr.demo.stage import Stage
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end import stripe_process
from tests.end_to_end.debtor import AMOUNT, ASKED, VISA, Answers, Debtor, users
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside
from tests.fakes.databases import PostgresServer

SLOW = "4000000000007304"
HEARD = {
    Result.ALREADY_PAID: "payment-failed.already-paid",
    Result.PENDING: "payment-failed.unknown",
}


@alongside
async def test_two_phones_at_one_node(folder: Path) -> None:
    await two_phones_at_one_node(folder, VISA)


@alongside
async def test_two_phones_while_the_gateway_takes_its_time(folder: Path) -> None:
    await two_phones_at_one_node(folder, SLOW)


async def two_phones_at_one_node(folder: Path, card: str) -> None:
    settings = {**users("anna", "bert"), "SOLDE_GATEWAY__SANDBOX__SLOW": "3"}
    async with Stage(folder / "stage", settings) as stage, EventLog(stage) as log:
        await both_pay(log, folder, {"anna": stage, "bert": stage}, card)
    book = sqlite3.connect(folder / "stage" / "sandbox.db")
    try:
        assert book.execute("SELECT captured FROM payments").fetchall() == [(AMOUNT,)]
    finally:
        book.close()


@alongside
async def test_a_phone_at_each_of_two_nodes(folder: Path) -> None:
    async with postgres() as url, stripe_process.running() as stripe:
        settings = {**users("anna", "bert"), **stripe.settings, "SOLDE_LEDGER__URL": url}
        east = Stage(folder / "east", {**settings, "SOLDE_NODE__NAME": "east"})
        west = Stage(folder / "west", {**settings, "SOLDE_NODE__NAME": "west"})
        monitor = Stage(folder / "monitor", settings)
        await monitor.load()
        try:
            await asyncio.gather(east.start("ivr"), west.start("ivr"), monitor.start("monitor"))
            async with EventLog(monitor) as log:
                await both_pay(log, folder, {"anna": east, "bert": west}, VISA)
                paid = log.all(EventType.CALL_STARTED)
                assert {event["node"] for event in paid} == {"east", "west"}
        finally:
            await asyncio.gather(east.stop(), west.stop(), monitor.stop())
        assert [charge["amount"] for charge in (await stripe.told())["charges"]] == [AMOUNT]


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """Start a server; give the URL of an empty database."""
    # Not in a thread: it silences a warning, and the list of warnings is the process's.
    server = PostgresServer()
    try:
        url = server.url_of("solde")
        server.make_empty(url)
        yield url
    finally:
        server.stop()


async def both_pay(log: EventLog, folder: Path, phones: dict[str, Stage], card: str) -> None:
    """Let two debtors confirm at once; one pays, the other hears what became of it."""
    answers = Answers(card=card)
    one, other = await asyncio.gather(
        *(Debtor.start(stage, log, folder, answers, user) for user, stage in phones.items())
    )
    async with one, other:
        for debtor in (one, other):
            await debtor.call()
        await asyncio.gather(*(debtor.answer(ASKED[:-1]) for debtor in (one, other)))
        await asyncio.gather(*(debtor.hears(Step.CONFIRM) for debtor in (one, other)))
        await asyncio.gather(*(debtor.press("1") for debtor in (one, other)))
        ends = {debtor: await debtor.result() for debtor in (one, other)}
    assert list(ends.values()).count(Result.SUCCESS) == 1
    for debtor, result in ends.items():
        if result != Result.SUCCESS:
            assert log.all(
                EventType.PROMPT_PLAYED,
                call_id=debtor.call_id,
                prompt=HEARD[Result(result)],
            )
    assert len(log.all(EventType.PAYMENT_SUCCEEDED)) == 1
    assert len(log.all(EventType.PAYMENT_ATTEMPTED)) == 1
