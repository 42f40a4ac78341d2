"""Serving the monitor with uvicorn on a socket that is bound before."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator, Sequence
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from ivr.monitor.stream import Waker


class ListenError(Exception):
    """The address cannot be listened on; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; port 0 takes a free one. Raise `ListenError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenError(
            f"monitor.host, monitor.port: cannot listen on {host} port {port}: {why}"
        ) from error


async def serve(
    app: Starlette,
    sock: socket.socket,
    *,
    drain_seconds: int = 5,
    stop: asyncio.Event | None = None,
    signals: bool = True,
    proxies: Sequence[str] = (),
) -> None:
    """Answer on `sock` until SIGTERM, SIGINT or `stop`; the socket is closed at the end.

    Event streams end at once, so that their clients go to the next monitor; other answers
    have `drain_seconds` to finish. `proxies` are believed when they say who
    asks. Raise `RuntimeError` when the app does not start.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        # Addresses may carry a token; a reverse proxy logs who asked what.
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=drain_seconds,
    )
    server = _Server(config, app.state.waker, signals=signals)
    watching = asyncio.create_task(server.exit_after(stop)) if stop is not None else None
    try:
        await server.serve(sockets=[sock])
    except SystemExit:
        raise RuntimeError("the monitor did not start; the log says why") from None
    finally:
        sock.close()
        if watching is not None:
            watching.cancel()


class _Server(uvicorn.Server):
    """Uvicorn that ends open event streams first, and by itself after a signal."""

    def __init__(self, config: uvicorn.Config, waker: Waker, *, signals: bool) -> None:
        super().__init__(config)
        self._waker = waker
        self._signals = signals

    async def exit_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._waker.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn's own raises the signal again at the end: a clean stop would look killed.
        if not self._signals:
            yield
            return

        def leave(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)

        before = {one: signal.signal(one, leave) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
