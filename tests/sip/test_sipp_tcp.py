"""SIPp calls over TCP: over one connection for all calls, and over one for each."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet import reactor

from ivr.sip import Address, CallEnd, IncomingCall, Transport, UserAgent
from ivr.sip.transports import Transports
from tests.sip.test_sipp import HERE, HangsUp
from tests.sip.wire import ANSWER, Recorder

CALLS = 60


async def sipp(
    scenario: str, make: Callable[[IncomingCall], Recorder], folder: Path, *options: str
) -> tuple[list[Recorder], int]:
    """Run SIPp until all is idle; return what its calls heard, and the most connections."""
    handlers: list[Recorder] = []
    most = 0

    def on_call(call: IncomingCall) -> None:
        nonlocal most
        most = max(most, len(transports.connections))
        call.handler = handler = make(call)
        handlers.append(handler)
        call.ring()
        call.answer(ANSWER)

    transports = Transports(reactor)
    udp = transports.listen(Address("127.0.0.1", 0))
    tcp = transports.listen(Address("127.0.0.1", 0, Transport.TCP))
    agent = UserAgent(reactor, transports, local=udp, others=[tcp], on_call=on_call)
    transports.attach(agent.datagram_received, agent.unreachable)
    loop = asyncio.get_running_loop()
    try:
        process = await asyncio.create_subprocess_exec(
            *("sipp", f"{tcp.host}:{tcp.port}", "-sf", str(HERE / scenario)),
            *("-i", "127.0.0.1", "-nostdin", "-m", str(CALLS), "-timeout", "40s"),
            *("-timeout_error", "-max_socket", "500", *options),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode("latin-1")[-4000:]
        await agent.when_idle().asFuture(loop)
    finally:
        agent.close()
        await transports.close().asFuture(loop)
    return handlers, most


@pytest.mark.parametrize(("mode", "connections"), [("t1", 1), ("tn", 2)])
async def test_calls(tmp_path: Path, mode: str, connections: int) -> None:
    handlers, most = await sipp(
        "uac.xml", lambda call: Recorder(), tmp_path, *("-t", mode, "-r", "100")
    )
    assert [handler.ends for handler in handlers] == [[CallEnd.HUNG_UP_BY_PEER]] * CALLS
    assert most >= connections
    assert (most == 1) == (mode == "t1")


@pytest.mark.parametrize("mode", ["t1", "tn"])
async def test_we_hang_up_over_the_connection_the_call_came_over(
    tmp_path: Path, mode: str
) -> None:
    def make(call: IncomingCall) -> Recorder:
        handler = HangsUp()
        handler.hang_up = call.hang_up
        return handler

    handlers, _ = await sipp("uac_waits.xml", make, tmp_path, *("-t", mode, "-r", "100"))
    assert [handler.ends for handler in handlers] == [[CallEnd.HUNG_UP_BY_US]] * CALLS
