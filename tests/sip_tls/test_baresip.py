"""baresip, a telephone of another make, registers and calls over TLS and TCP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from twisted.internet import reactor

from ivr.media.leg import MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.sip import Address, CallEnd, IncomingCall, Registrar, Transport, UserAgent
from ivr.sip.tls import ServerTls
from ivr.sip.transports import Transports
from tests.demo.small_server import AnsweredCall
from tests.end_to_end.baresip import Baresip
from tests.sip_tls.authority import Authority


class Server:
    """A user agent with a UDP, a TCP and a TLS port."""

    def __init__(self, tls: ServerTls) -> None:
        self.calls: asyncio.Queue[AnsweredCall] = asyncio.Queue()
        self.transports = Transports(reactor)
        local = self.transports.listen(Address("127.0.0.1", 0))
        self.tcp = self.transports.listen(Address("127.0.0.1", 0, Transport.TCP))
        self.tls = self.transports.listen(Address("127.0.0.1", 0, Transport.TLS), tls=tls)
        self.registrar = Registrar(reactor, "solde.test", {"agent": "secret"})
        ports = PortPool(42000, 42998)
        self._media = MediaNode(reactor, Playout(reactor), ports, "127.0.0.1", "127.0.0.1")
        self.agent = UserAgent(
            reactor,
            self.transports,
            local=local,
            others=[self.tcp, self.tls],
            on_call=self._answer,
            registrar=self.registrar,
        )
        self.transports.attach(self.agent.datagram_received, self.agent.unreachable)

    def _answer(self, call: IncomingCall) -> None:
        self.calls.put_nowait(AnsweredCall(call, self._media))

    async def next_call(self) -> AnsweredCall:
        async with asyncio.timeout(20):
            return await self.calls.get()


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[Server]:
    own = authority.issue("127.0.0.1")
    server = Server(ServerTls(own.certificate, own.key))
    try:
        yield server
    finally:
        server.agent.close()
        await server.transports.close().asFuture(asyncio.get_running_loop())


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.TCP])
async def test_it_registers_calls_and_is_hung_up_on(
    tmp_path: Path, transport: Transport
) -> None:
    authority = Authority(tmp_path)
    async with serving(authority) as server:
        local = server.tls if transport is Transport.TLS else server.tcp
        async with await Baresip.start(
            tmp_path,
            f"{local.host}:{local.port}",
            user="agent",
            password="secret",
            register=True,
            transport=transport,
            ca=authority.file,
        ) as baresip:
            [binding] = server.registrar.bindings("agent")
            assert binding.source.transport is transport
            await baresip.call("0801")
            call = await server.next_call()
            assert call.call.source.transport is transport
            await baresip.press("12#")
            assert await call.keyed(3) == "12#"
            await baresip.hang_up()
            assert await call.end() is CallEnd.HUNG_UP_BY_PEER
            await baresip.call("0802")
            call = await server.next_call()
            async with asyncio.timeout(20):
                await call.confirmed.wait()
            call.call.hang_up()
            await baresip.wait_for("CALL_CLOSED")
            assert await call.end() is CallEnd.HUNG_UP_BY_US
            # All that went over the one connection that baresip opened.
            assert len(server.transports.connections) == 1
            await server.agent.when_idle().asFuture(asyncio.get_running_loop())
