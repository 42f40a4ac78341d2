"""A leg on the real reactor: nothing here is driven by the test but the phone."""

import asyncio
import socket
from typing import cast

from twisted.internet import reactor as installed_reactor

from ivr.media.clips import Clip
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from ivr.media.udp import SocketReactor

SILENCE = 0xD5

reactor = cast("SocketReactor", installed_reactor)


def clip(*octets: int) -> Clip:
    frames = tuple(bytes([octet]) * 160 for octet in octets)
    return Clip(duration=0.02 * len(octets), pcma=frames, pcmu=frames)


async def received_until(phone: socket.socket, octet: int) -> list[RtpPacket]:
    """The packets that `phone` gets, up to the first one of `octet`."""
    loop = asyncio.get_running_loop()
    packets: list[RtpPacket] = []
    while not packets or packets[-1].payload[0] != octet:
        packet = unpack(await asyncio.wait_for(loop.sock_recv(phone, 2048), 30))
        assert packet is not None
        packets.append(packet)
    return packets


async def test_a_phone_hears_a_prompt_keys_a_number_and_stops_it() -> None:
    loop = asyncio.get_running_loop()
    node = MediaNode(
        reactor, Playout(reactor), PortPool(42000, 42998), "127.0.0.1", "127.0.0.1"
    )
    leg = MediaLeg(node, "127.0.0.1")
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with phone:
        phone.setblocking(False)
        phone.bind(("127.0.0.1", 0))
        offer = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {phone.getsockname()[1]} RTP/AVP 8 101\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n"
        )
        keys: asyncio.Queue[str] = asyncio.Queue()
        leg.on_key = lambda press: keys.put_nowait(press.key)
        leg.answer(offer.encode())

        short = leg.play([clip(1, 2, 3)])
        assert await asyncio.wait_for(short.finished.asFuture(loop), 30)
        long = leg.play([clip(*[9] * 100_000)])
        packets = await received_until(phone, octet=9)
        heard = [packet.payload[0] for packet in packets if packet.payload[0] != SILENCE]
        assert heard == [1, 2, 3, 9]
        first = packets[0]
        assert [packet.sequence for packet in packets] == [
            (first.sequence + n) % 2**16 for n in range(len(packets))
        ]
        assert {packet.ssrc for packet in packets} == {first.ssrc}

        pressed = ""
        for n, key in enumerate("4970101234567890#"):
            for packet in encode_press(
                key, payload_type=101, ssrc=3, sequence=8 * n, timestamp=1600 * n
            ):
                await loop.sock_sendto(phone, packet, ("127.0.0.1", leg.port))
            pressed += await asyncio.wait_for(keys.get(), 30)
        assert pressed == "4970101234567890#"
        assert leg.last_packet_at is not None

        leg.stop()
        assert not await asyncio.wait_for(long.finished.asFuture(loop), 30)
        leg.close()
    assert keys.empty()
    assert len(node.playout) == 0
