"""We call a baresip that is registered with us: a correct telephone of another make."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor

from ivr.sip import Address, CallEnd, Registrar, UserAgent, listen
from tests.end_to_end.baresip import Baresip
from tests.sip.callee import Caller

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


class Listener(Caller):
    """Lets a test wait for a word."""

    def __init__(self) -> None:
        super().__init__()
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.on = self.words.put_nowait

    async def hears(self, word: str) -> None:
        async with asyncio.timeout(20):
            while await self.words.get() != word:
                pass


async def test_baresip_rings_answers_and_either_side_hangs_up(tmp_path: Path) -> None:
    transport, port, local = listen(reactor, Address("127.0.0.1", 0))
    registrar = Registrar(reactor, "solde", {"1001": "s3cret"})
    agent = UserAgent(
        reactor,
        transport,
        local=local,
        on_call=lambda call: call.reject(486),
        registrar=registrar,
    )
    transport.received = agent.datagram_received
    loop = asyncio.get_running_loop()

    def call(phone: str, hop: Address) -> tuple[Listener, Callable[[], None]]:
        listener = Listener()
        made = agent.call(phone, OFFER, handler=listener, hop=hop)
        return listener, made.hang_up

    try:
        server = f"127.0.0.1:{local.port}"
        async with await Baresip.start(
            tmp_path, server, user="1001", password="s3cret", register=True
        ) as baresip:
            [binding] = registrar.bindings("1001")
            phone = str(binding.uri)

            ours, hang_up = call(phone, binding.source)
            await ours.hears("ringing")
            await baresip._command("accept")
            await ours.hears("answered")
            [answer] = [body for word, body in ours.heard if word == "answered"]
            assert isinstance(answer, bytes)
            assert b"PCMA/8000" in answer
            hang_up()
            await baresip.wait_for("CALL_CLOSED")
            assert ours.ends == [CallEnd.HUNG_UP_BY_US]

            theirs, _ = call(phone, binding.source)
            await theirs.hears("ringing")
            await baresip._command("accept")
            await theirs.hears("answered")
            await baresip.hang_up()
            await theirs.hears("ended")
            assert theirs.ends == [CallEnd.HUNG_UP_BY_PEER]

            given_up, cancel = call(phone, binding.source)
            await given_up.hears("ringing")
            cancel()
            await baresip.wait_for("CALL_CLOSED")
            assert given_up.ends == [CallEnd.HUNG_UP_BY_US]

            refused, _ = call(phone, binding.source)
            await refused.hears("ringing")
            await baresip._command("hangup")
            await refused.hears("ended")
            assert refused.ends == [CallEnd.REFUSED]
            async with asyncio.timeout(20):
                await agent.when_idle().asFuture(loop)
    finally:
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)
