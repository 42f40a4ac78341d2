"""What the tests of media share: a clock with sockets, a phone, and a wire to listen on."""

import socket

from twisted.internet.task import Clock

from ivr.media.clips import Clip
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg
from ivr.media.playback import AudioStream, Playback
from ivr.media.playout import Playout
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from ivr.media.udp import Reader

SILENCE = 0xD5


def run(clock: Clock, seconds: float) -> None:
    """Move the clock as a reactor does: from timer to timer."""
    end = clock.seconds() + seconds
    while clock.calls and (due := min(call.time for call in clock.calls)) <= end + 1e-9:
        clock.advance(max(0.0, due - clock.seconds()))
    clock.advance(max(0.0, end - clock.seconds()))


def clip(*octets: int) -> Clip:
    """A clip whose frames are told apart by their octet, other than that of silence."""
    frames = tuple(bytes([octet]) * 160 for octet in octets)
    ulaw = tuple(bytes([octet + 100]) * 160 for octet in octets)
    return Clip(duration=0.02 * len(octets), pcma=frames, pcmu=ulaw)


def results(*playbacks: Playback) -> list[bool]:
    fired: list[bool] = []
    for playback in playbacks:
        playback.finished.addCallback(fired.append)
    return fired


class Wire:
    """What a stream sent, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.packets: list[RtpPacket] = []
        self.times: list[float] = []

    def send(self, octets: bytes) -> None:
        packet = unpack(octets)
        assert packet is not None
        self.packets.append(packet)
        self.times.append(self._clock.seconds())

    def heard(self) -> list[int]:
        """The first octet of each packet's payload."""
        return [packet.payload[0] for packet in self.packets]

    def assert_unbroken(self) -> None:
        """One stream: consecutive numbers, consecutive timestamps, one marker."""
        first = self.packets[0]
        for n, packet in enumerate(self.packets):
            assert packet.ssrc == first.ssrc
            assert packet.sequence == (first.sequence + n) % 2**16
            assert packet.timestamp == (first.timestamp + 160 * n) % 2**32
            assert packet.marker == (n == 0)
            assert len(packet.payload) == 160


def rig(clock: Clock | None = None) -> tuple[Clock, Playout, AudioStream, Wire]:
    clock = clock or Clock()
    playout = Playout(clock)
    wire = Wire(clock)
    stream = AudioStream(wire.send)
    playout.add(stream)
    return clock, playout, stream, wire


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


def _at_an_even_port(host: str) -> socket.socket:
    """A socket whose next port, where reports go, is no other phone's."""
    while True:
        sock = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        )
        sock.setblocking(False)
        sock.bind((host, 0))
        if sock.getsockname()[1] % 2 == 0:
            return sock
        sock.close()


class Phone:
    """The other end: a socket, its own numbers, and what it heard."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = _at_an_even_port(host)
        self.host, self.port = self.socket.getsockname()[:2]
        self._sequence = 100

    def offer(
        self,
        *attributes: str,
        event: int = 101,
        port: int | None = None,
        protocol: str = "RTP/AVP",
    ) -> bytes:
        family = "IP6" if ":" in self.host else "IP4"
        lines = [
            "v=0",
            f"o=- 1 1 IN {family} {self.host}",
            "s=-",
            f"c=IN {family} {self.host}",
            "t=0 0",
            f"m=audio {port or self.port} {protocol} 8 {event}",
            f"a=rtpmap:{event} telephone-event/8000",
            *attributes,
        ]
        return "\r\n".join(lines).encode()

    def send(self, octets: bytes, port: int) -> None:
        self.socket.sendto(octets, ("::1" if ":" in self.host else "127.0.0.1", port))

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


def keys(leg: MediaLeg) -> list[str]:
    pressed: list[str] = []

    def take(press: KeyPress) -> None:
        pressed.append(press.key)

    leg.on_key = take
    return pressed
