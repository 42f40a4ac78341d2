"""The demo: a debtor telephones, keys a card, and it is paid; each step as it happens."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ivr.demo.debtor import Debtor
from ivr.demo.phone_client import Phone
from ivr.demo.search import places_of
from ivr.demo.stage import NUMBERS, PHONE_PASSWORD, PHONE_USER, Stage
from ivr.demo.watcher import events
from ivr.kpi_report import money
from ivr.vocabulary import EventType, Result, Step

_LISTENS = 2.0  # seconds of a question after which the debtor keys
_LISTENS_TO_THE_AMOUNT = 6.5
_WHOLE_CALL = 300.0


async def show(*, as_json: bool, mistakes: bool, card: str, language: str) -> int:
    """Run the demo; return the exit status, 0 when the debtor has paid."""
    folder = Path(tempfile.mkdtemp(prefix="solde-demo-"))
    say: Callable[[str], None] = _silent if as_json else click.echo
    try:
        async with Stage(folder / "stage") as stage, asyncio.timeout(_WHOLE_CALL):
            say(f"solde serve: sip:{stage.registrar}  {stage.page}")
            told = await _call(stage, Debtor(language, card, mistakes=mistakes), language, say)
            report = await _report(stage, told, say)
            report["heard"] = str(folder / "heard.wav")
            shutil.copy(stage.folder / "heard.wav", folder / "heard.wav")
            kpi = await stage.command("kpi")
        left = places_of(card, stage.folder, "\n".join(map(json.dumps, told)))
    finally:
        shutil.rmtree(folder / "stage", ignore_errors=True)
    say(f"\n{kpi.strip()}\n\nwhat the debtor heard: {report['heard']}")
    say(f"the card number in logs, database and events: {', '.join(left) or 'nowhere'}")
    if as_json:
        click.echo(json.dumps(report))
    return 0 if report["result"] == Result.SUCCESS and not left else 1


async def _call(
    stage: Stage, debtor: Debtor, language: str, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Let a phone call and key what the debtor answers; return the events."""
    phone = await Phone.start(
        stage.registrar, PHONE_USER, PHONE_PASSWORD, record=stage.folder / "heard.wav"
    )
    async with phone, stage.client() as client:
        await phone.register()
        say("a pyVoIP phone has registered, and calls\n")
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        watching = asyncio.create_task(_watch(client, heard))
        try:
            await phone.call(NUMBERS[language])
            told = await _converse(phone, debtor, heard, say)
            await phone.wait_for("hung-up")
        finally:
            watching.cancel()
    return told


async def _watch(client: Any, heard: asyncio.Queue[dict[str, Any]]) -> None:
    async for event in events(client):
        heard.put_nowait(event)


async def _converse(
    phone: Phone,
    debtor: Debtor,
    heard: asyncio.Queue[dict[str, Any]],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Answer each question once it has been heard for a while, until the call ends."""
    told: list[dict[str, Any]] = []
    step: Step | None = None
    asked = False
    ended: set[str] = set()
    while not ended >= {EventType.CALL_ENDED, EventType.TRANSACTION_ENDED}:
        patience = _LISTENS_TO_THE_AMOUNT if step in (Step.AMOUNT, Step.CONFIRM) else _LISTENS
        try:
            async with asyncio.timeout(patience if asked else None):
                event = await heard.get()
        except TimeoutError:
            asked = False
            answer = debtor.answer(step) if step else None
            for keys in answer or ():
                await phone.press(keys.keys, gap_ms=keys.gap_ms)
            continue
        told.append(event)
        _tell(event, say)
        ended.add(event["type"])
        if event["type"] == EventType.STEP_ENTERED:
            step = Step(event["step"])
        asked = asked or event["type"] == EventType.PROMPT_PLAYED
    return told


def _tell(event: dict[str, Any], say: Callable[[str], None]) -> None:
    data = event["data"]
    if event["type"] == EventType.PROMPT_PLAYED:
        return
    details = "  ".join(f"{name}={value}" for name, value in data.items())
    say(f"{event['at'][11:23]}  {event['type']:24}{event['step'] or '':22}{details}")


async def _report(
    stage: Stage, told: list[dict[str, Any]], say: Callable[[str], None]
) -> dict[str, Any]:
    """Ask the monitor what the ledger holds now."""
    transaction_id = next(e["transaction_id"] for e in told if e["transaction_id"])
    async with stage.client() as client:
        answer = await client.get(f"/api/v1/transactions/{transaction_id}")
    answer.raise_for_status()
    found = answer.json()
    for attempt in found["attempts"]:
        paid = money(attempt["amount"], attempt["currency"])
        card = f"{attempt['brand']} ending {attempt['last4']}"
        say(f"\nledger: attempt {attempt['state']}: {paid} by {card}")
        say(f"        {attempt['gateway']} reference {attempt['reference']}")
    due, paid = (
        money(found[name] or 0, found["currency"] or "EUR")
        for name in ("amount_due", "amount_paid")
    )
    say(f"ledger: transaction {found['result']}: {paid} paid of {due} due")
    return {
        "result": found["result"],
        "amount": found["amount_paid"],
        "currency": found["currency"],
        "steps": [e["step"] for e in told if e["type"] == EventType.STEP_ENTERED],
        "heard": "",
        "entry_errors": [
            e["data"]["error"] for e in told if e["type"] == EventType.ENTRY_ERROR
        ],
    }


def _silent(_line: str) -> None:
    """Say nothing: the one JSON object is all that is printed."""
