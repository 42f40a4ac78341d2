"""baresip is held, transferred and changed, and does the same to us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from twisted.internet import reactor

from ivr.sip import Address, CallEnd, IncomingCall, Referral, TransferEnd, UserAgent, listen
from tests.end_to_end.baresip import Baresip
from tests.sip.peers import Party

NUMBER = "+3312345"


def described(direction: str = "sendrecv", version: int = 1) -> bytes:
    return (
        f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
    ).encode()


class Listener(Party):
    """Lets a test wait for what it hears."""

    def __init__(self, refer: Callable[[Referral], object]) -> None:
        super().__init__(refer=refer)
        self.words: asyncio.Queue[str] = asyncio.Queue()

    def renegotiated(self, body: bytes) -> bytes:
        super().renegotiated(body)
        self.words.put_nowait("renegotiated")
        return described(version=2)

    def ended(self, end: CallEnd) -> None:
        super().ended(end)
        self.words.put_nowait("ended")

    async def hears(self, word: str) -> None:
        async with asyncio.timeout(20):
            while await self.words.get() != word:
                pass


class Desk:
    """A user agent that answers whoever calls, or is busy."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[IncomingCall, Listener]] = asyncio.Queue()
        self.busy = False
        self.refer: Callable[[Referral], object] = lambda _: None

    def take(self, call: IncomingCall) -> None:
        call.handler = party = Listener(self.refer)
        if self.busy:
            call.reject(486)
            return
        call.ring()
        call.answer(described())
        self.calls.put_nowait((call, party))

    async def called(self) -> tuple[IncomingCall, Listener]:
        async with asyncio.timeout(20):
            return await self.calls.get()


@asynccontextmanager
async def desk_and_phone(folder: Path) -> AsyncIterator[tuple[Desk, Baresip, Address]]:
    desk = Desk()
    transport, port, local = listen(reactor, Address("127.0.0.1", 0))
    agent = UserAgent(reactor, transport, local=local, on_call=desk.take)
    transport.received = agent.datagram_received
    loop = asyncio.get_running_loop()
    try:
        async with await Baresip.start(folder, f"127.0.0.1:{local.port}") as baresip:
            yield desk, baresip, local
            async with asyncio.timeout(20):
                await agent.when_idle().asFuture(loop)
    finally:
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)


async def test_we_transfer_baresip_to_somebody_else(tmp_path: Path) -> None:
    async with desk_and_phone(tmp_path) as (desk, baresip, local):
        await baresip.call(NUMBER)
        first, party = await desk.called()
        progress: list[int] = []
        async with asyncio.timeout(20):
            result = await first.transfer(
                f"sip:agent@{local.in_uri()}",
                on_progress=lambda status, _: progress.append(status),
            ).asFuture(asyncio.get_running_loop())
        assert (result.end, result.status) == (TransferEnd.SUCCEEDED, 200)
        second, other = await desk.called()
        assert second.called == "agent"
        first.hang_up()
        second.hang_up()
        assert [party.ends, other.ends] == [[CallEnd.HUNG_UP_BY_US]] * 2


async def test_a_transfer_that_baresip_cannot_make_fails(tmp_path: Path) -> None:
    async with desk_and_phone(tmp_path) as (desk, baresip, local):
        await baresip.call(NUMBER)
        first, party = await desk.called()

        desk.busy = True
        async with asyncio.timeout(20):
            result = await first.transfer(f"sip:agent@{local.in_uri()}").asFuture(
                asyncio.get_running_loop()
            )
        assert (result.end, result.status) == (TransferEnd.FAILED, 486)
        assert party.ends == []
        first.hang_up()


async def test_baresip_transfers_us(tmp_path: Path) -> None:
    async with desk_and_phone(tmp_path) as (desk, baresip, _):
        told: list[str] = []

        def go(referral: Referral) -> None:
            told.append(referral.target.uri_text)
            referral.progress(180)
            referral.finish(200)

        desk.refer = go
        await baresip.call(NUMBER)
        _, party = await desk.called()
        await baresip._command("transfer", "sip:agent@example.com")
        await baresip.wait_for("CALL_CLOSED")
        assert told == ["sip:agent@example.com"]
        await party.hears("ended")
        assert party.ends == [CallEnd.HUNG_UP_BY_PEER]


async def test_both_change_the_session(tmp_path: Path) -> None:
    async with desk_and_phone(tmp_path) as (desk, baresip, _):
        await baresip.call(NUMBER)
        call, party = await desk.called()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            held = await call.renegotiate(lambda: described("sendonly", 2)).asFuture(loop)
            assert b"a=recvonly" in held
            offered = await call.renegotiate().asFuture(loop)
            assert b"m=audio" in offered
            assert party.heard[-1] == ("renegotiated", offered)
            if call.takes_update:
                assert await call.update().asFuture(loop) == b""
        await party.hears("renegotiated")
        await baresip._command("hold")
        await party.hears("renegotiated")
        word, body = party.heard[-1]
        assert word == "renegotiated"
        assert isinstance(body, bytes)
        assert b"a=sendonly" in body or b"a=inactive" in body
        await baresip.hang_up()
