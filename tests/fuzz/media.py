"""Session descriptions, RTP, RTCP, SRTP, INFO bodies, and sound."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
from twisted.internet.task import Clock

from ivr.media import rtcp
from ivr.media.address import Address
from ivr.media.g711 import FRAME, RATE, Codec, encode
from ivr.media.inband import ToneBank
from ivr.media.info import PLAIN, RELAY, InfoError, parse_info
from ivr.media.jitter import JitterBuffer
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode, MediaStateError
from ivr.media.negotiation import NotAcceptable, OurSide, answer, make_offer, read_answer
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.reception import Reception
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.sdes import MasterKey, Suite
from ivr.media.sdp import SdpError, parse, render
from ivr.media.security import SrtpPolicy
from ivr.media.srtp import Protection
from ivr.media.telephone_event import TelephoneEvents, encode_press
from tests.fuzz.seeds import HELD, SDP, SECURE
from tests.fuzz.target import Feed, Target
from tests.media.harness import ManualReactor, run

_KEY = MasterKey(b"A" * Suite.AES_CM_128_HMAC_SHA1_80.key_size)
_HOME = "127.0.0.1"


def _descriptions(data: bytes) -> None:
    """Parse, answer twice, and take it as the answer to an offer of ours."""
    try:
        description = parse(data)
    except SdpError:
        return
    assert parse(render(description)) == description
    for policy in SrtpPolicy:
        ours = OurSide(Address(_HOME, 4000), 1, policy)
        negotiated = None
        with suppress(SdpError, NotAcceptable):
            answered, negotiated = answer(description, ours)
            assert len(answered.media) == len(description.media)
            assert parse(render(answered)) == answered
            again, _ = answer(description, ours, negotiated)
            assert again == answered
        offer = make_offer(ours, negotiated)
        assert parse(render(offer)) == offer
        with suppress(SdpError, NotAcceptable):
            read_answer(offer, description, ours, negotiated)


def packets_of(data: bytes) -> Iterator[bytes]:
    """Return the datagrams of an input; an octet with the length goes before each."""
    while data:
        yield data[1 : 1 + data[0]]
        data = data[1 + data[0] :]


def packed(*packets: bytes) -> bytes:
    """Return the input that has these datagrams."""
    return b"".join(bytes([len(one)]) + one for one in packets)


def _rtp(data: bytes) -> None:
    events, reception, jitter = TelephoneEvents(), Reception(), JitterBuffer()
    now = 0.0
    for datagram in packets_of(data):
        packet = unpack(datagram)
        now += 0.02
        if packet is None:
            continue
        again = unpack(packet.pack())
        assert again is not None
        # The octets of padding are of no account, but for the last.
        assert replace(again, padding=0) == replace(packet, padding=0)
        assert len(events.receive(packet, now)) <= 8
        reception.hear(packet, now, audio=bool(packet.payload_type & 1))
        jitter.put(packet)
        sound = jitter.take()
        assert sound is None or len(sound) == FRAME
    assert len(events._events) <= 4
    assert reception.expected >= 0


def _rtcp(data: bytes) -> None:
    found = rtcp.unpack(data)
    if found is not None:
        assert rtcp.unpack(rtcp.pack(found)) is not None


def _srtp() -> Feed:
    def feed(data: bytes) -> None:
        """Open what comes as it is, and once more as its true peer would have sent it."""
        ours, theirs = (Protection(Suite.AES_CM_128_HMAC_SHA1_80, _KEY, _KEY) for _ in "12")
        for datagram in packets_of(data):
            ours.open(datagram)
            ours.open_control(datagram)
            with suppress(OSError):
                ours.open(theirs.protect(datagram))
            with suppress(OSError):
                ours.open_control(theirs.protect_control(datagram))
        assert len(ours._sources) <= 32

    return feed


def _leg() -> Feed:
    """A whole leg: the first octet says which offer it answers and how it listens."""
    reactor = ManualReactor()
    ports = PortPool(31100, 31198)
    node = MediaNode(reactor, Playout(reactor), ports, _HOME, _HOME)
    offers = (SDP, SDP + b"a=rtcp-mux\r\n", SECURE, HELD.replace(b"IP6 ::1", b"IP4 127.0.0.1"))
    free = len(ports)

    def feed(data: bytes) -> None:
        how = data[0] if data else 0
        leg = MediaLeg(node, _HOME, srtp=SrtpPolicy.OFFERED)
        until = reactor.seconds() + 4.0
        try:
            with suppress(SdpError, NotAcceptable, MediaStateError):
                leg.answer(offers[how & 3])
            source = Address(_HOME, 49170 + (how >> 2 & 1))
            for datagram in packets_of(data[1:]):
                leg._wire._datagram(datagram, source)
                leg._wire._control.receive(datagram, source)
                if reactor.seconds() < until:
                    run(reactor, (0.0, 0.02, 0.1, 1.0)[how >> 3 & 3])
            assert leg.quality.received >= 0
        finally:
            leg.close()
        # The playout and the tone bank may have a last beat to come.
        run(reactor, 0.1)
        assert reactor.getDelayedCalls() == []
        assert reactor.readers == []
        assert len(ports) == free

    return feed


def _info(data: bytes) -> None:
    for kind in (RELAY, PLAIN, "text/plain"):
        with suppress(InfoError):
            key = parse_info(kind, data)
            assert len(key.key) == 1
            assert key.duration is None or 0.04 <= key.duration <= 10


def _tones() -> Feed:
    """Sound in packets of 20 ms; the octet before each may lose, swap or repeat it."""
    clock = Clock()
    bank = ToneBank(clock)

    def feed(data: bytes) -> None:
        presses: list[KeyPress] = []
        codec = list(Codec)[data[0] & 1 if data else 0]
        ear = bank.open(codec, presses.append)
        sequence = timestamp = 0
        for at in range(1, len(data), FRAME + 1):
            how, sound = data[at], data[at + 1 : at + 1 + FRAME]
            sequence += (1, 1, 1, 1, 2, -1, 200, 30_000)[how & 7]
            timestamp += len(sound) * (1, 1, 1, 2, 10, -1, 0, 1_000_000)[how >> 3 & 7]
            ear.receive(
                RtpPacket(8, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, how >> 7, sound),
                clock.seconds(),
            )
            clock.advance(0.02)
            assert len(ear._pending) <= RATE
            assert len(ear._ahead) <= 4
        ear.close()
        clock.advance(0.1)
        assert clock.getDelayedCalls() == []
        assert all(0 <= press.held < 100 for press in presses)

    return feed


def _packets() -> Iterator[bytes]:
    audio = [RtpPacket(8, n, 160 * n, 5, b"\xd5" * 160).pack() for n in range(3)]
    presses = encode_press("5", payload_type=101, ssrc=5, sequence=9, timestamp=1440)
    odd = RtpPacket(8, 4, 7, 5, b"x", marker=True, csrc=(1, 2), padding=4).pack()
    yield packed(*audio, *(one for one in presses), odd)
    block = rtcp.ReportBlock(5, 1, -1, 65540, 3, 4, 5)
    sender = rtcp.Report(5, rtcp.SenderInfo(1 << 40, 2, 3, 4), (block,))
    names = rtcp.SourceNames(((5, b"phone"),))
    for more in (names, rtcp.Goodbye((5,), b"bye"), rtcp.OtherPacket(206, 1, bytes(8))):
        yield rtcp.pack([sender, more])
        yield packed(rtcp.pack([rtcp.Report(5, None, (block,)), more]))


def _leg_seeds() -> Iterator[bytes]:
    for packets in _packets():
        for how in (0, 1, 2, 3, 8, 17, 24):
            yield bytes([how]) + packets


def _sounds() -> Iterator[bytes]:
    time = np.arange(5 * FRAME) / RATE
    for low, high in ((697, 1209), (770, 1336), (941, 1477)):
        for level in (0.01, 0.3):
            wave = level * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time))
            octets = encode(Codec.PCMA, (wave * 32767).astype(np.int16))
            octets += b"\xd5" * 5 * FRAME
            frames = (octets[at : at + FRAME] for at in range(0, len(octets), FRAME))
            yield b"\0" + b"".join(b"\0" + frame for frame in frames)
    yield b"\1" + b"".join(struct.pack("B", n % 251) for n in range(1000))


TARGETS = {
    "sdp": Target(lambda: _descriptions, lambda: (SDP, SECURE, HELD), 2048),
    "rtp": Target(lambda: _rtp, _packets, 1024),
    "rtcp": Target(lambda: _rtcp, _packets, 512),
    "srtp": Target(_srtp, _packets, 512),
    "media-leg": Target(_leg, _leg_seeds, 1024),
    "info": Target(
        lambda: _info, lambda: (b"Signal=5\r\nDuration=160\r\n", b"10", b"Signal= *\n"), 300
    ),
    "tones": Target(_tones, _sounds, 4096),
}
