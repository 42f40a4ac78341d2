"""A leg on real sockets of the loopback; the test moves the clock and says when to read."""

import pickle
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from twisted.internet.task import Clock

from ivr.media.clips import Clip
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode, MediaStateError
from ivr.media.negotiation import NotAcceptable
from ivr.media.playback import Playback
from ivr.media.playout import Playout
from ivr.media.ports import NoPortLeft, PortPool
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.sdp import SdpError, parse
from ivr.media.telephone_event import encode_press
from ivr.media.udp import Reader

SILENCE = 0xD5


class ManualReactor(Clock):
    """A clock that also keeps readers, and reads them when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Reader] = []

    def addReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        self.readers.append(reader)

    def removeReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        self.readers.remove(reader)

    def read(self, times: int = 1000) -> None:
        """Read each reader as long as there may be something: what is not there is no error."""
        for _ in range(times):
            for reader in list(self.readers):
                reader.doRead()

    def run(self, seconds: float) -> None:
        end = self.seconds() + seconds
        while self.calls and (due := min(call.time for call in self.calls)) <= end + 1e-9:
            self.advance(max(0.0, due - self.seconds()))
        self.advance(max(0.0, end - self.seconds()))


class Phone:
    """The other end: a socket, its own numbers, and what it heard."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self._sequence = 100

    def offer(self, *attributes: str, event: int = 101, port: int | None = None) -> bytes:
        lines = [
            "v=0",
            f"o=- 1 1 IN IP4 {self.host}",
            "s=-",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"m=audio {port or self.port} RTP/AVP 8 {event}",
            f"a=rtpmap:{event} telephone-event/8000",
            *attributes,
        ]
        return "\r\n".join(lines).encode()

    def send(self, octets: bytes, port: int) -> None:
        self.socket.sendto(octets, ("127.0.0.1", port))

    def speak(self, port: int, count: int = 1, payload_type: int = 8) -> None:
        for _ in range(count):
            self._sequence += 1
            packet = RtpPacket(
                payload_type, self._sequence, 160 * self._sequence, 5, bytes(160)
            )
            self.send(packet.pack(), port)

    def press(self, key: str, port: int, payload_type: int = 101) -> None:
        packets = encode_press(
            key,
            payload_type=payload_type,
            ssrc=5,
            sequence=self._sequence + 1,
            timestamp=160 * (self._sequence + 1),
        )
        self._sequence += len(packets) + 1
        for packet in packets:
            self.send(packet, port)

    def packets(self) -> list[RtpPacket]:
        received: list[RtpPacket] = []
        while True:
            try:
                packet = unpack(self.socket.recv(2048))
            except BlockingIOError:
                return received
            assert packet is not None
            received.append(packet)

    def heard(self) -> list[int]:
        return [packet.payload[0] for packet in self.packets()]


@pytest.fixture
def reactor() -> ManualReactor:
    return ManualReactor()


@pytest.fixture
def node(reactor: ManualReactor) -> MediaNode:
    return MediaNode(
        reactor=reactor,
        playout=Playout(reactor),
        ports=PortPool(41000, 41998),
        host="127.0.0.1",
        public_host="127.0.0.1",
    )


@pytest.fixture
def phone() -> Iterator[Phone]:
    phone = Phone()
    with phone.socket:
        yield phone


@pytest.fixture
def other() -> Iterator[Phone]:
    phone = Phone()
    with phone.socket:
        yield phone


@pytest.fixture
def leg(node: MediaNode) -> Iterator[MediaLeg]:
    leg = MediaLeg(node)
    yield leg
    leg.close()


def clip(*octets: int) -> Clip:
    frames = tuple(bytes([octet]) * 160 for octet in octets)
    return Clip(duration=0.02 * len(octets), pcma=frames, pcmu=frames)


def keys(leg: MediaLeg) -> list[str]:
    pressed: list[str] = []

    def take(press: KeyPress) -> None:
        pressed.append(press.key)

    leg.on_key = take
    return pressed


def results(playback: Playback) -> list[bool]:
    fired: list[bool] = []
    playback.finished.addCallback(fired.append)
    return fired


