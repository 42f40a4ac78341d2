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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ivr.resources import shipped

HOST = "127.0.0.1"
PHONE_USER = "debtor"
PHONE_PASSWORD = secrets.token_urlsafe(12)
NUMBERS = {"fr": "3000", "en": "3001"}

_READY_SECONDS = 60.0
_STOP_SECONDS = 60.0
_RTP_PORTS = 1000
_OPTIONS = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bK{branch};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:stage@{host}>;tag={branch}\r\nTo: <sip:{host}:{port}>\r\n"
    "Call-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class StageError(Exception):
    """Solde did not start or stop as it should; the message says what its log says."""


class Stage:
    """`solde serve` on a folder of its own. An async context manager.

    More machines than one are more stages, with one of the two sides each and one ledger.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        debts: Path | None = None,
    ) -> None:
        """Choose ports. `settings` are more `SOLDE_…` variables.

        `debts` are loaded in place of the sample debts.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "solde.log"
        self.sip_port = _free_port(socket.SOCK_DGRAM)
        self.monitor_port = _free_port(socket.SOCK_STREAM)
        self.token = secrets.token_urlsafe(24)
        # Above the ports that phones and SIPp take for their own media.
        rtp = 40000 + 2 * secrets.randbelow(10000)
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
        self._debts = debts or shipped("config") / "demo-debts.csv"
        self._serving: Process | None = None

    @property
    def pid(self) -> int:
        """The process that `start` has started. Raise `StageError` when there is none."""
        if self._serving is None:
            raise StageError("nothing was started")
        return self._serving.pid

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
        """Load the debts and start; return when telephone and web answer."""
        await self.load()
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

    async def load(self) -> None:
        """Make the ledger and load the debts."""
        await self.command("debts", "load", str(self._debts))

    async def start(self, side: str = "serve") -> None:
        """Start `solde serve`, `solde ivr` or `solde monitor`; return when it answers."""
        with self.log.open("ab") as log:
            self._serving = await asyncio.create_subprocess_exec(
                *_solde(side),
                env=self.variables(),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        answers = [] if side == "monitor" else [self.telephone_answers(httpx.codes.OK)]
        answers += [] if side == "ivr" else [self._web_answers()]
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await asyncio.gather(*answers)
        except TimeoutError:
            await self.kill()
            raise StageError(f"solde {side} does not answer: {self._last_words()}") from None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it as an operator would. A second call does nothing."""
        self.signal(number)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.ended()
        except TimeoutError:
            await self.kill()
            raise StageError(f"solde does not stop: {self._last_words()}") from None

    async def kill(self) -> None:
        """End it, and what it has started, as a power cut would."""
        if self._serving is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._serving.pid, signal.SIGKILL)
        await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._serving is not None:
            with contextlib.suppress(ProcessLookupError):
                self._serving.send_signal(number)

    async def ended(self) -> int | None:
        """Wait for the end; return the exit status, None when nothing runs."""
        if self._serving is None:
            return None
        status = await self._serving.wait()
        self._serving = None
        return status

    async def command(self, *words: str) -> str:
        """Run a `solde` command on this stage and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *_solde(*words),
            env=self.variables(),
            stdin=DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise StageError(f"solde {' '.join(words)}: {err.decode(errors='replace').strip()}")
        return out.decode()

    async def telephone_answers(self, status: int) -> None:
        """Send OPTIONS until one is answered with `status`."""
        loop = asyncio.get_running_loop()
        wanted = f"SIP/2.0 {status} ".encode()
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
                        while not (await loop.sock_recv(probe, 2048)).startswith(wanted):
                            pass
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
            raise StageError(f"solde ended: {self._last_words()}")

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes."""
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
