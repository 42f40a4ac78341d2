"""Measure; print each figure beside its aim: `python -m tests.bench [--calls N] [--rate N]`."""

import argparse
import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from tests.bench.click import CALLS, click
from tests.bench.loads import Paying, come_and_go, listen, pay
from tests.bench.player import Heard
from tests.bench.reference import sending_alone
from tests.bench.server import LOAD_CORE, Server

_ATTACK = 2000
_SECONDS = 10


async def main(calls: int, rate: int) -> None:
    """Run each load against a server of its own, so that none pays for another's."""
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = Path(tempfile.mkdtemp(prefix="solde-bench-"))
    alone = await sending_alone(calls, 5)
    print(f"{calls} senders that do nothing else, for comparison")
    _row("CPU per call and second", f"{alone:.3f} ms")

    async with Server(folder / "listen") as server:
        cost, heard = await listen(server, _new(folder / "a"), calls, _SECONDS)
    print(f"{cost.live} callers who talk and listen at once")
    _cpu(cost.cpu_ms_per_call_second, alone)
    _row("memory per call", f"{cost.kilobytes_per_call:.0f} kB", "at most 60")
    _prompts(server, heard)

    async with Server(folder / "pay") as server:
        paying, heard = await pay(server, _new(folder / "b"), calls)
    print(f"{paying.live} callers who pay at once")
    _cpu(paying.cpu_ms_per_call_second, alone)
    _paid(paying)
    _prompts(server, heard)

    async with Server(folder / "attack") as server:
        paying, heard = await pay(server, _new(folder / "c"), calls // 2, _ATTACK)
    print(f"{paying.live} callers who pay, and {_ATTACK} bad messages a second from elsewhere")
    _cpu(paying.cpu_ms_per_call_second, alone, aim="")
    _paid(paying)
    _prompts(server, heard)

    async with Server(folder / "setup") as server:
        result, cpu = await come_and_go(server, _new(folder / "d"), rate, _SECONDS)
    print(f"{rate} calls set up and ended per second, for {_SECONDS} s")
    _row("succeeded, failed", f"{result.succeeded}, {result.failed}", f"{rate * _SECONDS}, 0")
    _row("repeated by SIPp", f"{result.retransmissions}", "0")
    _row("CPU per call", f"{cpu:.2f} ms")

    waits = sorted(await click(_new(folder / "click")))
    print(f"{CALLS} live calls, of which {len(waits)} are taken back, one after the other")
    middle, worst = waits[len(waits) // 2], waits[-1]
    _row("from click to ringing phone", f"{1000 * middle:.0f} ms", "at most 300")
    _row("  the slowest", f"{1000 * worst:.0f} ms", "at most 300")
    shutil.rmtree(folder)


def _cpu(measured: float, alone: float, aim: str = "at most 0.5") -> None:
    _row("CPU per call and second", f"{measured:.3f} ms", aim)
    _row("  as a multiple of sending alone", f"{measured / alone:.1f}")


def _paid(paying: Paying) -> None:
    _row("paid, failed", f"{paying.paid}, {paying.failed}", f"{paying.calls}, 0")
    _row("digits lost or doubled", f"{paying.with_entry_error}", "0")


def _prompts(server: Server, heard: Heard) -> None:
    sent = server.punctuality
    _row("prompts sent within 10 ms", f"{100 * sent['punctual']:.2f} %", "at least 99")
    _row("  the latest", f"{sent['worst_ms']:.0f} ms")
    _row("prompts come within 10 ms", f"{100 * heard.share:.2f} %", "at least 99")
    _row("  the latest", f"{heard.worst_ms:.0f} ms")
    _row("  the load's own latest", f"{heard.player_worst_ms:.0f} ms")


def _row(name: str, measured: str, aim: str = "") -> None:
    print(f"  {name:<32} {measured:>12}   {aim}".rstrip(), flush=True)


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=500)
    given = parser.parse_args()
    asyncio.run(main(given.calls, given.rate))
