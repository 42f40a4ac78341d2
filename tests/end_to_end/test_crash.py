"""The ivr process is killed while the gateway decides: the end is found, nobody pays twice."""

import sqlite3
from pathlib import Path
from typing import Any

from ivr.vocabulary import AttemptState, EventType, Result, Step
from tests.end_to_end import stripe_process
from tests.end_to_end.debtor import AMOUNT, REFERENCE, Answers, Debtor
from tests.end_to_end.side_by_side import alongside
from tests.end_to_end.stages import Apart, apart
from tests.fakes.stripe_api_account import Fault

SLOW = "4000000000007304"
NEVER = "3600"
INQUIRES = {"SOLDE_GATEWAY__INQUIRY_INTERVAL": "1"}


@alongside
async def test_a_charge_whose_answer_was_late_is_found_in_the_sandbox(folder: Path) -> None:
    slow = {"SOLDE_GATEWAY__SANDBOX__SLOW": NEVER, **INQUIRES}
    async with apart(folder / "stage", slow) as solde:
        async with await debtor(solde, folder, card=SLOW) as caller:
            await caller.call()
            await caller.answer()
            # The sandbox has decided before it begins to wait.
            await caller.hears(Step.PROCESSING, "payment-processing.still-waiting")
            await killed_and_restarted(solde)
        await the_end_is_told_once(solde, folder)
    assert booked(folder / "stage" / "sandbox.db") == [AMOUNT]


@alongside
async def test_a_charge_whose_answer_was_held_is_found_at_stripe(folder: Path) -> None:
    async with (
        stripe_process.running() as stripe,
        apart(folder / "stage", {**stripe.settings, **INQUIRES}) as solde,
    ):
        await stripe.fail(Fault.HANG_AFTER)
        async with await debtor(solde, folder) as caller:
            await caller.call()
            await caller.answer()
            await stripe.charged.wait()
            await killed_and_restarted(solde)
        await the_end_is_told_once(solde, folder)
        assert [charge["amount"] for charge in (await stripe.told())["charges"]] == [AMOUNT]


@alongside
async def test_a_charge_that_never_reached_stripe_stays_open_until_that_is_certain(
    folder: Path,
) -> None:
    async with (
        stripe_process.running() as stripe,
        apart(folder / "stage", {**stripe.settings, **INQUIRES}) as solde,
    ):
        await stripe.fail(Fault.HANG_BEFORE)
        async with await debtor(solde, folder) as caller:
            await caller.call()
            await caller.answer()
            await caller.hears(Step.PROCESSING, "payment-processing.still-waiting")
            await killed_and_restarted(solde)
        async with await debtor(solde, folder) as caller:
            await caller.call()
            await caller.answer([Step.REFERENCE])
            await caller.hears(Step.AMOUNT, "amount.in-progress")
            await caller.hang_up()
            assert await caller.result() == Result.PENDING
        asked = await the_attempt(solde)
        assert asked["state"] == AttemptState.PENDING
        assert asked["inquiries"] >= 1

        make_older(folder / "stage" / "solde.db")
        await solde.log.wait_for(EventType.PAYMENT_NOT_CHARGED)
        assert (await stripe.told())["charges"] == []
        async with await debtor(solde, folder) as caller:
            await caller.call()
            await caller.answer()
            await solde.log.wait_for(EventType.PAYMENT_SUCCEEDED, call_id=caller.call_id)
        assert [charge["amount"] for charge in (await stripe.told())["charges"]] == [AMOUNT]


async def debtor(solde: Apart, folder: Path, **keyed: str) -> Debtor:
    return await Debtor.start(solde.ivr, solde.log, folder, Answers(**keyed))


async def killed_and_restarted(solde: Apart) -> None:
    assert not solde.log.all(EventType.PAYMENT_SUCCEEDED)
    await solde.ivr.kill()
    await solde.ivr.start("ivr")


async def the_end_is_told_once(solde: Apart, folder: Path) -> None:
    """The money is found, the debtor hears of it, and nothing is told twice."""
    attempted = solde.log.all(EventType.PAYMENT_ATTEMPTED)
    assert len(attempted) == 1
    paid = await solde.log.wait_for(EventType.PAYMENT_SUCCEEDED)
    assert paid["transaction_id"] == attempted[0]["transaction_id"]
    ended = await solde.log.wait_for(EventType.TRANSACTION_ENDED)
    assert (ended["data"]["result"], ended["data"]["reason"]) == (
        Result.PENDING,
        "process-ended",
    )

    async with await debtor(solde, folder) as caller:
        await caller.call()
        await caller.answer([Step.REFERENCE])
        await caller.hears(Step.AMOUNT, "amount.already-paid")
        await caller.hang_up()
        assert await caller.result() == Result.ALREADY_PAID

    first = await solde.get(f"transactions/{paid['transaction_id']}")
    assert (first["result"], first["amount_paid"]) == (Result.SUCCESS, AMOUNT)
    assert first["reference"] == REFERENCE
    assert (await the_attempt(solde))["state"] == AttemptState.SUCCEEDED
    for told_once in (EventType.PAYMENT_ATTEMPTED, EventType.PAYMENT_SUCCEEDED):
        assert len(solde.log.all(told_once)) == 1


async def the_attempt(solde: Apart) -> dict[str, Any]:
    """Return the only attempt of the only transaction that has one."""
    found = []
    for transaction in (await solde.get("transactions"))["items"]:
        found += (await solde.get(f"transactions/{transaction['id']}"))["attempts"]
    assert len(found) == 1
    attempt: dict[str, Any] = found[0]
    return attempt


def booked(path: Path) -> list[int]:
    """Return the amounts that the sandbox has taken."""
    book = sqlite3.connect(path)
    try:
        return [row[0] for row in book.execute("SELECT captured FROM payments")]
    finally:
        book.close()


def make_older(path: Path) -> None:
    """Let time pass for the attempt: what Stripe does not know by then, it never will."""
    ledger = sqlite3.connect(path)
    try:
        with ledger:
            ledger.execute(
                "UPDATE payment_attempts SET created_at = datetime(created_at, '-5 minutes')"
            )
    finally:
        ledger.close()
