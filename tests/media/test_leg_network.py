"""Where a leg's packets go and come from, on real sockets of the loopback."""

import errno
import socket
from unittest import mock

import pytest

from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import NoPortLeft, PortPool
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from ivr.media.udp import Reader
from tests.media.harness import ManualReactor, Phone, keys, run


def test_it_sends_to_the_described_port_until_a_packet_shows_the_real_one(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    run(reactor, 0.03)
    assert len(phone.packets()) == 2
    other.speak(leg.port)
    reactor.read(1)
    assert leg.last_packet_at == reactor.seconds()
    run(reactor, 0.04)
    assert (len(phone.packets()), len(other.packets())) == (0, 2)
    phone.press("1", leg.port)
    other.press("2", leg.port)
    reactor.read()
    assert pressed == ["2"]


def test_a_stranger_is_neither_heard_nor_followed(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    stranger = Phone("127.0.0.2")
    with stranger.socket:
        stranger.speak(leg.port)
        stranger.press("6", leg.port)
        reactor.read()
        run(reactor, 0.03)
        assert stranger.packets() == []
    assert (pressed, leg.last_packet_at) == ([], None)
    assert len(phone.packets()) == 2


def test_a_peer_behind_nat_is_found_by_where_its_signalling_comes_from(
    node: MediaNode, reactor: ManualReactor, phone: Phone
) -> None:
    leg = MediaLeg(node, signalling_host="::ffff:127.0.0.3")
    pressed = keys(leg)
    leg.answer(phone.offer())
    behind_nat = Phone("127.0.0.3")
    with behind_nat.socket:
        behind_nat.press("3", leg.port)
        reactor.read()
        run(reactor, 0.03)
        assert pressed == ["3"]
        assert len(behind_nat.packets()) == 2
    leg.close()


def test_what_is_no_valid_packet_is_not_followed(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    leg.answer(phone.offer())
    other.send(b"", leg.port)
    other.send(b"\x80", leg.port)
    other.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", leg.port)
    other.speak(leg.port, payload_type=72)
    other.speak(leg.port, payload_type=102)
    reactor.read()
    run(reactor, 0.01)
    assert other.packets() == []
    assert len(phone.packets()) == 1


def test_once_keys_come_as_events_the_kernel_drops_the_audio(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.press("7", leg.port)
    reactor.read()
    seen: list[bytes] = []

    def watch(datagram: bytes) -> RtpPacket | None:
        seen.append(datagram)
        return unpack(datagram)

    monkeypatch.setattr("ivr.media.wire.unpack", watch)
    phone.speak(leg.port, 128)
    phone.press("8", leg.port)
    reactor.read()
    assert len(seen) == 2 + 8
    assert pressed == ["7", "8"]


def test_without_keypad_events_no_audio_is_dropped(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    offer = phone.offer().replace(b"a=rtpmap:101 telephone-event/8000", b"a=x")
    assert b"telephone-event" not in leg.answer(offer)
    for _ in range(3):
        phone.speak(leg.port)
        reactor.advance(1.0)
        reactor.read()
        assert leg.last_packet_at == reactor.seconds()


def test_a_moved_peer_is_sent_to_and_latched_anew(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.speak(leg.port)
    reactor.read()
    run(reactor, 0.03)
    before = phone.packets()
    leg.answer(other.offer())
    phone.speak(leg.port)
    reactor.read()
    run(reactor, 0.04)
    after = other.packets()
    assert phone.packets() == []
    assert len(after) == 2
    assert after[0].ssrc == before[0].ssrc
    assert after[0].sequence == (before[-1].sequence + 1) % 2**16
    other.press("4", leg.port)
    reactor.read()
    assert pressed == ["4"]
    phone.press("9", leg.port)
    reactor.read()
    assert pressed == ["4"]


def test_after_a_move_a_single_audio_packet_shows_the_real_port_again(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    leg.answer(phone.offer())
    phone.speak(leg.port)
    reactor.read()
    moved = Phone()
    with moved.socket:
        leg.answer(moved.offer())
        other.speak(leg.port)
        reactor.read()
        run(reactor, 0.03)
        assert (len(moved.packets()), len(other.packets())) == (0, 2)


def test_a_peer_whose_port_is_closed_harms_nobody(
    node: MediaNode, reactor: ManualReactor, phone: Phone
) -> None:
    gone = Phone()
    legs = [MediaLeg(node), MediaLeg(node)]
    legs[0].answer(gone.offer())
    gone.speak(legs[0].port)
    reactor.read(1)
    gone.socket.close()
    legs[1].answer(phone.offer())
    for _ in range(10):
        run(reactor, 0.02)
        reactor.read(2)
    assert len(phone.packets()) == 10
    assert legs[0]._stream.unsent > 0
    for leg in legs:
        leg.close()


def test_a_port_that_another_program_holds_is_passed_over(
    reactor: ManualReactor, node: MediaNode
) -> None:
    holder = MediaLeg(node)
    first = holder.port
    ports = PortPool(first, 41998)
    free = len(ports)
    leg = MediaLeg(MediaNode(reactor, node.playout, ports, "127.0.0.1", "127.0.0.1"))
    assert leg.port > first
    leg.close()
    assert len(ports) == free
    only = MediaNode(reactor, node.playout, PortPool(first, first), "127.0.0.1", "127.0.0.1")
    with pytest.raises(NoPortLeft):
        MediaLeg(only)
    assert len(only.ports) == 1
    holder.close()


def test_no_port_left_is_said(reactor: ManualReactor, node: MediaNode) -> None:
    one = MediaNode(reactor, node.playout, PortPool(41998, 41998), "127.0.0.1", "127.0.0.1")
    leg = MediaLeg(one)
    with pytest.raises(NoPortLeft):
        MediaLeg(one)
    leg.close()
    MediaLeg(one).close()


def test_what_the_system_refuses_costs_no_port(
    reactor: ManualReactor, node: MediaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = len(node.ports)
    elsewhere = MediaNode(reactor, node.playout, node.ports, "192.0.2.77", "192.0.2.77")
    with pytest.raises(OSError, match="assign"):
        MediaLeg(elsewhere)
    full = OSError(errno.ENOSPC, "no more watches")

    def refuse(_: Reader) -> None:
        raise full

    with monkeypatch.context() as exhausted:
        exhausted.setattr(reactor, "addReader", refuse)
        with pytest.raises(OSError, match="watches"):
            MediaLeg(node)
    exhausted_error = OSError(errno.EMFILE, "too many")
    with monkeypatch.context() as exhausted:
        exhausted.setattr("socket.socket", mock.Mock(side_effect=exhausted_error))
        with pytest.raises(OSError, match="too many"):
            MediaLeg(node)
    assert len(node.ports) == free


def loopback_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_call_over_ipv6_or_a_plain_error_where_there_is_none(reactor: ManualReactor) -> None:
    node = MediaNode(reactor, Playout(reactor), PortPool(41000, 41998), "::1", "::1")
    if not loopback_ipv6():
        with pytest.raises(OSError, match="ddress"):
            MediaLeg(node)
        return
    leg = MediaLeg(node, signalling_host="::1")
    pressed = keys(leg)
    phone = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with phone:
        phone.setblocking(False)
        phone.bind(("::1", 0))
        offer = (
            f"v=0\no=- 1 1 IN IP6 ::1\nc=IN IP6 ::1\nm=audio {phone.getsockname()[1]} RTP/AVP"
            " 8 101\na=rtpmap:101 telephone-event/8000\n"
        )
        leg.answer(offer.encode())
        for packet in encode_press("5", payload_type=101, ssrc=1, sequence=1, timestamp=1):
            phone.sendto(packet, ("::1", leg.port))
        reactor.read()
        run(reactor, 0.01)
        assert pressed == ["5"]
        assert len(phone.recv(2048)) == 172
    leg.close()
