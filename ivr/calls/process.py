"""The telephone side as a process: signals in, exit status out.

SIGTERM drains: no new calls, live ones end, then exit. SIGINT, or a second SIGTERM,
ends all calls at once; a charge that is under way is still recorded.
"""

import asyncio
import resource
import signal
import time
from typing import TYPE_CHECKING, Any

import structlog
from twisted.internet import asyncioreactor
from twisted.internet.main import installReactor

from ivr.calls.hardening import UnsafeEnvironmentError, harden
from ivr.calls.unhandled import tell_safely
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.calls.node import Node

_log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run a node until a signal ends it; return the exit status."""
    try:
        harden()
    except UnsafeEnvironmentError as error:
        _log.critical("ivr.refused-to-start", why=str(error))
        return 1
    # Each call holds a socket; the usual soft limit of 1,024 would refuse the thousandth.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.new_event_loop()
    reactor = _install(loop)
    process = _Process(settings, reactor, loop)
    # Not `callWhenRunning`: it fires before asyncio's loop runs.
    reactor.callLater(0, process.begin)
    reactor.run(installSignalHandlers=False)
    return process.status


def _install(loop: asyncio.AbstractEventLoop) -> Any:
    """Make `loop` the one that Twisted runs on; its log, and all faults, go where ours go."""
    asyncio.set_event_loop(loop)
    reactor: Any = asyncioreactor.AsyncioSelectorReactor(loop)
    # Twisted's default is the wall clock: set back, it would delay every timer and prompt.
    reactor.seconds = time.monotonic
    installReactor(reactor)  # type: ignore[no-untyped-call] # Twisted's own gap
    tell_safely(loop)
    return reactor


class _Process:
    """A node between its first and its last signal."""

    def __init__(
        self, settings: Settings, reactor: Any, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.status = 0
        self._settings = settings
        self._reactor = reactor
        self._loop = loop
        self._main: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()

    def begin(self) -> None:
        """Start the node; from now on signals are heard."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled, number)
        self._main = self._loop.create_task(self._run())

    def _signalled(self, number: signal.Signals) -> None:
        if number is signal.SIGINT or self._asked.is_set():
            self._at_once.set()
        self._asked.set()

    async def _run(self) -> None:
        from ivr.calls.node import Node  # noqa: PLC0415 - imports Twisted's reactor users

        try:
            node = await Node.start(self._settings, self._reactor)
            await self._asked.wait()
            await self._end(node)
        except Exception as error:  # noqa: BLE001 - the last one to say why
            self.status = 1
            _log.critical("ivr.failed", why=str(error), kind=type(error).__name__)
        finally:
            self._reactor.stop()

    async def _end(self, node: "Node") -> None:
        draining = asyncio.ensure_future(node.drain())
        at_once = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait((draining, at_once), return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        draining.cancel()
        await node.stop()
