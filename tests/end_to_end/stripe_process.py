"""The fake Stripe as a process of its own: it outlives the ivr process that is killed."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.stripe_api_account import Fault

_ROOT = Path(__file__).parents[2]
INTENTS = "/v1/payment_intents"
METHODS = "/v1/payment_methods"


class StripeProcess:
    """The fake behind `url`; `charged` is set as soon as it has moved money."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """Use `running`."""
        self.url = url
        self.charged = asyncio.Event()
        self._client = client

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which a stage charges here."""
        return {
            "SOLDE_GATEWAY__NAME": "stripe",
            "SOLDE_GATEWAY__STRIPE__API_KEY": "sk_test_fake",
            "SOLDE_GATEWAY__STRIPE__WEBHOOK_SECRET": "whsec_fake",
            "SOLDE_GATEWAY__STRIPE__API_BASE": self.url,
        }

    async def fail(self, fault: Fault, path: str = INTENTS) -> None:
        """Fail the next request to `path` in this way."""
        await self.tell(fault=fault, path=path)

    async def tell(self, **orders: object) -> None:
        """Change a switch of the account."""
        (await self._client.post(f"{self.url}/control", json=orders)).raise_for_status()

    async def told(self) -> dict[str, Any]:
        """Return `charges`, `seen` and `events`."""
        answer = await self._client.get(f"{self.url}/control")
        told: dict[str, Any] = answer.raise_for_status().json()
        return told

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a webhook: the only way to know of a charge without asking again and again."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        body = json.loads(await reader.readexactly(length))
        if body["type"] == "payment_intent.succeeded":
            self.charged.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[StripeProcess]:
    """Start a fake, and an address that it sends its webhooks to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.stripe_api",
        cwd=_ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        url = json.loads(await process.stdout.readline())["url"]
        async with httpx.AsyncClient(trust_env=False) as client:
            stripe = StripeProcess(url, client)
            async with await asyncio.start_server(stripe.hear, "127.0.0.1", 0) as ears:
                host, port = ears.sockets[0].getsockname()
                await stripe.tell(webhook_url=f"http://{host}:{port}/")
                yield stripe
    finally:
        process.kill()
        await process.wait()
