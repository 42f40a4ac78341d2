"""The second act: an agent transfers a live call, takes it back, and hands it over again.

The debtor and the agent are pyVoIP phones at an exchange of their own, which transfers the
call as a company's PBX does. The agent takes the call back while the card number is being
keyed, and the debtor, who has not noticed, keys on: the agent must not hear it.
"""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import httpx

from ivr.demo.debtor import REFERENCES, Debtor
from ivr.demo.follow import Event, Say, converse, watch
from ivr.demo.heard_digits import heard_digits
from ivr.demo.pbx_client import PbxProcess
from ivr.demo.phone_client import Phone
from ivr.demo.report import report_of
from ivr.demo.stage import Stage
from ivr.vocabulary import CommandType, EventType, Step

_DEBTOR, _AGENT = "100", "200"
_KEYED_BEFORE = 6
"""Digits of the card number that are keyed when the agent takes the call back."""
_TALK = 3.0  # seconds


class _Agent:
    """What the agent does on their page, with the debtor's phone at hand."""

    def __init__(self, client: httpx.AsyncClient, phone: Phone, card: str, say: Say) -> None:
        self.transaction_id = ""
        self._client = client
        self._debtor_phone = phone
        self._card = card
        self._say = say
        self._taken_back = False

    async def prepare(self, language: str, phone: str) -> str:
        """Prepare a payment; return the number to transfer to."""
        answer = await self._client.post(
            "/api/v1/transactions",
            json={
                "reference": REFERENCES[language],
                "language": language,
                "agent_phone": phone,
            },
            headers={"Idempotency-Key": secrets.token_hex(8)},
        )
        if answer.is_error:
            raise RuntimeError(answer.text)
        prepared = answer.json()
        self.transaction_id = prepared["id"]
        return str(prepared["transfer"]["number"])

    async def at(self, event: Event) -> None:
        """Take the call back amid the card number, talk, and hand it over again."""
        digits = event["data"].get("digits", 0)
        keying = event["step"] == Step.CARD_NUMBER and digits >= _KEYED_BEFORE
        if event["type"] == EventType.ENTRY_PROGRESS and keying and not self._taken_back:
            self._taken_back = True
            await self._command(CommandType.TAKE_BACK)
        if event["type"] == EventType.AGENT_CONNECTED:
            self._say("the debtor keys on, unaware, while they talk")
            await self._debtor_phone.press(self._card[_KEYED_BEFORE:])
            await asyncio.sleep(_TALK)
            await self._command(CommandType.HAND_OVER)

    async def _command(self, kind: CommandType) -> None:
        answer = await self._client.post(
            f"/api/v1/transactions/{self.transaction_id}/commands", json={"type": kind}
        )
        answer.raise_for_status()
        self._say(f"\nthe agent's page: {kind}: {answer.json()['outcome']}")


async def agent_act(
    folder: Path, debtor: Debtor, language: str, say: Say
) -> tuple[list[Event], dict[str, Any], list[Path]]:
    """Return all events, the report, and what the debtor and the agent heard."""
    stage = Stage(folder)
    debtor.interrupt(_KEYED_BEFORE)
    passwords = {name: secrets.token_urlsafe(12) for name in (_DEBTOR, _AGENT)}
    async with (
        await PbxProcess.start(stage.registrar, passwords) as pbx,
        stage,
        await Phone.start(
            pbx.target, _DEBTOR, passwords[_DEBTOR], record=folder / "debtor.wav"
        ) as phone,
        await Phone.start(
            pbx.target, _AGENT, passwords[_AGENT], record=folder / "agent.wav"
        ) as desk,
        stage.client() as client,
    ):
        say(f"solde serve: sip:{stage.registrar}  {stage.page}")
        await phone.register()
        await desk.register()
        desk.take_calls()
        await phone.call(_AGENT)
        await desk.wait_for("answered")
        say("an exchange connects two pyVoIP phones: debtor and agent talk")
        agent = _Agent(client, phone, debtor.card, say)
        number = await agent.prepare(language, f"sip:{_AGENT}@{pbx.target}")
        say(f"the agent prepares a payment, and transfers the call to {number}\n")
        heard: asyncio.Queue[Event] = asyncio.Queue()
        watching = asyncio.create_task(watch(client, heard))
        try:
            await pbx.transfer(_AGENT, f"sip:{number}@{stage.registrar}")
            before = await desk.wait_for("hung-up")
            told = await converse(phone, debtor, heard, say, agent.at)
            after = await desk.wait_for("hung-up")
            await phone.wait_for("hung-up")
        finally:
            watching.cancel()
        report = await report_of(stage, told, agent.transaction_id, say)
    ears = [Path(before["heard"]), Path(after["heard"])]
    report["agent_heard_digits"] = (
        sum(map(heard_digits, ears)) + before["events"] + after["events"]
    )
    say(f"\nkeys that the agent heard: {report['agent_heard_digits']}")
    return told, report, [folder / "debtor.wav", *ears]
