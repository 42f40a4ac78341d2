"""A bridge between encrypted legs: each side has keys of its own, and the shield holds."""

from collections.abc import Iterator

import numpy as np
import pytest

from ivr.media.bridge import Bridge
from ivr.media.g711 import FRAME, Codec, encode
from ivr.media.leak_test import Proof, prove
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.mask_tone import MASK_TONE
from ivr.media.rtp import RtpPacket
from ivr.media.sdes import Suite
from ivr.media.security import SrtpPolicy
from ivr.media.telephone_event import encode_press
from tests.media.bridged import audio, presses
from tests.media.harness import ManualReactor, Phone, keys, run
from tests.media.sound import Sound, noise, tone
from tests.media.test_leg_secure import SecurePhone


class Line:
    """A phone on a leg, encrypted or not, that says 20 ms at a time."""

    def __init__(self, node: MediaNode, suite: Suite | None) -> None:
        self.phone = Phone() if suite is None else SecurePhone(suite)
        self.leg = MediaLeg(node, srtp=SrtpPolicy.OFF if suite is None else SrtpPolicy.REQUIRED)
        self.negotiate()
        self._sent = 0

    def negotiate(self) -> None:
        if isinstance(self.phone, SecurePhone):
            self.phone.take(self.leg.answer(self.phone.secure_offer()))
        else:
            self.leg.answer(self.phone.offer())

    def say(self, sound: Sound) -> None:
        octets = encode(Codec.PCMA, np.rint(sound).astype(np.int16))
        packet = RtpPacket(8, self._sent, self._sent * FRAME, 5, octets)
        self._sent += 1
        self.phone.send(packet.pack(), self.leg.port)

    def press(self, key: str) -> list[bytes]:
        packets = encode_press(
            key, payload_type=101, ssrc=5, sequence=self._sent, timestamp=self._sent * FRAME
        )
        self._sent += len(packets)
        return packets

    def close(self) -> None:
        self.leg.close()
        self.phone.socket.close()


SUITE = Suite.AES_CM_128_HMAC_SHA1_80


@pytest.fixture(
    params=[(SUITE, SUITE), (SUITE, None), (None, Suite.AEAD_AES_128_GCM)],
    ids=["both", "debtor", "agent"],
)
def lines(request: pytest.FixtureRequest, node: MediaNode) -> Iterator[tuple[Line, Line]]:
    pair = Line(node, request.param[0]), Line(node, request.param[1])
    yield pair
    for line in pair:
        line.close()


def talk(reactor: ManualReactor, lines: tuple[Line, Line], ms: int, sound: Sound) -> None:
    padded = np.zeros(ms * 8)
    padded[: len(sound)] = sound
    for at in range(0, len(padded), FRAME):
        lines[0].say(padded[at : at + FRAME])
        lines[1].say(np.zeros(FRAME))
        reactor.read(1)
        run(reactor, 0.02)


def press(reactor: ManualReactor, lines: tuple[Line, Line], key: str) -> None:
    for packet in lines[0].press(key):
        lines[0].phone.send(packet, lines[0].leg.port)
        lines[1].say(np.zeros(FRAME))
        reactor.read(1)
        run(reactor, 0.02)
    talk(reactor, lines, 400, np.zeros(0))


def test_speech_and_keys_cross_and_behind_the_shield_only_speech(
    lines: tuple[Line, Line], reactor: ManualReactor
) -> None:
    debtor, agent = lines
    pressed = keys(debtor.leg)
    bridge = Bridge(debtor.leg, agent.leg)
    talk(reactor, lines, 300, noise(300, -20))
    assert np.abs(audio(agent.phone.packets())).max() > 1000
    press(reactor, lines, "4")
    assert presses(agent.phone.packets(), event=101) == "4"
    bridge.shield(True)
    # New keys on both sides, amid the capture.
    for line in lines:
        if isinstance(line.phone, SecurePhone):
            line.phone.renew()
        line.negotiate()
    found: list[Proof] = []
    prove(bridge, debtor.leg, agent.leg).addCallback(found.append)
    talk(reactor, lines, 300, np.zeros(0))
    assert found == [Proof(proved=True)]
    agent.phone.packets()
    press(reactor, lines, "5")
    talk(reactor, lines, 700, tone("6", 120))
    talk(reactor, lines, 600, np.zeros(0))
    received = agent.phone.packets()
    assert pressed[:2] == ["4", "5"]
    assert {each.payload_type for each in received} == {8}
    rest = [each for each in received if each.payload not in MASK_TONE[Codec.PCMA]]
    assert len(received) - len(rest) == 6 * (len(pressed) - 1)
    assert np.abs(audio(rest)).max() <= 8
    talk(reactor, lines, 400, noise(400, -20))
    assert np.abs(audio(agent.phone.packets())).max() > 1000
    assert not debtor.leg.refusals.unauthentic
    assert not agent.leg.refusals.unauthentic
