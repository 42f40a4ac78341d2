"""Measure, and print a table: `python -m tests.bench [--calls N] [--rate N]`."""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from tests.bench.loads import come_and_go, listen, pay
from tests.bench.server import LOAD_CORE, Server


async def main(calls: int, rate: int) -> None:
    """Run each load against a server of its own, so that none pays for another's."""
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = Path(tempfile.mkdtemp(prefix="solde-bench-"))
    async with Server(folder / "listen") as server:
        heard = await listen(server, _new(folder / "a"), calls, 10)
    punctual = server.punctuality["punctual"]
    worst = server.punctuality["worst_ms"]
    print(f"{calls} callers who talk and listen")
    print(f"  CPU                    {heard.cpu_ms_per_call_second:.2f} ms per call and second")
    print(f"  memory                 {heard.kilobytes_per_call:.0f} kB per call")
    print(f"  prompt packets in time {100 * punctual:.2f} % (worst {worst:.0f} ms late)")
    async with Server(folder / "pay") as server:
        paying = await pay(server, _new(folder / "b"), calls)
    print(f"{calls} callers who pay")
    print(f"  paid                   {paying.paid}, failed calls {paying.failed}")
    print(f"  with an entry error    {paying.with_entry_error} (each a lost or doubled digit)")
    print(f"  prompt packets in time {100 * server.punctuality['punctual']:.2f} %")
    async with Server(folder / "setup") as server:
        result, cpu = await come_and_go(server, _new(folder / "c"), rate, 10)
    print(f"{rate} calls set up and ended per second, for 10 s")
    print(f"  succeeded, failed      {result.succeeded}, {result.failed}")
    print(f"  repeated by SIPp       {result.retransmissions}")
    print(f"  CPU                    {cpu:.2f} ms per call")


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=int, default=500)
    given = parser.parse_args()
    asyncio.run(main(given.calls, given.rate))
