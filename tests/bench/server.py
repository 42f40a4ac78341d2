"""A `solde ivr` on a core of its own, and what it costs."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ivr.demo.stage import Stage

LOAD_CORE, SERVER_CORE = 0, 1
FIRST_PORT = 30000
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used up to a moment."""

    at: float
    """The loop's time, in seconds."""
    cpu: float
    """Seconds of all its threads, user and system."""
    memory: int
    """Resident bytes."""


class Server:
    """One ivr node under load; `punctuality` is there once it has stopped."""

    def __init__(self, folder: Path, max_calls: int = 4000) -> None:
        self.stage = Stage(
            folder,
            {
                "SOLDE_LOG__LEVEL": "info",
                "SOLDE_SIP__MAX_CALLS": str(max_calls),
                "SOLDE_MEDIA__FIRST_PORT": str(FIRST_PORT),
                "SOLDE_MEDIA__LAST_PORT": "39998",
            },
        )
        self.punctuality: dict[str, Any] = {}

    @property
    def target(self) -> str:
        """Where SIPp calls, `host:port`."""
        return self.stage.registrar

    async def __aenter__(self) -> Self:
        """Start the telephone side alone, on its core."""
        await self.stage.command("migrate")
        await self.stage.start("ivr")
        _pin(self.stage.pid)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop at once; read the last line of its log."""
        await self.stage.stop(signal.SIGINT)
        for line in self.stage.log.read_text().splitlines():
            if '"ivr.stopped"' in line:
                self.punctuality = json.loads(line)

    def spent(self) -> Spent:
        """Read what it has used so far (proc_pid_stat(5))."""
        process = Path(f"/proc/{self.stage.pid}")
        stat = (process / "stat").read_text()
        fields = stat.rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS
        resident = int((process / "statm").read_text().split()[1])
        return Spent(asyncio.get_running_loop().time(), cpu, resident * _PAGE)


def _pin(pid: int) -> None:
    """Keep all threads of a process on the server's core; those to come inherit it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {SERVER_CORE})
