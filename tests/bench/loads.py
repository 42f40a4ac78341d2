"""The loads: callers who listen, callers who pay, callers who only come and go."""

import asyncio
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.server import Server
from tests.bench.sink import media_sink
from tests.end_to_end.keypad_pcap import keypad_pcap
from tests.end_to_end.sipp import PAY, SETUP, SippResult, run_sipp

MEDIA_PORT = 10000
CARDS = ("4242424242424242", "5555555555554444", "6011111111111117", "3566002020360505")


_COMING = 50.0
"""Seconds in which the payers come; each keys for a little longer."""
_PORTS = 2000
_CAPTURES = 150
"""A SIPp plays as many different captures at most; more callers take more of them."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Calls that all hear prompts at the same time."""

    calls: int
    cpu_ms_per_call_second: float
    kilobytes_per_call: float


async def listen(server: Server, folder: Path, calls: int, seconds: int) -> Listening:
    """Let `calls` callers talk and listen for `seconds` after the last has come."""
    ramp = calls / 100
    whole = ramp + seconds + 6
    pcap = keypad_pcap(folder / "talk.pcap", [], audio=True, tail_ms=int(whole * 1000))
    before = server.cost()
    with media_sink(MEDIA_PORT, 2 * calls + 200):
        calling = asyncio.ensure_future(
            run_sipp(
                PAY,
                server.target,
                directory=folder,
                number="3000",
                calls=calls,
                rate=100,
                limit=calls,
                pcaps=[pcap],
                within=whole,
                media_port=MEDIA_PORT,
            )
        )
        await _pass(calling, ramp + 3)
        first = server.cost()
        await _pass(calling, seconds)
        last = server.cost()
        await calling
    busy = (last.cpu - first.cpu) / (last.at - first.at)
    memory = (last.memory - before.memory) / calls
    return Listening(calls, 1000 * busy / calls, memory / 1024)


@dataclass(frozen=True, slots=True)
class Paying:
    """Calls that key a reference and a card, and pay."""

    calls: int
    paid: int
    with_entry_error: int
    failed: int


async def pay(server: Server, folder: Path, calls: int) -> Paying:
    """Let `calls` callers pay a debt each; before the first has paid, the last has come."""
    rate = calls / _COMING
    references = [f"{40000000 + n}" for n in range(calls)]
    await _owe(server, folder / "debts.csv", references)
    groups = [references[n : n + _CAPTURES] for n in range(0, calls, _CAPTURES)]
    results = await asyncio.gather(
        *(_pay(server, folder, n, group, rate / len(groups)) for n, group in enumerate(groups))
    )
    told = await server.stage.command("kpi", "--json")
    paid, with_error = _counted(told)
    return Paying(calls, paid, with_error, sum(result.failed for result in results))


async def _pay(
    server: Server, folder: Path, group: int, references: Sequence[str], rate: float
) -> SippResult:
    directory = folder / f"group{group}"
    directory.mkdir()
    pcaps = [
        keypad_pcap(
            directory / f"{r}.pcap", _script(r, CARDS[n % len(CARDS)]), gap_ms=100, seed=n
        )
        for n, r in enumerate(references)
    ]
    media_port = MEDIA_PORT + _PORTS * group
    with media_sink(media_port, 2 * len(references) + 200):
        result = await run_sipp(
            PAY,
            server.target,
            directory=directory,
            number="3000",
            calls=len(references),
            rate=rate,
            limit=len(references),
            pcaps=pcaps,
            within=240,
            media_port=media_port,
        )
    return _ran(result)


async def come_and_go(
    server: Server, folder: Path, rate: int, seconds: int
) -> tuple[SippResult, float]:
    """Set up and tear down `rate` calls a second; return SIPp's counts and CPU ms a call."""
    before = server.cost()
    calls = rate * seconds
    with media_sink(MEDIA_PORT, 4000):
        result = await run_sipp(
            SETUP,
            server.target,
            directory=folder,
            number="3000",
            calls=calls,
            rate=rate,
            limit=4000,
            within=seconds + 60,
            media_port=MEDIA_PORT,
        )
    after = server.cost()
    return _ran(result), 1000 * (after.cpu - before.cpu) / calls


def _ran(result: SippResult) -> SippResult:
    """Return the result of a run that took place, whether or not its calls succeeded."""
    if result.exit_code not in (0, 1):
        raise RuntimeError(f"SIPp ended with {result.exit_code}: {result.errors}")
    return result


def _script(reference: str, card: str) -> Sequence[tuple[float, str]]:
    return [
        (1.5, reference),
        (15.0, "1"),
        (22.0, "#"),
        (28.0, card),
        (38.0, "1230"),
        (44.0, "123"),
        (54.0, "1"),
    ]


async def _owe(server: Server, path: Path, references: Sequence[str]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["reference", "amount", "currency"])
        rows.writerows([reference, "12.34", "EUR"] for reference in references)
    await server.stage.command("debts", "load", str(path))


def _counted(told: str) -> tuple[int, int]:
    found = json.loads(told)
    return sum(r["payments"] for r in found["recovery"]), found["with_entry_error"]


async def _pass(calling: "asyncio.Future[SippResult]", seconds: float) -> None:
    """Let time pass while SIPp calls; raise what it raises."""
    done, _ = await asyncio.wait({calling}, timeout=seconds)
    for ended in done:
        ended.result()
