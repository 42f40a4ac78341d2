"""From a click that takes a call back to the agent's phone that rings, among live calls."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from ivr.demo.stage import HOST, Stage
from ivr.demo.watcher import events
from ivr.vocabulary import EventType
from tests.bench.loads import CALL, MEDIA_PORT
from tests.bench.player import Job, player
from tests.bench.server import Server
from tests.end_to_end.sipp import run_sipp

Event = dict[str, Any]
CALLS = 200
_CLICKS = 20
_RATE = 50
_PATIENCE = 30.0
_SECONDS = 60
"""For which the player plays; the clicks take less."""


class AgentPhone(asyncio.DatagramProtocol):
    """Rings for whoever calls: notes when an INVITE came, and answers that it is busy."""

    def __init__(self) -> None:
        self.rang: asyncio.Queue[float] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self._seen: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a request."""
        lines = data.decode().split("\r\n")
        if not lines[0].startswith("INVITE ") or self._transport is None:
            return
        kept = [
            line
            for line in lines
            if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")
        ]
        [call_id] = [line for line in kept if line.startswith("Call-ID:")]
        if call_id not in self._seen:
            self._seen.add(call_id)
            self.rang.put_nowait(asyncio.get_running_loop().time())
        kept = [f"{line};tag=agent" if line.startswith("To:") else line for line in kept]
        busy = ["SIP/2.0 486 Busy Here", *kept, "Content-Length: 0", "", ""]
        self._transport.sendto("\r\n".join(busy).encode(), addr)


async def click(folder: Path, calls: int = CALLS, clicks: int = _CLICKS) -> list[float]:
    """Return the seconds of each click, one after the other, with `calls` live meanwhile."""
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(
        AgentPhone, (HOST, 0), family=socket.AF_INET
    )
    port = transport.get_extra_info("sockname")[1]
    server = Server(folder)
    server.stage.environment["SOLDE_AGENTS__PHONES"] = f'["sip:agent@{HOST}:{port}"]'
    monitor = Stage(folder)
    try:
        async with server, player(Job(MEDIA_PORT, [()] * calls, _SECONDS)):
            await monitor.start("monitor")
            os.sched_setaffinity(monitor.pid, {0})
            async with _calling(server, folder, calls), monitor.client() as client:
                live = await _live(client, calls)
                return [await _clicked(client, phone, one) for one in live[:clicks]]
    finally:
        await monitor.stop()
        transport.close()


async def _clicked(client: httpx.AsyncClient, phone: AgentPhone, transaction: str) -> float:
    begun = asyncio.get_running_loop().time()
    address = f"/api/v1/transactions/{transaction}/commands"
    sent = asyncio.ensure_future(client.post(address, json={"type": "take-back"}))
    async with asyncio.timeout(_PATIENCE):
        rang = await phone.rang.get()
        (await sent).raise_for_status()
    return rang - begun


async def _live(client: httpx.AsyncClient, calls: int) -> list[str]:
    """Return the transactions of the calls, once each has one."""
    found: list[str] = []
    told = cast("AsyncGenerator[Event, None]", events(client))
    async with asyncio.timeout(_PATIENCE), contextlib.aclosing(told):
        async for event in told:
            if event["type"] == EventType.TRANSACTION_CREATED:
                found.append(event["transaction_id"])
                if len(found) == calls:
                    break
    return found


@asynccontextmanager
async def _calling(server: Server, folder: Path, calls: int) -> AsyncIterator[None]:
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
            rate=_RATE,
            limit=calls,
            within=_SECONDS + 30,
            media_port=9000,
            options=["-inf", str(ports)],
        )
    )
    try:
        yield
    finally:
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling
