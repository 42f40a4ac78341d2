"""A small real server for phones to call: our user agent, registrar and media, no payments."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from twisted.internet import reactor as _reactor

from ivr.media.clips import Clip
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.negotiation import NotAcceptable
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.security import SrtpPolicy
from ivr.sip import (
    Address,
    CallEnd,
    IncomingCall,
    OutgoingCall,
    Registrar,
    UserAgent,
    listen,
)

reactor: Any = _reactor

_SECONDS = 20
_TAP_SDP = """\
v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio {port} RTP/AVP 0 {event_type}\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:{event_type} telephone-event/8000\r
a=fmtp:{event_type} 0-15\r
"""


class AnsweredCall:
    """A call that is answered at once; keeps the keys that come and how it ended."""

    def __init__(
        self,
        call: IncomingCall,
        node: MediaNode,
        srtp: SrtpPolicy = SrtpPolicy.OFF,
        divert: Callable[[MediaLeg, bytes], bytes] = lambda _, answer: answer,
    ) -> None:
        """`divert` may change where the answer says that the leg's packets go.

        Raise `NotAcceptable` when the offer is not.
        """
        self.call = call
        self.keys = ""
        self.confirmed = asyncio.Event()
        self._end: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()
        self._pressed = asyncio.Event()
        self.leg = MediaLeg(node, call.source.host, srtp=srtp)
        self.leg.on_key = self._take
        try:
            answer = divert(self.leg, self.leg.answer(call.offer))
        except NotAcceptable:
            self.leg.close()
            raise
        call.handler = self
        call.ring()
        call.answer(answer)

    def _take(self, press: KeyPress) -> None:
        self.keys += press.key
        self._pressed.set()

    async def keyed(self, count: int) -> str:
        """Return the keys pressed so far, once there are `count`."""
        async with asyncio.timeout(_SECONDS):
            while len(self.keys) < count:
                self._pressed.clear()
                await self._pressed.wait()
        return self.keys

    async def play(self, clips: Sequence[Clip]) -> None:
        """Play `clips` to their end."""
        played = self.leg.play(clips).finished
        async with asyncio.timeout(_SECONDS):
            await played.asFuture(asyncio.get_running_loop())

    async def end(self) -> CallEnd:
        """Return how the call ended, once it has."""
        async with asyncio.timeout(_SECONDS):
            return await self._end

    def acknowledged(self, body: bytes) -> None:
        self.confirmed.set()

    def renegotiated(self, body: bytes) -> bytes:
        return self.leg.answer(body)

    def ended(self, end: CallEnd) -> None:
        self.leg.close()
        self._end.set_result(end)


class MadeCall:
    """A call to a registered phone; keeps the keys that come."""

    call: OutgoingCall

    def __init__(self, leg: MediaLeg) -> None:
        self.leg = leg
        self.offer = leg.offer()
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        self.over: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()
        leg.on_key = lambda press: self.keys.put_nowait(press.key)

    async def keyed(self, count: int) -> str:
        """Return the next `count` keys."""
        async with asyncio.timeout(_SECONDS):
            return "".join([await self.keys.get() for _ in range(count)])

    def ringing(self) -> None:
        pass

    def early_media(self, body: bytes) -> None:
        pass

    def answered(self, body: bytes) -> None:
        self.leg.accept_answer(body)

    def acknowledged(self, body: bytes) -> None:
        pass

    def renegotiated(self, body: bytes) -> bytes:
        return self.leg.answer(body)

    def ended(self, end: CallEnd) -> None:
        self.leg.close()
        self.over.set_result(end)


class Tap(asyncio.DatagramProtocol):
    """In the place of a media leg: every packet that comes, as it came."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append(data)


class TappedCall:
    """A call whose media go to a `Tap`."""

    def __init__(self, call: IncomingCall, port: int, event_type: int) -> None:
        call.handler = self
        call.answer(_TAP_SDP.format(port=port, event_type=event_type).encode())

    def acknowledged(self, body: bytes) -> None:
        pass

    def renegotiated(self, body: bytes) -> bytes:
        raise AssertionError("nobody renegotiates a tapped call")

    def ended(self, end: CallEnd) -> None:
        pass


class SmallServer:
    """Listens on a free loopback port, registers `users`, answers every call."""

    def __init__(self, **users: str) -> None:
        self.calls: asyncio.Queue[AnsweredCall] = asyncio.Queue()
        self.on_call: Callable[[IncomingCall], object] = self._answer
        self.srtp = SrtpPolicy.OFF
        self.divert: Callable[[MediaLeg, bytes], bytes] = lambda _, answer: answer
        self._node = MediaNode(
            reactor, Playout(reactor), PortPool(41000, 41998), "127.0.0.1", "127.0.0.1"
        )
        transport, self._port, self.address = listen(reactor, Address("127.0.0.1", 0))
        self.registrar = Registrar(reactor, "solde.test", users)
        self.agent = UserAgent(
            reactor,
            transport,
            local=self.address,
            on_call=lambda call: void(self.on_call(call)),
            registrar=self.registrar,
        )
        transport.received = self.agent.datagram_received

    def _answer(self, call: IncomingCall) -> None:
        try:
            answered = AnsweredCall(call, self._node, self.srtp, self.divert)
        except NotAcceptable:
            call.reject(488)
        else:
            self.calls.put_nowait(answered)

    def ring(self, user: str) -> MadeCall:
        """Call the phone of a registered user."""
        (binding,) = self.registrar.bindings(user)
        made = MadeCall(MediaLeg(self._node, "127.0.0.1", srtp=self.srtp))
        made.call = self.agent.call(
            binding.uri.text, made.offer, handler=made, hop=binding.source
        )
        return made

    @property
    def target(self) -> str:
        """Where phones reach the server, "host:port"."""
        return f"{self.address.host}:{self.address.port}"

    async def next_call(self) -> AnsweredCall:
        """Return the next call that was answered."""
        async with asyncio.timeout(_SECONDS):
            return await self.calls.get()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.agent.close()
        stopped = self._port.stopListening()
        if stopped is not None:
            await stopped.asFuture(asyncio.get_running_loop())


def void(_: object) -> None:
    """Drop a result."""
