"""A call that is transferred, taken back and handed over again, by phones of another make."""

import json
from pathlib import Path

import pytest
import soundfile

from ivr.demo.stage import PHONE_PASSWORD, Stage
from ivr.media.tone_check import looks_like_tones
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.baresip import Baresip, BaresipError
from tests.end_to_end.debtor import REFERENCE, Answers
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside


@alongside
async def test_the_agent_takes_the_call_back_and_hands_it_over_again(folder: Path) -> None:
    answers, agent = Answers(), {"name": "agent", "password": PHONE_PASSWORD}
    homes = [folder / name for name in ("debtor", "agent")]
    for home in homes:
        home.mkdir()
    stage = Stage(folder / "stage", {"SOLDE_SIP__USERS": json.dumps([agent])})
    stage.environment["SOLDE_TRANSFER__HOST"] = stage.registrar
    async with (
        stage,
        EventLog(stage) as log,
        await Baresip.start(
            homes[1],
            stage.registrar,
            user="agent",
            password=PHONE_PASSWORD,
            register=True,
            record=True,
        ) as desk,
        await Baresip.start(homes[0], desk.address, user="debtor") as debtor,
        stage.client() as client,
    ):

        async def command(kind: str) -> str:
            answer = await client.post(path, json={"type": kind})
            outcome: str = answer.raise_for_status().json()["outcome"]
            return outcome

        # The debtor has called the agent, who prepares the payment and transfers the call.
        prepared = await client.post(
            "/api/v1/transactions",
            json={"reference": REFERENCE, "language": "fr", "agent_phone": "agent"},
            headers={"Idempotency-Key": "once"},
        )
        told = prepared.raise_for_status().json()
        path = f"/api/v1/transactions/{told['id']}/commands"
        await debtor.dial("agent")
        await desk.take()
        await debtor.wait_for("CALL_ESTABLISHED")
        await desk.transfer(told["transfer"]["uri"])
        came = await log.wait_for(EventType.TRANSACTION_TRANSFERRED)
        assert (came["transaction_id"], came["data"]["reason"]) == (told["id"], "by-uri")
        for step in (Step.AMOUNT, Step.READY, Step.CARD_NUMBER):
            await log.wait_for(EventType.PROMPT_PLAYED, step=step)
            await debtor.press(answers.to(step))
        await log.wait_for(EventType.STEP_ENTERED, step=Step.EXPIRATION_DATE)

        assert await command("take-back") == "done"
        await desk.take()
        await log.wait_for(EventType.AGENT_CONNECTED)
        # Who was keying a card keys on: the agent is not to hear it.
        await debtor.press(answers.card)
        with pytest.raises(BaresipError, match="no CALL_DTMF_START"):
            await desk.wait_for("CALL_DTMF_START", within=5)
        assert await command("take-back") == "already"

        assert await command("hand-over") == "done"
        resumed = await log.wait_for(EventType.JOURNEY_RESUMED)
        assert resumed["step"] == Step.EXPIRATION_DATE
        for step in (Step.EXPIRATION_DATE, Step.SECURITY_CODE, Step.CONFIRM):
            count = 2 if step is Step.EXPIRATION_DATE else 1
            await log.wait_for(EventType.PROMPT_PLAYED, step=step, count=count)
            await debtor.press(answers.to(step))
        ended = await log.wait_for(EventType.TRANSACTION_ENDED)
        assert ended["data"]["result"] == Result.SUCCESS
        assert await command("take-back") in ("not-now", "call-ended")
        paid = log.all(EventType.PAYMENT_SUCCEEDED)
        assert [one["transaction_id"] for one in paid] == [told["id"]]
        assert not log.all(EventType.ENTRY_ERROR)
    heard = desk.heard
    assert len(heard) == 2
    for recording in heard:
        samples, rate = soundfile.read(recording, dtype="int16")
        assert rate == 8000
        assert not looks_like_tones(samples)
    assert len(soundfile.read(heard[1])[0]) > 2 * 8000
