"""baresip, a telephone of another make, registers and calls over TLS and TCP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from twisted.internet import reactor

from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.security import SrtpPolicy
from ivr.sip import Address, CallEnd, IncomingCall, Registrar, Transport, UserAgent
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.tls import ClientTls, ServerTls
from ivr.sip.transports import Transports
from ivr.sip.trunk import Trunk
from tests.demo.small_server import AnsweredCall, MadeCall
from tests.end_to_end.baresip import Baresip
from tests.sip_tls.authority import Authority


class Server:
    """A user agent with a UDP, a TCP and a TLS port."""

    def __init__(self, tls: ServerTls, client_tls: ClientTls) -> None:
        self.calls: asyncio.Queue[AnsweredCall] = asyncio.Queue()
        self.transports = Transports(reactor, client_tls=lambda to: client_tls)
        local = self.transports.listen(Address("127.0.0.1", 0))
        self.tcp = self.transports.listen(Address("127.0.0.1", 0, Transport.TCP))
        self.tls = self.transports.listen(Address("127.0.0.1", 0, Transport.TLS), tls=tls)
        self.registrar = Registrar(reactor, "solde.test", {"agent": "secret"})
        ports = PortPool(42000, 42998)
        self.media = MediaNode(reactor, Playout(reactor), ports, "127.0.0.1", "127.0.0.1")
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
        self.calls.put_nowait(AnsweredCall(call, self.media))

    async def next_call(self) -> AnsweredCall:
        async with asyncio.timeout(20):
            return await self.calls.get()


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[Server]:
    own = authority.issue("127.0.0.1")
    server = Server(ServerTls(own.certificate, own.key), ClientTls(ca=authority.file))
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


@asynccontextmanager
async def answering(folder: Path, authority: Authority, shows: str) -> AsyncIterator[Baresip]:
    """A baresip of another provider's, that is called over TLS and shows a certificate."""
    own = authority.issue(shows, to="callee")
    both = folder / "both.pem"
    both.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
    async with await Baresip.start(
        folder,
        "127.0.0.1",
        user="agent",
        transport="tls",
        ca=authority.file,
        certificate=both,
        encryption="srtp-mand",
    ) as baresip:
        yield baresip


def call(server: Server, baresip: Baresip) -> tuple[MadeCall, OutgoingCall]:
    trunk = Trunk("elsewhere", f"127.0.0.1:{baresip.tls_port}", Transport.TLS, ping_interval=0)
    leg = MediaLeg(server.media, "127.0.0.1", srtp=SrtpPolicy.REQUIRED)
    made = MadeCall(leg)
    return made, server.agent.call("agent", made.offer, handler=made, trunk=trunk)


@pytest.mark.parametrize("theirs", [True, False])
async def test_we_call_it_over_tls_and_its_keys_come_over_srtp(
    tmp_path: Path, theirs: bool
) -> None:
    authority = Authority(tmp_path)
    async with (
        serving(authority) as server,
        answering(tmp_path, authority, "127.0.0.1") as baresip,
    ):
        made, outgoing = call(server, baresip)
        await baresip.take()
        await baresip.press("12#")
        assert await made.keyed(3) == "12#"
        assert made.leg.negotiated is not None
        security = made.leg.negotiated.security
        assert security is not None
        assert security.protocol == "RTP/SAVP"
        assert len(server.transports.connections) == 1
        if theirs:
            await baresip.hang_up()
        else:
            outgoing.hang_up()
            await baresip.wait_for("CALL_CLOSED")
        async with asyncio.timeout(20):
            end = await made.over
        assert end is (CallEnd.HUNG_UP_BY_PEER if theirs else CallEnd.HUNG_UP_BY_US)


@pytest.mark.parametrize(
    ("name", "shows"), [("mallory", "127.0.0.1"), ("authority", "192.0.2.1")]
)
async def test_nobody_is_called_who_does_not_prove_to_be_there(
    tmp_path: Path, name: str, shows: str
) -> None:
    authority, theirs = Authority(tmp_path), Authority(tmp_path, "mallory")
    issuer = theirs if name == "mallory" else authority
    async with (
        serving(authority) as server,
        answering(tmp_path, issuer, shows) as baresip,
    ):
        made, _ = call(server, baresip)
        async with asyncio.timeout(20):
            assert await made.over is CallEnd.REFUSED
