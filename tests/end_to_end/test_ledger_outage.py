"""The ledger cannot be written during a call: nothing is charged that is not written first."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivr.demo.stage import Stage
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.debtor import AMOUNT, ASKED, Answers, Debtor
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside


@alongside
async def test_nothing_is_charged_while_the_attempt_cannot_be_written(folder: Path) -> None:
    async with Stage(folder / "stage") as stage, EventLog(stage) as log:
        async with await Debtor.start(stage, log, folder) as debtor:
            await debtor.call()
            await debtor.answer(ASKED[:-1])
            await debtor.hears(Step.CONFIRM)
            with unwritable(folder / "stage" / "solde.db"):
                await debtor.press("1")
                await debtor.is_hung_up()
        # What happened meanwhile is told as soon as it can be written.
        assert await debtor.result() == Result.INTERNAL_ERROR
        await debtor.hears(Step.FAILED, "payment-failed.ledger-unavailable")
        assert not log.all(EventType.PAYMENT_ATTEMPTED)
        assert booked(folder / "stage" / "sandbox.db") == []


@alongside
async def test_a_charge_whose_end_cannot_be_written_is_asked_about_later(
    folder: Path,
) -> None:
    settings = {
        "SOLDE_GATEWAY__SANDBOX__SLOW": "3",
        "SOLDE_GATEWAY__INQUIRY_INTERVAL": "1",
    }
    slow = Answers(card="4000000000007304")
    async with Stage(folder / "stage", settings) as stage, EventLog(stage) as log:
        async with await Debtor.start(stage, log, folder, slow) as debtor:
            await debtor.call()
            await debtor.answer()
            await log.wait_for(EventType.PAYMENT_ATTEMPTED)
            with unwritable(folder / "stage" / "solde.db"):
                await debtor.is_hung_up()
                assert not log.all(EventType.PAYMENT_SUCCEEDED)
        await log.wait_for(EventType.PAYMENT_SUCCEEDED)
        assert await debtor.result() == Result.SUCCESS
        assert len(log.all(EventType.PAYMENT_SUCCEEDED)) == 1
        assert booked(folder / "stage" / "sandbox.db") == [AMOUNT]


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Hold the only right to write that SQLite gives, as a stuck process would."""
    other = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


def booked(path: Path) -> list[int]:
    """Return the amounts that the sandbox has taken."""
    book = sqlite3.connect(path)
    try:
        return [row[0] for row in book.execute("SELECT captured FROM payments")]
    finally:
        book.close()
