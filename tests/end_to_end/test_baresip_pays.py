"""A telephone of another make, which nobody here wrote or changed, registers and pays."""

from pathlib import Path

from ivr.demo.stage import NUMBERS, PHONE_PASSWORD, PHONE_USER, Stage
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.baresip import Baresip
from tests.end_to_end.debtor import AMOUNT, ASKED, Answers
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside


@alongside
async def test_baresip_registers_and_pays(folder: Path) -> None:
    answers = Answers()
    own = folder / "baresip"
    own.mkdir()
    async with (
        Stage(folder / "stage") as stage,
        EventLog(stage) as log,
        await Baresip.start(
            own, stage.registrar, user=PHONE_USER, password=PHONE_PASSWORD, register=True
        ) as baresip,
    ):
        await baresip.call(NUMBERS["fr"])
        for step in ASKED:
            asked = Step.WELCOME if step is Step.REFERENCE else step
            await log.wait_for(EventType.PROMPT_PLAYED, step=asked)
            await baresip.press(answers.to(step))
        ended = await log.wait_for(EventType.TRANSACTION_ENDED)
        assert ended["data"]["result"] == Result.SUCCESS
        await baresip.wait_for("CALL_CLOSED")
        assert [e["data"]["amount"] for e in log.all(EventType.PAYMENT_SUCCEEDED)] == [AMOUNT]
        assert not log.all(EventType.ENTRY_ERROR)
        # Its RTCP tells how our packets came, and when it got our report.
        quality = await log.wait_for(EventType.CALL_QUALITY)
        assert quality["data"]["peer_loss"] == 0
        assert 0 <= quality["data"]["round_trip"] < 1
