"""The monitor as a process: its socket, its signals, its head lines."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from ivr.ledger.database import Database
from ivr.monitor.server import ListenError, listen, serve
from tests.monitor.clients import BEARER, TOKEN, listening, serving
from tests.monitor.story import Teller, record

PROGRAM = """
import asyncio, sys
from ivr.ledger.database import open_database
from ivr.monitor.app import create_app
from ivr.monitor.server import listen, serve

async def main(url, token):
    sock = listen("127.0.0.1", 0)
    print(sock.getsockname()[1], flush=True)
    database = open_database(url)
    await serve(create_app(database, tokens=[token]), sock)
    await database.close()
    print("closed", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def monitor_process(
    url: str,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        url,
        TOKEN,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_streams_and_process_cleanly(
    database: Database, ledger_url: str, number: signal.Signals
) -> None:
    async with monitor_process(ledger_url) as (process, base):
        async with listening(base) as listener:
            # Written by another process than the one that streams.
            await record(database, *Teller("a").call_begins().take())
            assert (await listener.next()).event == "call.started"
            await listener.next()
            process.send_signal(number)
            assert await listener.ended()
        assert process.stdout is not None
        async with asyncio.timeout(30):
            rest = await process.stdout.read()
            assert await process.wait() == 0
    assert rest.decode().splitlines()[-1] == "closed"
    assert TOKEN not in rest.decode()


async def test_no_address_with_a_token_is_logged(ledger_url: str, database: Database) -> None:
    async with monitor_process(ledger_url) as (process, base):
        async with httpx.AsyncClient(base_url=base) as client:
            assert (await client.get(f"/?token={TOKEN}")).status_code == 303
        process.terminate()
        assert process.stdout is not None
        assert TOKEN not in (await process.stdout.read()).decode()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"monitor\.port.* port {port}: .*in use"):
            listen("127.0.0.1", port)
    with pytest.raises(ListenError, match=r"monitor\.host"):
        listen("host.invalid", 0)


async def test_head_lines_say_the_date_and_not_the_server(database: Database) -> None:
    async with (
        serving(database) as (base, _),
        httpx.AsyncClient(base_url=base, headers=BEARER) as client,
    ):
        headers = (await client.get("/health")).headers
    assert "server" not in headers
    assert len(headers.get_list("date")) == 1


async def test_an_app_that_does_not_start_is_an_error(database: Database) -> None:
    @contextlib.asynccontextmanager
    async def broken(app: Starlette) -> AsyncIterator[None]:
        if app.state.waker is None:
            raise OSError("no room")
        yield

    app = Starlette(lifespan=broken)
    app.state.waker = None
    sock = listen("127.0.0.1", 0)
    with pytest.raises(RuntimeError, match="did not start"):
        await serve(app, sock, signals=False)
    assert sock.fileno() == -1
