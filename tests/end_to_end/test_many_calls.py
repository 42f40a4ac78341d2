"""Many debtors call at once over a bad network: each pays, once, with the card they keyed."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from ivr.demo.stage import NUMBERS, Stage
from ivr.vocabulary import EventType, Result
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.keypad_pcap import Impairment, keypad_pcap
from tests.end_to_end.sipp import PAY, run_sipp

CALLS = 200
CARDS = (
    ("visa", "4242424242424242", "123"),
    ("mastercard", "5555555555554444", "900"),
    ("amex", "378282246310005", "1234"),
    ("visa", "4000056655665556", "001"),
    ("mastercard", "2223003122003222", "777"),
    ("diners", "36227206271667", "321"),
    ("discover", "6011111111111117", "110"),
    ("jcb", "3566002020360505", "555"),
    ("unionpay", "6200000000000005#", "000"),
    ("maestro", "6759649826438453#", "456"),
)
PRESS_MS, GAP_MS = 60, 100


async def test_two_hundred_calls_at_once_over_a_bad_network_are_all_paid(
    tmp_path: Path,
) -> None:
    debts = tmp_path / "debts.csv"
    debts.write_text(
        "reference,amount\n" + "".join(f"{reference(n)},{euros(n)}\n" for n in range(CALLS))
    )
    pcaps = [capture(tmp_path, n) for n in range(CALLS)]
    sipp = tmp_path / "sipp"
    sipp.mkdir()
    async with Stage(tmp_path / "stage", debts=debts) as stage:
        result = await run_sipp(
            PAY,
            stage.registrar,
            directory=sipp,
            number=NUMBERS["fr"],
            calls=CALLS,
            rate=40,
            pcaps=pcaps,
            within=150,
        )
        assert (result.exit_code, result.succeeded, result.failed) == (0, CALLS, 0), (
            result.errors[-3000:]
        )
        async with EventLog(stage) as log, stage.client() as client:
            await log.wait_for(EventType.CALL_ENDED, count=CALLS)
            calls = await listed(client, "calls")
            paid = await listed(client, "transactions")
            kpi = (await client.get("/api/v1/kpi")).json()
    assert len(calls) == CALLS
    all_at_once = max(call["started_at"] for call in calls)
    assert all_at_once < min(call["ended_at"] for call in calls)
    assert kpi["errors"] == []
    assert kpi["with_entry_error"] == 0
    assert all(transaction["gateway_reference"] for transaction in paid)
    assert Counter(map(told, paid)) == Counter(map(expected, range(CALLS)))
    assert booked(tmp_path / "stage" / "sandbox.db") == Counter(map(cents, range(CALLS)))


def reference(call: int) -> str:
    return f"{70_000_000 + 1_009 * call:08}"


def cents(call: int) -> int:
    return 1_000 + 37 * call


def euros(call: int) -> str:
    return f"{cents(call) // 100}.{cents(call) % 100:02}"


def capture(folder: Path, call: int) -> Path:
    """Let a debtor listen for a while at each question, then cut it short."""
    _, card, code = CARDS[call % len(CARDS)]
    script: list[tuple[float, str]] = []
    at = 1.0
    for listens, keys in (
        (0.5, reference(call)),
        (1.0, "1"),
        (1.0, "#"),
        (1.0, card),
        (1.0, "1230"),
        (1.0, code),
        # What is confirmed is never keyed ahead, however long the server takes.
        (4.0, "1"),
    ):
        at += listens
        script.append((at, keys))
        at += len(keys) * (PRESS_MS + GAP_MS) / 1000
    return keypad_pcap(
        folder / f"{call}.pcap",
        script,
        press_ms=PRESS_MS,
        gap_ms=GAP_MS,
        impairment=Impairment(lost=0.02, repeated=0.02, reordered=0.02, seed=call),
        seed=call,
    )


async def listed(client: httpx.AsyncClient, what: str) -> list[dict[str, Any]]:
    """Return all calls or all transactions."""
    found: list[dict[str, Any]] = []
    query = {"limit": "200"}
    while True:
        page = (await client.get(f"/api/v1/{what}", params=query)).raise_for_status()
        found += page.json()["items"]
        if page.json()["next"] is None:
            return found
        query["cursor"] = page.json()["next"]


def told(transaction: dict[str, Any]) -> tuple[object, ...]:
    return tuple(
        transaction[name]
        for name in ("reference", "result", "amount_due", "amount_paid", "brand", "last4")
    )


def expected(call: int) -> tuple[object, ...]:
    brand, card, _ = CARDS[call % len(CARDS)]
    last4 = card.rstrip("#")[-4:]
    return (reference(call), Result.SUCCESS, cents(call), cents(call), brand, last4)


def booked(path: Path) -> Counter[int]:
    """Count the amounts that the gateway has taken."""
    book = sqlite3.connect(path)
    try:
        return Counter(row[0] for row in book.execute("SELECT captured FROM payments"))
    finally:
        book.close()
