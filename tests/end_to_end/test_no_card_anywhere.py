"""A canary: after a whole call, mistakes on the way, the card is found nowhere outside memory.

What the caller's own phone writes is not searched: it is the caller's.
"""

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ivr.demo.search import disguises, places_of
from ivr.demo.stage import Stage
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.end_to_end import stripe_process
from tests.end_to_end.debtor import ASKED, Answers, Debtor
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside

NUMBER, MISTYPED = "378282246310005", "378282246310015"
CODE, TOO_SHORT = "0739", "073"
EXPIRY = "0931"
SPOKEN = Answers(card=NUMBER, code=CODE, expiry=EXPIRY)


@alongside
async def test_a_whole_call_leaves_no_card_at_the_sandbox(folder: Path) -> None:
    await a_whole_call_leaves_no_card(folder, {})


@alongside
async def test_a_whole_call_leaves_no_card_on_its_way_to_stripe(folder: Path) -> None:
    async with stripe_process.running() as stripe:
        await a_whole_call_leaves_no_card(folder, stripe.settings)


async def a_whole_call_leaves_no_card(callers: Path, settings: dict[str, str]) -> None:
    folder = callers / "stage"
    async with Stage(folder, settings) as stage, EventLog(stage) as log:
        await a_call_with_mistakes(stage, log, callers)

        told = [json.dumps(log.events), *await served(stage), *described(stage.pid)]
        # While it runs, the write-ahead logs hold what was ever written.
        assert (folder / "solde.db-wal").stat().st_size > 0
        check(folder, told)
        assert spelled(event["data"] | {"": event["type"]} for event in log.events) == []
    check(folder, told)
    lines = stage.log.read_text().splitlines()
    assert spelled(json.loads(line) for line in lines if line.startswith("{")) == []
    assert any(f'"last4":"{NUMBER[-4:]}"' in text for text in told), "nothing was searched"
    assert stage.environment["SOLDE_LOG__LEVEL"] == "debug"


async def a_call_with_mistakes(stage: Stage, log: EventLog, folder: Path) -> None:
    async with await Debtor.start(stage, log, folder, SPOKEN) as debtor:
        await debtor.call()
        await debtor.answer(ASKED[:3])
        await debtor.hears(Step.CARD_NUMBER)
        await debtor.press(f"{NUMBER[:6]}**{MISTYPED}#")
        await log.wait_for(EventType.ENTRY_ERROR, error=EntryError.LUHN_FAILED)
        await debtor.answer([Step.CARD_NUMBER, Step.EXPIRATION_DATE])
        await debtor.hears(Step.SECURITY_CODE)
        await debtor.press(f"{TOO_SHORT}#")
        await log.wait_for(EventType.ENTRY_ERROR, error=EntryError.TOO_SHORT)
        await debtor.answer([Step.SECURITY_CODE, Step.CONFIRM])
        assert await debtor.result() == Result.SUCCESS


async def served(stage: Stage) -> list[str]:
    """Return all that the web side tells: the API, the page and its files, the metrics."""
    async with stage.client() as client:
        listed = await client.get("/api/v1/transactions")
        (transaction,) = listed.json()["items"]
        one = f"/api/v1/transactions/{transaction['id']}"
        paths = [
            one,
            f"{one}/events?limit=200",
            "/api/v1/calls",
            "/api/v1/kpi",
            "/metrics",
            "/openapi.json",
            "/health",
            "/health/ready",
            "/",
        ]
        answers = [listed, *[(await client.get(path)).raise_for_status() for path in paths]]
        raw = ""
        async with client.stream(
            "GET", "/api/v1/events", headers={"Last-Event-ID": "0"}
        ) as stream:
            async for line in stream.aiter_lines():
                raw += f"{line}\n"
                if EventType.TRANSACTION_ENDED in line:
                    break
    return [raw, *(f"{answer.headers}\n{answer.text}" for answer in answers)]


def described(process: int) -> list[str]:
    """Return what the kernel tells of a process and its children: command and environment."""
    proc = Path(f"/proc/{process}")
    children = (proc / "task" / str(process) / "children").read_text().split()
    texts = [
        (proc / name).read_bytes().replace(b"\0", b"\n").decode(errors="replace")
        for name in ("cmdline", "environ")
    ]
    return texts + [text for child in children for text in described(int(child))]


def check(folder: Path, told: list[str]) -> None:
    """Search files and texts for the number, and texts and rows for the short secrets."""
    for number in (NUMBER, MISTYPED):
        assert places_of(number, folder, *told) == []
    texts = {f"text {i}": text for i, text in enumerate(told)}
    texts["log"] = (folder / "solde.log").read_text()
    for name in ("solde.db", "sandbox.db"):
        if (folder / name).exists():
            texts[name] = rows(folder / name)
    for secret in (CODE, EXPIRY, f"{EXPIRY[:2]}/{EXPIRY[2:]}"):
        found = [name for name, text in texts.items() if stands_alone(secret, text)]
        assert found == [], secret


def spelled(records: Iterable[dict[str, Any]]) -> list[str]:
    """Return the fields whose values, one record after the other, spell the number."""
    values: dict[str, str] = defaultdict(str)
    for record in records:
        for name, value in record.items():
            values[name] += str(value)
    return [name for name, text in values.items() if NUMBER in text]


def rows(path: Path) -> str:
    """Return every value of a SQLite file, one a line."""
    database = sqlite3.connect(path)
    try:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name for (name,) in tables.fetchall()]
        assert names
        return "\n".join(
            str(value)
            for name in names
            for row in database.execute(f'SELECT * FROM "{name}"')
            for value in row
        )
    finally:
        database.close()


def stands_alone(secret: str, text: str) -> bool:
    """Whether a few digits are in a text, not as part of a longer number, a time or an id."""
    return re.search(rf"(?<![0-9A-Za-z:.]){secret}(?![0-9A-Za-z:])", text) is not None


def test_the_search_finds_a_number_told_key_by_key() -> None:
    assert spelled({"event": "key", "is": key} for key in NUMBER) == ["is"]


@pytest.mark.parametrize("form", disguises(NUMBER))
def test_the_search_finds_a_number_in_every_disguise(tmp_path: Path, form: bytes) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ledger.db-wal").write_bytes(b"\0row" + form + b"\xff")
    assert places_of(NUMBER, tmp_path) == [str(tmp_path / "deep" / "ledger.db-wal")]


def test_the_search_finds_a_code_that_stands_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "ledger.db")
    with database:
        database.execute("CREATE TABLE events (data TEXT, note TEXT)")
        database.execute("INSERT INTO events VALUES (?, ?)", (json.dumps({"cvc": CODE}), CODE))
    database.close()
    assert rows(tmp_path / "ledger.db").count(CODE) == 2
    assert stands_alone(CODE, rows(tmp_path / "ledger.db"))
    assert not stands_alone(CODE, f"2026-11-21 20:28:38.{CODE}56 at 1{CODE}")