def test_keys_come_in_and_prompts_go_out(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    described = parse(leg.answer(phone.offer(event=97)))
    assert described.media[0].port == leg.port
    fired = results(leg.play([clip(1, 2), clip(3)]))
    for key in "4970#":
        phone.press(key, leg.port, payload_type=97)
    reactor.read()
    reactor.run(0.079)
    assert pressed == list("4970#")
    assert phone.heard() == [1, 2, 3, SILENCE]
    assert fired == [True]


def test_it_sends_to_the_described_port_until_a_packet_shows_the_real_one(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    reactor.run(0.03)
    assert len(phone.packets()) == 2
    other.speak(leg.port)
    reactor.read(1)
    assert leg.last_packet_at == reactor.seconds()
    reactor.run(0.04)
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
        reactor.run(0.03)
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
        reactor.run(0.03)
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
    reactor.run(0.01)
    assert other.packets() == []
    assert len(phone.packets()) == 1


def test_once_the_source_is_known_the_kernel_drops_the_audio(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.speak(leg.port)
    reactor.read()
    seen: list[bytes] = []

    def watch(datagram: bytes) -> RtpPacket | None:
        seen.append(datagram)
        return unpack(datagram)

    monkeypatch.setattr("ivr.media.leg.unpack", watch)
    phone.speak(leg.port, 128)
    phone.press("8", leg.port)
    reactor.read()
    assert len(seen) == 2 + 8
    assert pressed == ["8"]


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


def test_a_payload_type_that_changes_in_a_reinvite_is_followed_at_once(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer(event=101))
    phone.press("1", leg.port, payload_type=101)
    reactor.read()
    leg.answer(phone.offer(event=96))
    phone.press("2", leg.port, payload_type=101)
    phone.press("3", leg.port, payload_type=96)
    reactor.read()
    assert pressed == ["1", "3"]


def test_a_press_that_spans_a_reinvite_is_one_key(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    packets = encode_press("7", payload_type=101, ssrc=5, sequence=1, timestamp=0)
    phone.send(packets[0], leg.port)
    reactor.read()
    leg.answer(phone.offer("a=sendonly"))
    leg.answer(phone.offer())
    for packet in packets[1:]:
        phone.send(packet, leg.port)
    reactor.read()
    assert pressed == ["7"]


@pytest.mark.parametrize("hold", ["a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"])
def test_hold_pauses_what_is_played_and_resume_goes_on(
    leg: MediaLeg, node: MediaNode, reactor: ManualReactor, phone: Phone, hold: str
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    fired = results(leg.play([clip(1, 2, 3, 4)]))
    reactor.run(0.03)
    leg.answer(phone.offer(hold))
    reactor.run(5.0)
    assert phone.heard() == [1, 2]
    assert (fired, len(node.playout)) == ([], 0)
    phone.press("5", leg.port)
    reactor.read()
    assert pressed == ["5"]
    leg.answer(phone.offer())
    reactor.run(0.05)
    assert phone.heard() == [3, 4, SILENCE]
    assert fired == [True]


def test_a_moved_peer_is_sent_to_and_latched_anew(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, other: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.speak(leg.port)
    reactor.read()
    reactor.run(0.03)
    before = phone.packets()
    leg.answer(other.offer())
    phone.speak(leg.port)
    reactor.read()
    reactor.run(0.04)
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


def test_a_refused_reinvite_changes_nothing(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    before = leg.negotiated
    for bad, refusal in [
        (b"nonsense", SdpError),
        (phone.offer().replace(b"AVP 8", b"SAVP 8"), NotAcceptable),
    ]:
        with pytest.raises(refusal):
            leg.answer(bad)
    assert leg.negotiated is before
    phone.press("1", leg.port)
    reactor.read()
    assert pressed == ["1"]


def test_a_late_offer_is_answered_and_followed(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    playback = leg.play([clip(1, 2)])
    with pytest.raises(MediaStateError):
        leg.accept_answer(phone.offer())
    offered = parse(leg.offer())
    assert offered.media[0].formats == ("8", "0", "101")
    reactor.run(1.0)
    assert not playback.finished.called
    leg.accept_answer(phone.offer(event=96))
    phone.press("1", leg.port, payload_type=101)
    phone.press("2", leg.port, payload_type=96)
    reactor.read()
    reactor.run(0.05)
    assert pressed == ["1", "2"]
    assert phone.heard() == [1, 2, SILENCE]


def test_what_is_played_next_stops_what_was_played(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    leg.answer(phone.offer())
    first = results(leg.play([clip(1, 2, 3)]))
    reactor.run(0.03)
    second = results(leg.play([clip(11, 12, 13)]))
    assert (first, second) == ([False], [])
    reactor.run(0.02)
    leg.stop()
    leg.stop()
    assert second == [False]
    reactor.run(0.02)
    assert phone.heard() == [1, 2, 11, SILENCE]


def test_a_key_stops_a_prompt_within_20_ms(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    leg.on_key = lambda _: leg.stop()
    leg.answer(phone.offer())
    fired = results(leg.play([clip(*range(1, 51))]))
    reactor.run(0.085)
    phone.press("1", leg.port)
    reactor.read()
    assert fired == [False]
    reactor.run(0.03)
    assert phone.heard() == [1, 2, 3, 4, 5, SILENCE]


def test_what_a_listener_raises_goes_no_further_and_shows_no_key(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    heard: list[str] = []

    def fail(press: KeyPress) -> None:
        heard.append(press.key)
        raise KeyError(press.key)

    leg.on_key = fail
    leg.answer(phone.offer())
    with capture_logs() as logs:
        phone.press("6", leg.port)
        phone.press("7", leg.port)
        reactor.read()
    assert heard == ["6", "7"]
    assert [(log["event"], log["error"]) for log in logs] == [
        ("media.on_key_failed", "KeyError")
    ] * 2
    for log in logs:
        assert set(log) == {"event", "log_level", "port", "error", "place"}
        assert "fail" in log["place"]


def test_an_error_of_our_own_leaves_the_leg_reading(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr("ivr.media.leg.unpack", lambda _: 1 / 0)
        phone.speak(leg.port)
        reactor.read(1)
    assert [(log["event"], log["error"]) for log in logs] == [
        ("media.receive_failed", "ZeroDivisionError")
    ]
    phone.press("1", leg.port)
    reactor.read()
    assert pressed == ["1"]


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
        reactor.run(0.02)
        reactor.read(2)
    assert len(phone.packets()) == 10
    assert legs[0]._stream.unsent > 0
    for leg in legs:
        leg.close()


def test_a_closed_leg_is_silent_deaf_and_gives_its_port_back(
    node: MediaNode, reactor: ManualReactor, phone: Phone
) -> None:
    free = len(node.ports)
    leg = MediaLeg(node)
    pressed = keys(leg)
    leg.answer(phone.offer())
    fired = results(leg.play([clip(1, 2, 3)]))
    assert len(node.ports) == free - 1
    leg.close()
    leg.close()
    assert fired == [False]
    assert (len(node.ports), reactor.readers, reactor.calls) == (free, [], [])
    phone.press("1", leg.port)
    assert pressed == []
    leg.stop()
    assert results(leg.play([clip(1)])) == [False]
    for refused in (
        leg.offer,
        lambda: leg.answer(phone.offer()),
        lambda: leg.accept_answer(b""),
    ):
        with pytest.raises(MediaStateError):
            refused()


def test_a_leg_closed_by_a_key_hears_no_more_of_them(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    heard: list[str] = []

    def hang_up(press: KeyPress) -> None:
        heard.append(press.key)
        leg.close()

    leg.on_key = hang_up
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    phone.press("2", leg.port)
    reactor.read()
    assert heard == ["1"]


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


def test_a_call_over_ipv6(reactor: ManualReactor) -> None:
    node = MediaNode(reactor, Playout(reactor), PortPool(41000, 41998), "::1", "::1")
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
        reactor.run(0.01)
        assert pressed == ["5"]
        assert len(phone.recv(2048)) == 172
    leg.close()


def test_a_key_press_of_a_leg_cannot_be_stored(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    presses: list[KeyPress] = []
    leg.on_key = presses.append
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    reactor.read()
    with pytest.raises(TypeError):
        pickle.dumps(presses[0])
