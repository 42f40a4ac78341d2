"""An integrator's server on a real socket: it keeps what it is sent, and answers as told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Integrator:
    """Answers `statuses` in turn, then 204; None answers nothing at all."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    statuses: list[int | None] = field(default_factory=list)
    headers: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once something was received."""
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                named = dict(line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in named.items()}
                body = await reader.readexactly(int(headers["content-length"]))
                self.received.append(Received(head[0].split()[1], headers, body))
                self.asked.set()
                status = self.statuses.pop(0) if self.statuses else 204
                if status is None:
                    await asyncio.Event().wait()
                answer = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{self.headers}\r\n"
                writer.write(answer.encode())
                await writer.drain()


@contextlib.asynccontextmanager
async def integrating(*statuses: int | None, headers: str = "") -> AsyncIterator[Integrator]:
    """Serve on a free port."""
    one = Integrator(statuses=list(statuses), headers=headers)
    server = await asyncio.start_server(one._serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for writer in one._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
