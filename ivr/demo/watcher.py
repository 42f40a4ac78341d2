"""The monitor's event stream, followed as an integrator would."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx


async def events(client: httpx.AsyncClient, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Yield each event of the stream behind `after` (server-sent events)."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    timeout = httpx.Timeout(10, read=60)
    async with client.stream(
        "GET", "/api/v1/events", headers=headers, timeout=timeout
    ) as stream:
        stream.raise_for_status()
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))
