"""A tap on the way between a phone and a leg: it passes everything on, and keeps it."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from ivr.media.leg import MediaLeg

_SECONDS = 30
_Address = tuple[str, int]


class Tapped(NamedTuple):
    """One datagram, as it was on the wire."""

    from_phone: bool
    octets: bytes


class _Side(asyncio.DatagramProtocol):
    def __init__(self, forward: Callable[[bytes], object]) -> None:
        self._forward = forward

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        self._forward(data)


class WireTap:
    """Two UDP ports: phones send to one, the leg to the other. RTP and RTCP share them."""

    def __init__(self) -> None:
        self.packets: list[Tapped] = []
        self._arrived = asyncio.Event()
        self._phone: _Address | None = None
        self._leg: _Address | None = None

    def divert(self, leg: MediaLeg, answer: bytes) -> bytes:
        """Stand between the leg and its phone; return the answer that leads to the tap."""
        assert leg.negotiated is not None
        self._phone = (leg.negotiated.remote.host, leg.negotiated.remote.port)
        self._leg = ("127.0.0.1", leg.port)
        port: int = self._to_phone.get_extra_info("sockname")[1]
        line = b"m=audio %d "
        assert line % leg.port in answer
        return answer.replace(line % leg.port, line % port)

    async def until(self, wanted: Callable[[Tapped], bool]) -> Tapped:
        """Return the first datagram, of those that came or come, that is `wanted`."""
        seen = 0
        async with asyncio.timeout(_SECONDS):
            while True:
                while seen < len(self.packets):
                    seen += 1
                    if wanted(self.packets[seen - 1]):
                        return self.packets[seen - 1]
                self._arrived.clear()
                await self._arrived.wait()

    def _from_phone(self, octets: bytes) -> None:
        self._note(Tapped(from_phone=True, octets=octets))
        self._to_leg.sendto(octets, self._leg)

    def _from_leg(self, octets: bytes) -> None:
        self._note(Tapped(from_phone=False, octets=octets))
        self._to_phone.sendto(octets, self._phone)

    def _note(self, tapped: Tapped) -> None:
        self.packets.append(tapped)
        self._arrived.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        here = ("127.0.0.1", 0)
        self._to_phone, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_phone), local_addr=here
        )
        self._to_leg, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_leg), local_addr=here
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._to_phone.close()
        self._to_leg.close()
