"""Reports of a leg on real sockets: one port or two, and what becomes of a silent peer."""

import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtcp import Goodbye, Packet, Report, ReportBlock, SenderInfo, pack, unpack
from ivr.media.rtp import RtpPacket
from tests.media.harness import ManualReactor, Phone, keys, run


class ControlPort:
    """Where a phone gets reports that do not share the port of its audio."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, port))

    def packets(self) -> list[tuple[Packet, ...]]:
        received: list[tuple[Packet, ...]] = []
        while True:
            try:
                packets = unpack(self.socket.recv(2048))
            except BlockingIOError:
                return received
            assert packets is not None
            received.append(packets)


@pytest.fixture
def control(phone: Phone) -> Iterator[ControlPort]:
    port = ControlPort(phone.host, phone.port + 1)
    with port.socket:
        yield port


def about(leg: MediaLeg, last_report: int) -> bytes:
    """What a phone tells of the leg: a quarter lost lately."""
    block = ReportBlock(leg._wire._stream.ssrc, 64, 3, 9, 80, last_report, 0)
    return pack((Report(5, None, (block,)),))


def sender_info(packets: tuple[Packet, ...]) -> SenderInfo:
    report = packets[0]
    assert isinstance(report, Report)
    assert report.sender is not None
    return report.sender


def test_reports_go_to_the_next_port_and_come_from_there(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, control: ControlPort
) -> None:
    leg.answer(phone.offer())
    phone.speak(leg.port, 3)
    reactor.read()
    run(reactor, 4.0)
    (*_, packets) = control.packets()
    info = sender_info(packets)
    assert info.packets > 50
    middle = info.ntp >> 16 & 0xFFFFFFFF
    control.socket.sendto(about(leg, middle), ("127.0.0.1", leg.port + 1))
    control.socket.sendto(b"\x80\xc9 garbage", ("127.0.0.1", leg.port + 1))
    reactor.read()
    quality = leg.quality
    assert quality.round_trip is not None
    assert 0 <= quality.round_trip < 4.0
    assert (quality.peer_loss, quality.peer_lost, quality.peer_jitter) == (0.25, 3, 0.01)
    assert quality.received == 3
    leg.close()
    (*_, last) = control.packets()
    assert last[-1] == Goodbye((leg._wire._stream.ssrc,))


def test_on_one_port_reports_pass_the_filter_of_the_kernel(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer("a=rtcp-mux"))
    phone.press("1", leg.port)
    reactor.read()
    readers = len(reactor.readers)
    phone.send(about(leg, 0), leg.port)
    reactor.read()
    assert leg.quality.peer_lost == 3
    run(reactor, 4.0)
    ours = [octets for octets in received(phone) if octets[1] in (200, 201)]
    assert ours
    assert (readers, pressed) == (1, ["1"])


def received(phone: Phone) -> list[bytes]:
    octets: list[bytes] = []
    while True:
        try:
            octets.append(phone.socket.recv(2048))
        except BlockingIOError:
            return octets


def test_a_named_address_gets_the_reports_until_they_come_from_another(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    leg.answer(phone.offer(f"a=rtcp:{other.port} IN IP4 127.0.0.1"))
    run(reactor, 4.0)
    assert received(other)
    natted = Phone()
    with natted.socket:
        natted.send(about(leg, 0), leg.port + 1)
        reactor.read()
        run(reactor, 7.0)
        assert received(natted)
        assert received(other) == []


def test_a_stranger_reports_in_vain(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    leg.answer(phone.offer())
    stranger = Phone("127.0.0.2")
    with stranger.socket:
        stranger.send(about(leg, 0), leg.port + 1)
        reactor.read()
        assert leg.quality.peer_lost is None


def test_where_no_bandwidth_is_granted_nothing_is_reported(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, control: ControlPort
) -> None:
    leg.answer(phone.offer("b=RS:0", "b=RR:0"))
    assert len(reactor.readers) == 1
    run(reactor, 20.0)
    leg.close()
    assert control.packets() == []


def test_reports_go_on_while_on_hold_and_follow_a_change_of_port(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, control: ControlPort
) -> None:
    leg.answer(phone.offer())
    leg.answer(phone.offer("a=inactive"))
    run(reactor, 20.0)
    assert len(control.packets()) >= 2
    leg.answer(phone.offer("a=rtcp-mux"))
    assert len(reactor.readers) == 1
    run(reactor, 7.0)
    assert control.packets() == []
    leg.answer(phone.offer())
    assert len(reactor.readers) == 2
    run(reactor, 7.0)
    assert control.packets()
    leg.close()
    assert (reactor.readers, reactor.getDelayedCalls()) == ([], [])


def test_a_leg_without_a_port_for_reports_does_without(
    node: MediaNode, reactor: ManualReactor, phone: Phone
) -> None:
    leg = MediaLeg(node)
    taken = ControlPort("127.0.0.1", leg.port + 1)
    with taken.socket, capture_logs() as logs:
        pressed = keys(leg)
        leg.answer(phone.offer())
        phone.press("1", leg.port)
        reactor.read()
        run(reactor, 20.0)
        assert pressed == ["1"]
        leg.close()
    assert [log["event"] for log in logs] == ["media.no_control_port"]


@pytest.fixture
def watched(reactor: ManualReactor) -> Iterator[tuple[MediaLeg, list[float]]]:
    node = MediaNode(
        reactor,
        Playout(reactor),
        PortPool(41000, 41998),
        "127.0.0.1",
        "127.0.0.1",
        silence_after=30.0,
    )
    leg = MediaLeg(node)
    silences: list[float] = []
    leg.on_silence = lambda: silences.append(round(reactor.seconds()))
    yield leg, silences
    leg.close()


def test_a_peer_that_falls_silent_is_told_of_once(
    watched: tuple[MediaLeg, list[float]], reactor: ManualReactor, phone: Phone
) -> None:
    leg, silences = watched
    leg.answer(phone.offer())
    for _ in range(20):
        phone.speak(leg.port, 64)
        run(reactor, 1.28)
        reactor.read(3)
    run(reactor, 200.0)
    assert silences == [pytest.approx(20 * 1.28 + 30, abs=2)]


def test_on_hold_silence_is_golden(
    watched: tuple[MediaLeg, list[float]], reactor: ManualReactor, phone: Phone
) -> None:
    leg, silences = watched
    leg.answer(phone.offer("a=sendonly"))
    run(reactor, 200.0)
    leg.answer(phone.offer())
    run(reactor, 20.0)
    leg.answer(phone.offer("c=IN IP4 0.0.0.0"))
    run(reactor, 200.0)
    assert silences == []
    leg.answer(phone.offer())
    run(reactor, 31.0)
    assert silences == [450]


def test_reports_are_a_sign_of_life(
    watched: tuple[MediaLeg, list[float]], reactor: ManualReactor, phone: Phone
) -> None:
    leg, silences = watched
    leg.answer(phone.offer("a=rtcp-mux"))
    for _ in range(10):
        run(reactor, 20.0)
        phone.send(about(leg, 0), leg.port)
        reactor.read(3)
    assert silences == []
    run(reactor, 40.0)
    assert silences == [230]


def test_what_a_listener_to_silence_raises_goes_no_further(
    watched: tuple[MediaLeg, list[float]], reactor: ManualReactor, phone: Phone
) -> None:
    leg, _ = watched
    leg.on_silence = lambda: 1 / 0
    leg.answer(phone.offer())
    with capture_logs() as logs:
        run(reactor, 40.0)
    assert [log["event"] for log in logs] == ["media.on_silence_failed"]


def test_a_peer_that_moves_its_port_unsaid_is_found_again(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    reactor.read()
    other.press("2", leg.port)
    reactor.read()
    run(reactor, 2.0)
    phone.packets()
    other.press("3", leg.port)
    reactor.read()
    assert pressed == ["1"]
    run(reactor, 3.0)
    assert len(phone.packets()) == 150
    other.press("4", leg.port)
    reactor.read()
    run(reactor, 0.1)
    assert pressed == ["1", "4"]
    assert (phone.packets(), len(other.packets())) == ([], 5)
    phone.press("5", leg.port)
    reactor.read()
    assert pressed == ["1", "4"]


def test_a_peer_that_sends_rarely_is_not_taken_for_moved(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    leg.answer(phone.offer("a=ptime:60"))
    phone.press("1", leg.port)
    long = RtpPacket(8, 640, 0, 5, bytes(480)).pack()
    phone.send(long, leg.port)
    reactor.read()
    run(reactor, 10.0)
    other.press("2", leg.port)
    assert leg._wire._latch.latched
    run(reactor, 6.0)
    assert not leg._wire._latch.latched
