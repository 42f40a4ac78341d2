"""An operator ends Solde while a debtor pays: SIGTERM lets them finish, SIGINT does not."""

import json
import signal
from pathlib import Path
from typing import Any

from ivr.demo.stage import NUMBERS, Stage
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.debtor import AMOUNT, ASKED, Answers, Debtor
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside
from tests.end_to_end.sipp import BUSY, run_sipp

SLOW = Answers(card="4000000000007304")


@alongside
async def test_sigterm_lets_the_live_call_pay_and_refuses_new_ones(folder: Path) -> None:
    sipp = folder / "sipp"
    sipp.mkdir()
    async with Stage(folder / "stage") as stage, EventLog(stage) as log:
        async with await Debtor.start(stage, log, folder) as debtor:
            await debtor.call()
            await debtor.answer(ASKED[:-1])
            stage.signal(signal.SIGTERM)
            await stage.telephone_answers(503)

            refused = await run_sipp(
                BUSY, stage.registrar, directory=sipp, number=NUMBERS["fr"], calls=3
            )
            assert (refused.exit_code, refused.succeeded) == (0, 3), refused.errors

            await debtor.answer([Step.CONFIRM])
            await debtor.is_hung_up()
        assert await stage.ended() == 0
        assert (await indicators(stage))["recovery"][0]["recovered"] == AMOUNT
        assert results(log) in ([], [Result.SUCCESS]), "the web side may have gone before"


@alongside
async def test_sigint_ends_the_call_at_once(folder: Path) -> None:
    async with Stage(folder / "stage") as stage, EventLog(stage) as log:
        async with await Debtor.start(stage, log, folder) as debtor:
            await debtor.call()
            await debtor.answer(ASKED[:4])
            await debtor.hears(Step.EXPIRATION_DATE)
            stage.signal(signal.SIGINT)
            await debtor.is_hung_up()
        assert await stage.ended() == 0
        told = await indicators(stage)
        assert (told["transactions"], told["open"], told["completed"]) == (1, 0, 0)


@alongside
async def test_sigint_still_records_the_charge_under_way(folder: Path) -> None:
    slow = {"SOLDE_GATEWAY__SANDBOX__SLOW": "3"}
    async with Stage(folder / "stage", slow) as stage, EventLog(stage) as log:
        async with await Debtor.start(stage, log, folder, SLOW) as debtor:
            await debtor.call()
            await debtor.answer()
            await log.wait_for(EventType.PAYMENT_ATTEMPTED)
            stage.signal(signal.SIGINT)
            await debtor.is_hung_up()
        assert await stage.ended() == 0
        told = await indicators(stage)
        assert (told["open"], told["completed"]) == (0, 1)
        assert told["recovery"][0]["recovered"] == AMOUNT


async def indicators(stage: Stage) -> dict[str, Any]:
    """Read the ledger as an operator would; nothing serves it any more."""
    told: dict[str, Any] = json.loads(await stage.command("kpi", "--json"))
    return told


def results(log: EventLog) -> list[str]:
    return [event["data"]["result"] for event in log.all(EventType.TRANSACTION_ENDED)]
