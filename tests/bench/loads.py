"""The loads: callers who listen, callers who pay, callers who only come and go."""

import asyncio
import contextlib
import csv
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.bench.player import Heard, Job, Script, player
from tests.bench.server import FIRST_PORT, Server, Spent
from tests.bench.sink import media_sink
from tests.end_to_end.attack import attack
from tests.end_to_end.sipp import SETUP, SippResult, run_sipp

CALL = Path(__file__).parent / "call.xml"
MEDIA_PORT = 10000
CARDS = ("4242424242424242", "5555555555554444", "6011111111111117", "3566002020360505")

_RAMP = 40
"""Callers who come in a second: the last one is there before the first one hangs up."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls cost that were all live over some seconds."""

    live: int
    """Calls that were not refused."""
    cpu_ms_per_call_second: float
    kilobytes_per_call: float


async def listen(server: Server, folder: Path, calls: int, seconds: int) -> tuple[Cost, Heard]:
    """Let `calls` callers talk and listen for `seconds` after the last has come."""
    rate = 100
    ramp = calls / rate
    before = server.spent()
    async with (
        player(Job(MEDIA_PORT, [()] * calls, ramp + seconds + 10)) as heard,
        _calling(server, folder, calls, rate) as calling,
    ):
        await _pass(calling, ramp + 3)
        first = server.spent()
        await _pass(calling, seconds)
        last = server.spent()
        live = _live(folder)
    memory = (last.memory - before.memory) / live
    return Cost(live, _cpu_ms(first, last, live), memory / 1024), heard


@dataclass(frozen=True, slots=True)
class Paying:
    """Calls that key a reference and a card, and pay."""

    calls: int
    live: int
    """Calls that were live at once, after the last had come and before the first had paid."""
    paid: int
    with_entry_error: int
    failed: int
    cpu_ms_per_call_second: float
    """While the callers key."""


async def pay(
    server: Server, folder: Path, calls: int, attacked: int = 0
) -> tuple[Paying, Heard]:
    """Let `calls` callers pay a debt each; before the first has paid, the last has come.

    Meanwhile `attacked` bad messages a second come from elsewhere.
    """
    ramp = calls / _RAMP
    references = [f"{40000000 + n}" for n in range(calls)]
    await _owe(server, folder / "debts.csv", references)
    scripts = [_script(r, CARDS[n % len(CARDS)]) for n, r in enumerate(references)]
    ports = (FIRST_PORT, FIRST_PORT + 4 * calls)
    async with (
        player(Job(MEDIA_PORT, scripts, 70)) as heard,
        attack(server.stage.sip_port, ports, attacked) if attacked else nullcontext(),
        _calling(server, folder, calls, _RAMP) as calling,
    ):
        await _pass(calling, ramp + 1)
        first = server.spent()
        await _pass(calling, 25)
        last = server.spent()
        live = _live(folder)
        result = _ran(await calling)
    paid, with_error = _counted(await server.stage.command("kpi", "--json"))
    cpu = _cpu_ms(first, last, live)
    return Paying(calls, live, paid, with_error, result.failed, cpu), heard


async def come_and_go(
    server: Server, folder: Path, rate: int, seconds: int
) -> tuple[SippResult, float]:
    """Set up and tear down `rate` calls a second; return SIPp's counts and CPU ms a call."""
    before = server.spent()
    calls = rate * seconds
    with media_sink(MEDIA_PORT + 4, 8000, step=1):
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
    after = server.spent()
    return _ran(result), 1000 * (after.cpu - before.cpu) / calls


@asynccontextmanager
async def _calling(
    server: Server, folder: Path, calls: int, rate: float
) -> AsyncIterator["asyncio.Future[SippResult]"]:
    """Let SIPp make calls whose media the player has; what goes on at the end is cut off."""
    ports = folder / "ports.csv"
    rows = [f"{MEDIA_PORT + 2 * n};\n" for n in range(calls)]
    ports.write_text("SEQUENTIAL\n" + "".join(rows))
    calling = asyncio.ensure_future(
        run_sipp(
            CALL,
            server.target,
            directory=folder,
            number="3000",
            calls=calls,
            rate=rate,
            limit=calls,
            within=240,
            media_port=9000,
            options=["-inf", str(ports)],
        )
    )
    try:
        yield calling
    finally:
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling


def _ran(result: SippResult) -> SippResult:
    """Return the result of a run that took place, whether or not its calls succeeded."""
    if result.exit_code not in (0, 1):
        raise RuntimeError(f"SIPp ended with {result.exit_code}: {result.errors}")
    return result


def _script(reference: str, card: str) -> Script:
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


def _cpu_ms(first: Spent, last: Spent, live: int) -> float:
    """Return CPU milliseconds per call and second."""
    return 1000 * (last.cpu - first.cpu) / (last.at - first.at) / live


def _live(folder: Path) -> int:
    """Return how many calls SIPp had open when it last counted, a second ago at most."""
    with (folder / "statistics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return int(rows[-1]["CurrentCall"])


async def _pass(calling: "asyncio.Future[SippResult]", seconds: float) -> None:
    """Let time pass while SIPp calls; raise what it raises."""
    done, _ = await asyncio.wait({calling}, timeout=seconds)
    for ended in done:
        _ran(ended.result())
