"""Clients of the monitor: in memory for plain answers, over a socket for streams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette

from ivr.ledger.database import Database
from ivr.monitor.app import create_app
from ivr.monitor.server import listen, serve
from tests.monitor.story import NOON

TOKEN = "a-token-for-tests"
OTHER_TOKEN = "another-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def make_app(database: Database, *, now: datetime = NOON, heartbeat: float = 15.0) -> Starlette:
    return create_app(
        database,
        tokens=[TOKEN, OTHER_TOKEN],
        gateways=["stripe"],
        now=lambda: now,
        heartbeat=heartbeat,
    )


def client_of(app: Starlette, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """A client without a socket; it has a token unless told otherwise."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://monitor",
        headers=BEARER if headers is None else headers,
    )


@contextlib.asynccontextmanager
async def serving(
    database: Database, *, heartbeat: float = 15.0, drain_seconds: int = 5
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Serve on a free port; yield the base address and what stops the server."""
    sock = listen("127.0.0.1", 0)
    host, port = sock.getsockname()
    stop = asyncio.Event()
    task = asyncio.create_task(
        serve(
            make_app(database, now=NOON + timedelta(hours=1), heartbeat=heartbeat),
            sock,
            stop=stop,
            signals=False,
            drain_seconds=drain_seconds,
        )
    )
    try:
        yield f"http://{host}:{port}", stop
    finally:
        stop.set()
        await task


@dataclass
class Told:
    """One block of an event stream."""

    id: int | None = None
    event: str | None = None
    data: Any = None
    comments: list[str] = field(default_factory=list)


async def blocks(response: httpx.Response) -> AsyncIterator[Told]:
    """Read an event stream as its standard says."""
    told = Told()
    async for line in response.aiter_lines():
        if line == "":
            yield told
            told = Told()
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                told.comments.append(value)
            case "id":
                told.id = int(value)
            case "event":
                told.event = value
            case "data":
                told.data = json.loads(value)


class Listener:
    """An open event stream that is read block by block."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._blocks = blocks(response)

    async def next(self) -> Told:
        async with asyncio.timeout(20):
            return await anext(self._blocks)

    async def take(self, count: int) -> list[Told]:
        return [await self.next() for _ in range(count)]

    async def ended(self) -> bool:
        """Whether the server ends the stream in order."""
        async with asyncio.timeout(20):
            async for _ in self._blocks:
                pass
        return True


@contextlib.asynccontextmanager
async def listening(
    base: str, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Listener]:
    """Open the event stream; its first block has been read when this yields."""
    async with (
        httpx.AsyncClient(base_url=base, headers={**BEARER, **(headers or {})}) as client,
        client.stream("GET", f"/api/v1/events{query}") as response,
    ):
        listener = Listener(response)
        if response.status_code == httpx.codes.OK:
            first = await listener.next()
            assert first.id is not None
            assert first.data is None
        yield listener
