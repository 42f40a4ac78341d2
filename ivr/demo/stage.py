"""A throw-away Solde on free loopback ports: the real processes, the sandbox gateway."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ivr.resources import shipped

HOST = "127.0.0.1"
PHONE_USER = "debtor"
PHONE_PASSWORD = secrets.token_urlsafe(12)
NUMBERS = {"fr": "3000", "en": "3001"}

_READY_SECONDS = 30.0
_STOP_SECONDS = 20.0
_RTP_PORTS = 200
_OPTIONS = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bK{branch};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:stage@{host}>;tag={branch}\r\nTo: <sip:{host}:{port}>\r\n"
    "Call-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class StageError(Exception):
    """Solde did not start or stop as it should; the message says what its log says."""


class Stage:
    """`solde serve` on a folder of its own. An async context manager."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        """Choose ports; `settings` are more `SOLDE_…` variables."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "solde.log"
        self.sip_port = _free_port(socket.SOCK_DGRAM)
        self.monitor_port = _free_port(socket.SOCK_STREAM)
        self.token = secrets.token_urlsafe(24)
        rtp = 20000 + 2 * secrets.randbelow(20000)
        self.environment = {
            "SOLDE_NODE__NAME": "demo",
            "SOLDE_NODE__DATA_DIR": str(folder),
            "SOLDE_SIP__HOST": HOST,
            "SOLDE_SIP__PORT": str(self.sip_port),
            "SOLDE_SIP__USERS": json.dumps([{"name": PHONE_USER, "password": PHONE_PASSWORD}]),
            "SOLDE_MEDIA__FIRST_PORT": str(rtp),
            "SOLDE_MEDIA__LAST_PORT": str(rtp + 2 * _RTP_PORTS),
            "SOLDE_MONITOR__HOST": HOST,
            "SOLDE_MONITOR__PORT": str(self.monitor_port),
            "SOLDE_MONITOR__TOKENS": json.dumps([self.token]),
            "SOLDE_LOG__LEVEL": "debug",
            "SOLDE_LOG__FORMAT": "json",
            **(settings or {}),
        }
        self._serving: Process | None = None

    @property
    def registrar(self) -> str:
        """Where the phone registers, `host:port`."""
        return f"{HOST}:{self.sip_port}"

    @property
    def page(self) -> str:
        """The live page's address."""
        return f"http://{HOST}:{self.monitor_port}/?token={self.token}"

    def client(self) -> httpx.AsyncClient:
        """Return a client of the monitor's API."""
        return httpx.AsyncClient(
            base_url=f"http://{HOST}:{self.monitor_port}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    async def __aenter__(self) -> Self:
        """Load the sample debts and start; return when telephone and web answer."""
        await self.command("debts", "load", str(shipped("config") / "demo-debts.csv"))
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop; a second call does nothing."""
        await self.stop()

    async def start(self) -> None:
        """Start `solde serve`; return when telephone and web answer."""
        with self.log.open("ab") as log:
            self._serving = await asyncio.create_subprocess_exec(
                *_solde("serve"), env=self._all(), stdin=DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await asyncio.gather(self._telephone_answers(), self._web_answers())
        except TimeoutError:
            await self.stop()
            raise StageError(f"solde serve does not answer: {self._last_words()}") from None

    async def stop(self) -> None:
        """End it as an operator would (SIGTERM)."""
        serving, self._serving = self._serving, None
        if serving is None or serving.returncode is not None:
            return
        serving.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await serving.wait()
        except TimeoutError:
            serving.kill()
            await serving.wait()
            raise StageError(f"solde serve does not stop: {self._last_words()}") from None

    async def command(self, *words: str) -> str:
        """Run a `solde` command on this stage and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *_solde(*words),
            env=self._all(),
            stdin=DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise StageError(f"solde {' '.join(words)}: {err.decode(errors='replace').strip()}")
        return out.decode()

    async def _telephone_answers(self) -> None:
        """Send OPTIONS until one is answered."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            probe.setblocking(False)
            while True:
                options = _OPTIONS.format(
                    host=HOST,
                    port=self.sip_port,
                    own=probe.getsockname()[1],
                    branch=secrets.token_hex(8),
                )
                await loop.sock_sendto(probe, options.encode(), (HOST, self.sip_port))
                with contextlib.suppress(TimeoutError, ConnectionError):
                    async with asyncio.timeout(0.1):
                        await loop.sock_recv(probe, 2048)
                        return
                self._check_alive()

    async def _web_answers(self) -> None:
        transport = httpx.AsyncHTTPTransport(retries=50)
        address = f"http://{HOST}:{self.monitor_port}/health/ready"
        async with httpx.AsyncClient(transport=transport) as client:
            while (await client.get(address)).status_code != httpx.codes.OK:
                self._check_alive()

    def _check_alive(self) -> None:
        if self._serving is None or self._serving.returncode is not None:
            raise StageError(f"solde serve ended: {self._last_words()}")

    def _all(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SOLDE_")}
        return {**inherited, **self.environment}

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def _solde(*words: str) -> list[str]:
    return [sys.executable, "-m", "ivr.cli", *words]


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        port: Any = probe.getsockname()[1]
        return int(port)
