"""Two telephones pay one debt at the same moment: one charge, and the other hears why."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ivr.demo.stage import Stage
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end import stripe_process
from tests.end_to_end.debtor import AMOUNT, ASKED, Answers, Debtor, users
from tests.end_to_end.event_log import EventLog
from tests.fakes.databases import PostgresServer

SLOW = "4000000000007304"
HEARD = {
    Result.ALREADY_PAID: "payment-failed.already-paid",
    Result.PENDING: "payment-failed.unknown",
}


@pytest.mark.parametrize("card", ["4242424242424242", SLOW], ids=["at-once", "overlapping"])
async def test_two_phones_at_one_node(tmp_path: Path, card: str) -> None:
    settings = {**users("anna", "bert"), "SOLDE_GATEWAY__SANDBOX__SLOW": "3"}
    async with Stage(tmp_path / "stage", settings) as stage, EventLog(stage) as log:
        await both_pay(log, tmp_path, {"anna": stage, "bert": stage}, card)
    book = sqlite3.connect(tmp_path / "stage" / "sandbox.db")
    try:
        assert book.execute("SELECT captured FROM payments").fetchall() == [(AMOUNT,)]
    finally:
        book.close()


async def test_a_phone_at_each_of_two_nodes(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.url_of("solde_one_charge")
    postgres.make_empty(url)
    async with stripe_process.running() as stripe:
        settings = {**users("anna", "bert"), **stripe.settings, "SOLDE_LEDGER__URL": url}
        east = Stage(tmp_path / "east", {**settings, "SOLDE_NODE__NAME": "east"})
        west = Stage(tmp_path / "west", {**settings, "SOLDE_NODE__NAME": "west"})
        monitor = Stage(tmp_path / "monitor", settings)
        await monitor.load()
        try:
            await asyncio.gather(east.start("ivr"), west.start("ivr"), monitor.start("monitor"))
            async with EventLog(monitor) as log:
                await both_pay(log, tmp_path, {"anna": east, "bert": west}, "4242424242424242")
                paid = log.all(EventType.CALL_STARTED)
                assert {event["node"] for event in paid} == {"east", "west"}
        finally:
            await asyncio.gather(east.stop(), west.stop(), monitor.stop())
        assert [charge["amount"] for charge in (await stripe.told())["charges"]] == [AMOUNT]


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
