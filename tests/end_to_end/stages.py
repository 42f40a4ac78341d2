"""Stages whose telephone side and web side can be ended one without the other."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.demo.stage import Stage
from tests.end_to_end.event_log import EventLog


@dataclass(frozen=True, slots=True)
class Apart:
    """`solde ivr` and `solde monitor` on one ledger, and what the monitor tells."""

    ivr: Stage
    monitor: Stage
    log: EventLog

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Ask the monitor."""
        async with self.monitor.client() as client:
            answer = await client.get(f"/api/v1/{path}", params=query)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told


@asynccontextmanager
async def apart(
    folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Apart]:
    """Start both sides in `folder`, with the sample debts."""
    ivr, monitor = Stage(folder, settings), Stage(folder, settings)
    await ivr.load()
    try:
        await asyncio.gather(monitor.start("monitor"), ivr.start("ivr"))
        async with EventLog(monitor) as log:
            yield Apart(ivr, monitor, log)
    finally:
        await asyncio.gather(ivr.stop(), monitor.stop())
