"""The first act: a debtor telephones, keys a card, and it is paid."""

import asyncio
from pathlib import Path

from ivr.demo.debtor import Debtor
from ivr.demo.follow import Event, Say, converse, watch
from ivr.demo.phone_client import Phone
from ivr.demo.report import report_of
from ivr.demo.stage import NUMBERS, PHONE_PASSWORD, PHONE_USER, Stage


async def debtor_act(
    folder: Path, debtor: Debtor, language: str, say: Say
) -> tuple[list[Event], dict[str, object], list[Path]]:
    """Return all events, the report, and the recording of what the debtor heard."""
    recording = folder / "heard.wav"
    async with Stage(folder) as stage:
        say(f"solde serve: sip:{stage.registrar}  {stage.page}")
        phone = await Phone.start(stage.registrar, PHONE_USER, PHONE_PASSWORD, record=recording)
        async with phone, stage.client() as client:
            await phone.register()
            say("a pyVoIP phone has registered, and calls\n")
            heard: asyncio.Queue[Event] = asyncio.Queue()
            watching = asyncio.create_task(watch(client, heard))
            try:
                await phone.call(NUMBERS[language])
                told = await converse(phone, debtor, heard, say)
                await phone.wait_for("hung-up")
            finally:
                watching.cancel()
        transaction_id = next(e["transaction_id"] for e in told if e["transaction_id"])
        report = await report_of(stage, told, transaction_id, say)
    return told, report, [recording]
