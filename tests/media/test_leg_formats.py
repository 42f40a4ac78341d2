"""IPv6, packets longer or shorter than ours, and a codec that we do not speak."""

import socket
from contextlib import suppress

import pytest

from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.negotiation import NotAcceptable
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtcp import Goodbye, Report, unpack
from ivr.media.rtp import RtpPacket
from ivr.media.sdes import Crypto, MasterKey, Suite, parse_crypto, render_crypto
from ivr.media.sdp import parse
from ivr.media.security import SrtpPolicy
from ivr.media.srtp import Protection
from ivr.media.telephone_event import encode_press
from tests.media.harness import SILENCE, ManualReactor, Phone, clip, keys, run


@pytest.fixture
def node6(reactor: ManualReactor) -> MediaNode:
    return MediaNode(reactor, Playout(reactor), PortPool(41000, 41998), "::1", "::1")


def test_a_whole_call_over_ipv6(node6: MediaNode, reactor: ManualReactor) -> None:
    leg = MediaLeg(node6, signalling_host="::1")
    phone = Phone("::1")
    reports = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with phone.socket, reports:
        reports.setblocking(False)
        reports.bind(("::1", 0))
        port = reports.getsockname()[1]
        pressed = keys(leg)
        answered = leg.answer(phone.offer(f"a=rtcp:{port} IN IP6 ::1"))
        assert b"c=IN IP6 ::1\r\n" in answered
        assert b" IN IP6 ::1\r\ns=" in answered
        leg.play([clip(1, 2)])
        for key in "4970#":
            phone.press(key, leg.port)
        reactor.read()
        run(reactor, 0.05)
        assert pressed == list("4970#")
        assert phone.heard() == [1, 2, SILENCE]
        moved = Phone("::1")
        with moved.socket:
            leg.answer(moved.offer(f"a=rtcp:{port} IN IP6 ::1"))
            moved.speak(leg.port, 200)
            moved.press("7", leg.port)
            reactor.read()
            run(reactor, 4.0)
            assert pressed[-1] == "7"
            assert len(moved.packets()) == 200
        leg.close()
        received = []
        with suppress(BlockingIOError):
            while True:
                received.append(unpack(reports.recv(2048)) or ())
        assert len(received) >= 2
        assert all(isinstance(packets[0], Report) for packets in received)
        assert isinstance(received[-1][-1], Goodbye)


def test_an_encrypted_call_over_ipv6(node6: MediaNode, reactor: ManualReactor) -> None:
    leg = MediaLeg(node6, srtp=SrtpPolicy.REQUIRED)
    phone = Phone("::1")
    suite = Suite.AEAD_AES_128_GCM
    key = MasterKey.fresh(suite)
    with phone.socket:
        pressed = keys(leg)
        offered = render_crypto(Crypto(1, suite, key)).value
        answered = leg.answer(phone.offer(f"a=crypto:{offered}", protocol="RTP/SAVP"))
        ours = next(a for a in parse(answered).media[0].attributes if a.name == "crypto")
        protection = Protection(suite, key, parse_crypto(ours.value or "").key)
        for octets in encode_press("3", payload_type=101, ssrc=5, sequence=1, timestamp=1):
            phone.send(protection.protect(octets), leg.port)
        reactor.read()
        run(reactor, 0.01)
        assert pressed == ["3"]
        assert protection.open(phone.socket.recv(2048)) is not None
    leg.close()


def test_a_peer_of_the_other_family_is_refused(node6: MediaNode, phone: Phone) -> None:
    leg = MediaLeg(node6)
    with pytest.raises(NotAcceptable, match="IP6"):
        leg.answer(phone.offer())
    leg.close()


@pytest.mark.parametrize("ptime", [10, 30, 40, 60])
def test_packets_of_any_length_are_heard_between_keys(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, ptime: int
) -> None:
    pressed = keys(leg)
    answered = leg.answer(phone.offer(f"a=ptime:{ptime}"))
    assert b"a=ptime:20\r\n" in answered
    phone.press("1", leg.port)
    for number in range(300, 300 + 640):
        payload = bytes([SILENCE]) * (8 * ptime)
        octets = RtpPacket(8, number, 8 * ptime * number, 5, payload).pack()
        phone.send(octets, leg.port)
        if number % 64 == 0:
            run(reactor, 0.064 * ptime)
            reactor.read(20)
    phone.press("2", leg.port)
    reactor.read(30)
    assert pressed == ["1", "2"]
    assert leg.last_packet_at == reactor.seconds()
    assert leg._wire._latch.latched


@pytest.mark.parametrize("rtpmap", ["a=rtpmap:9 G722/8000", "a=x"])
def test_g722_alone_is_refused_and_beside_g711_passed_over(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, rtpmap: str
) -> None:
    pressed = keys(leg)
    wide = phone.offer(rtpmap).replace(b"RTP/AVP 8", b"RTP/AVP 9")
    with pytest.raises(NotAcceptable, match="PCMA or PCMU") as refused:
        leg.answer(wide)
    assert refused.value.warning == 305
    both = phone.offer(rtpmap).replace(b"RTP/AVP 8", b"RTP/AVP 9 8")
    answered = parse(leg.answer(both))
    assert answered.media[0].formats == ("8", "101")
    phone.speak(leg.port, payload_type=9)
    reactor.read()
    assert leg.last_packet_at is None
    phone.press("4", leg.port)
    reactor.read()
    assert pressed == ["4"]
