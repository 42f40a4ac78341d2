"""A debtor and an agent on two legs, for the tests of what lies between them."""

import numpy as np

from ivr.media.bridge import Bridge
from ivr.media.g711 import FRAME, Codec, decode, encode
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.rtp import RtpPacket
from ivr.media.telephone_event import TelephoneEvents, encode_press
from tests.media.harness import ManualReactor, Phone, keys, run
from tests.media.sound import Sound

ALAW, ULAW = Codec.PCMA, Codec.PCMU


class Caller(Phone):
    """A phone with a clock: it sends 20 ms of sound, or of a key, at a time."""

    codec = ALAW
    event = 101

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0
        self.received: list[RtpPacket] = []

    def describe(self, *attributes: str) -> bytes:
        offer = self.offer(*attributes, event=self.event)
        kind = self.codec.payload_type
        return offer.replace(b"RTP/AVP 8", f"RTP/AVP {kind}".encode())

    def say(self, sound: Sound, port: int) -> None:
        octets = encode(self.codec, np.rint(sound).astype(np.int16))
        self.send_packet(self.codec.payload_type, octets, port)

    def send_packet(self, kind: int, payload: bytes, port: int) -> None:
        packet = RtpPacket(kind, self._sent & 0xFFFF, self._sent * FRAME, 5, payload)
        self._sent += 1
        self.send(packet.pack(), port)

    def key(self, key: str, seconds: float) -> list[bytes]:
        """The packets of a press from now on, for `send`; the clock is moved past them."""
        packets = encode_press(
            key,
            payload_type=self.event,
            ssrc=5,
            sequence=self._sent,
            timestamp=self._sent * FRAME,
            duration=seconds,
        )
        self._sent += len(packets)
        return packets

    def listen(self) -> list[RtpPacket]:
        """What was received since last asked."""
        new = self.packets()
        self.received += new
        return new


def audio(packets: list[RtpPacket], codec: Codec = ALAW) -> Sound:
    heard = [each.payload for each in packets if each.payload_type == codec.payload_type]
    return decode(codec, b"".join(heard)).astype(np.float64)


def presses(packets: list[RtpPacket], event: int) -> str:
    source = TelephoneEvents()
    found = [source.receive(each, 0.0) for each in packets if each.payload_type == event]
    return "".join(press.key for each in found for press in each)


class Call:
    """A debtor and an agent, each on a leg, and the bridge between them."""

    def __init__(self, node: MediaNode, reactor: ManualReactor) -> None:
        self.reactor = reactor
        self.node = node
        self.debtor, self.agent = Caller(), Caller()
        self.agent.event = 97
        self.debtor_leg, self.agent_leg = MediaLeg(node), MediaLeg(node)
        self.pressed = keys(self.debtor_leg)
        self.negotiate()
        self.bridge = Bridge(self.debtor_leg, self.agent_leg)

    def negotiate(self, *of_debtor: str) -> None:
        self.debtor_leg.answer(self.debtor.describe(*of_debtor))
        self.agent_leg.answer(self.agent.describe())

    def talk(self, ms: int, debtor: Sound | None = None, agent: Sound | None = None) -> None:
        """Let both speak, or send silence."""
        for at in range(0, ms * 8, FRAME):
            for who, leg, sound in (
                (self.debtor, self.debtor_leg, debtor),
                (self.agent, self.agent_leg, agent),
            ):
                frame = np.zeros(FRAME) if sound is None else sound[at : at + FRAME]
                who.say(frame, leg.port)
            self._pass()

    def press(self, key: str, seconds: float = 0.1) -> None:
        for packet in self.debtor.key(key, seconds):
            self.debtor.send(packet, self.debtor_leg.port)
            self.agent.say(np.zeros(FRAME), self.agent_leg.port)
            self._pass()

    def _pass(self) -> None:
        self.reactor.read(1)
        run(self.reactor, 0.02)

    def close(self) -> None:
        self.debtor_leg.close()
        self.agent_leg.close()
        self.debtor.socket.close()
        self.agent.socket.close()


def assert_one_stream(packets: list[RtpPacket]) -> None:
    first = packets[0]
    for n, packet in enumerate(packets):
        assert packet.ssrc == first.ssrc
        assert packet.sequence == (first.sequence + n) % 2**16
        if packet.payload_type in (0, 8):
            assert packet.timestamp == (first.timestamp + FRAME * n) % 2**32
            assert len(packet.payload) == FRAME
