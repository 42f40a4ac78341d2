"""`solde serve`: the telephone side and the web side on one machine, as two processes.

Two, because a web request may hold Python for tens of milliseconds and a prompt packet
is due every twenty; and because only one of them may see digits.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_LAST_WORD = 10.0  # seconds from SIGKILL's threat to SIGKILL, for a child that ignores SIGTERM


async def supervise(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> int:
    """Run `python -m ivr.cli …` once for each command until one ends or a signal comes.

    SIGTERM is passed on: the telephone side drains first, the web side follows. SIGINT
    ends all at once. Return the exit status: 0 after a signal, else the failed child's.
    """
    children = {
        name: await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ivr.cli", *words, env=dict(environment)
        )
        for name, words in commands.items()
    }
    asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def ask(number: signal.Signals) -> None:
        if not asked.done():
            asked.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask, number)
    waits = [asyncio.ensure_future(child.wait()) for child in children.values()]
    anything: list[asyncio.Future[Any]] = [asked, *waits]
    await asyncio.wait(anything, return_when=asyncio.FIRST_COMPLETED)
    status = (
        0 if asked.done() else max(child.returncode or 0 for child in children.values()) or 1
    )
    for child in children.values():
        # In order: the web side shows the last calls until the telephone side has drained.
        await _end(child, asked.result() if asked.done() else signal.SIGTERM)
    for wait in waits:
        await wait
    return status


async def _end(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    if number is signal.SIGTERM:
        await child.wait()
        return
    try:
        await asyncio.wait_for(child.wait(), _LAST_WORD)
    except TimeoutError:
        child.kill()
