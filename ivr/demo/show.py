"""The demo: one act of it on a throw-away Solde, each step as it happens."""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import click

from ivr.demo.agent_act import agent_act
from ivr.demo.debtor import Debtor
from ivr.demo.debtor_act import debtor_act
from ivr.demo.follow import Say
from ivr.demo.search import places_of
from ivr.vocabulary import Result

_WHOLE_CALL = 300.0


async def show(*, act: str, as_json: bool, mistakes: bool, card: str, language: str) -> int:
    """Run an act of the demo; return the exit status, 0 when the debtor has paid."""
    folder = Path(tempfile.mkdtemp(prefix="solde-demo-"))
    say: Say = silent if as_json else click.echo
    debtor = Debtor(language, card, mistakes=mistakes)
    playing = agent_act if act == "agent" else debtor_act
    try:
        async with asyncio.timeout(_WHOLE_CALL):
            told, report, recordings = await playing(folder / "stage", debtor, language, say)
        kept = [shutil.copy(one, folder / one.name) for one in recordings]
        report["heard"] = str(kept[0])
        left = places_of(card, folder / "stage", "\n".join(map(json.dumps, told)))
    finally:
        shutil.rmtree(folder / "stage", ignore_errors=True)
    say(f"\nwhat was heard: {', '.join(map(str, kept))}")
    say(f"the card number in logs, database and events: {', '.join(left) or 'nowhere'}")
    if as_json:
        click.echo(json.dumps(report))
    agent_heard = report.get("agent_heard_digits", 0)
    return 0 if report["result"] == Result.SUCCESS and not left and not agent_heard else 1


def silent(_line: str) -> None:
    """Say nothing: the one JSON object is all that is printed."""
