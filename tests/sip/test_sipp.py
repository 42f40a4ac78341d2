"""SIPp calls over the real transport, and loses packets on purpose."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor

from ivr.sip import Address, CallEnd, IncomingCall, UserAgent, listen
from tests.sip.wire import ANSWER, Recorder

HERE = Path(__file__).parent


class HangsUp(Recorder):
    """Hangs up as soon as the call is confirmed."""

    hang_up: Callable[[], None]

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        self.hang_up()


async def sipp(
    scenario: str, handler: type[Recorder], folder: Path, *options: str
) -> list[Recorder]:
    """Run SIPp against a user agent until all is idle; return what its calls heard."""
    handlers: list[Recorder] = []

    def on_call(call: IncomingCall) -> None:
        call.handler = one = handler()
        if isinstance(one, HangsUp):
            one.hang_up = call.hang_up
        handlers.append(one)
        call.ring()
        call.answer(ANSWER)

    transport, port, local = listen(reactor, Address("127.0.0.1", 0))
    agent = UserAgent(reactor, transport, local=local, on_call=on_call)
    transport.received = agent.datagram_received
    try:
        process = await asyncio.create_subprocess_exec(
            "sipp",
            f"{local.host}:{local.port}",
            *("-sf", str(HERE / scenario), "-i", "127.0.0.1", "-nostdin"),
            *("-timeout", "40s", "-timeout_error", *options),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode("latin-1")[-4000:]
        await agent.when_idle().asFuture(asyncio.get_running_loop())
    finally:
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(asyncio.get_running_loop())
    return handlers


async def test_no_call_fails_though_5_percent_of_all_packets_are_lost(tmp_path: Path) -> None:
    handlers = await sipp(
        "uac.xml", Recorder, tmp_path, *("-m", "400", "-r", "100", "-lost", "5")
    )
    assert len(handlers) == 400
    assert {handler.ends[0] for handler in handlers} == {CallEnd.HUNG_UP_BY_PEER}


async def test_we_hang_up(tmp_path: Path) -> None:
    handlers = await sipp("uac_waits.xml", HangsUp, tmp_path, *("-m", "50", "-r", "100"))
    assert len(handlers) == 50
    assert [handler.heard for handler in handlers] == [
        [("acknowledged", b""), ("ended", CallEnd.HUNG_UP_BY_US)]
    ] * 50
