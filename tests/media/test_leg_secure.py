"""A leg that is encrypted: keys come in, prompts go out, and the wire shows neither."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from ivr.media import kernel_filter
from ivr.media.g711 import Codec, encode
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.negotiation import NotAcceptable
from ivr.media.rtcp import Report, pack
from ivr.media.rtcp import unpack as unpack_control
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.sdes import Crypto, MasterKey, Suite, parse_crypto, render_crypto
from ivr.media.sdp import Attribute, parse
from ivr.media.security import Refusals, SrtpPolicy
from ivr.media.srtp import Protection
from ivr.media.telephone_event import encode_press
from tests.media.harness import SILENCE, ManualReactor, Phone, clip, keys, run
from tests.media.sound import joined, silence, tone


class SecurePhone(Phone):
    """A phone with a key of its own; its `wire` is what really came."""

    def __init__(self, suite: Suite = Suite.AES_CM_128_HMAC_SHA1_80) -> None:
        super().__init__()
        self.suite = suite
        self.renew()
        self.wire: list[bytes] = []

    def renew(self) -> None:
        self.key = MasterKey.fresh(self.suite)

    def secure_offer(self, *attributes: str, protocol: str = "RTP/SAVP") -> bytes:
        crypto = render_crypto(Crypto(1, self.suite, self.key)).value
        return self.offer(f"a=crypto:{crypto}", *attributes, protocol=protocol)

    def take(self, answer: bytes) -> None:
        """Follow the keys of an answer."""
        (value,) = cryptos(answer)
        self.protection = Protection(self.suite, self.key, parse_crypto(value).key)

    def send(self, octets: bytes, port: int) -> None:
        super().send(self.protection.protect(octets), port)

    def packets(self) -> list[RtpPacket]:
        opened: list[RtpPacket] = []
        while True:
            try:
                self.wire.append(self.socket.recv(2048))
            except BlockingIOError:
                return opened
            plain = self.protection.open(self.wire[-1])
            assert plain is not None
            packet = unpack(plain)
            assert packet is not None
            opened.append(packet)


def cryptos(description: bytes) -> list[str]:
    attributes: tuple[Attribute, ...] = parse(description).media[0].attributes
    return [a.value for a in attributes if a.name == "crypto" and a.value]


@pytest.fixture(params=list(Suite))
def secure_phone(request: pytest.FixtureRequest) -> Iterator[SecurePhone]:
    phone = SecurePhone(request.param)
    with phone.socket:
        yield phone


@pytest.fixture
def secure_leg(node: MediaNode) -> Iterator[MediaLeg]:
    leg = MediaLeg(node, srtp=SrtpPolicy.REQUIRED)
    yield leg
    leg.close()


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP"])
def test_keys_come_in_and_prompts_go_out_and_the_wire_shows_neither(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone, protocol: str
) -> None:
    leg, phone = secure_leg, secure_phone
    pressed = keys(leg)
    phone.take(leg.answer(phone.secure_offer(protocol=protocol)))
    leg.play([clip(1, 2)])
    for key in "4970#":
        phone.press(key, leg.port)
    reactor.read()
    run(reactor, 0.05)
    assert pressed == list("4970#")
    assert phone.heard() == [1, 2, SILENCE]
    for octets in phone.wire:
        for readable in (bytes([1]), bytes([2]), bytes([SILENCE])):
            assert readable * 8 not in octets
    assert leg.refusals == Refusals()


def test_the_kernel_drops_encrypted_audio_and_lets_encrypted_keys_through(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = secure_leg, secure_phone
    pressed = keys(leg)
    phone.take(leg.answer(phone.secure_offer()))
    phone.press("1", leg.port)
    reactor.read()
    before = leg.quality.received
    for key in "234567890":
        phone.speak(leg.port, 640)
        phone.press(key, leg.port)
        reactor.read()
    assert pressed == list("1234567890")
    assert leg.refusals == Refusals()
    assert leg.quality.received - before == pytest.approx(640 * 9, abs=200)


def test_encrypted_tones_are_heard_for_all_encrypted_audio_comes_in(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    """How loud it is the kernel cannot tell, and is not asked."""
    leg, phone = secure_leg, secure_phone
    pressed = keys(leg)
    offer = phone.secure_offer().replace(b"a=rtpmap:101 telephone-event/8000", b"a=x")
    phone.take(leg.answer(offer))
    sound = joined(silence(1000), *[joined(tone(key, 40), silence(40)) for key in "4970"])
    octets = encode(Codec.PCMA, sound.astype("int16"))
    for n in range(len(octets) // 160):
        payload = octets[160 * n : 160 * (n + 1)]
        phone.send(RtpPacket(8, n, 160 * n, 5, payload).pack(), leg.port)
        reactor.read(2)
        assert leg.last_packet_at == reactor.seconds()
        run(reactor, 0.02)
    assert pressed == list("4970")
    assert not kernel_filter.detach(leg._wire._socket._socket)


def test_replays_forgeries_and_packets_in_the_clear_are_dropped_and_counted(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = secure_leg, secure_phone
    pressed = keys(leg)
    phone.take(leg.answer(phone.secure_offer()))
    (first, *_) = encode_press("1", payload_type=101, ssrc=5, sequence=1, timestamp=1)
    closed = phone.protection.protect(first)
    for octets in (closed, closed, first, closed[:-1] + bytes([closed[-1] ^ 1])):
        phone.socket.sendto(octets, ("127.0.0.1", leg.port))
    reactor.read()
    assert pressed == ["1"]
    refusals = leg.refusals
    assert refusals.replayed >= 1
    assert refusals.replayed + refusals.unauthentic == 3


def test_who_has_not_the_key_is_not_followed(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone, other: Phone
) -> None:
    leg, phone = secure_leg, secure_phone
    phone.take(leg.answer(phone.secure_offer()))
    other.speak(leg.port)
    reactor.read()
    run(reactor, 0.01)
    assert (len(phone.packets()), other.packets()) == (1, [])
    assert leg.last_packet_at is None


def test_a_reinvite_with_a_new_key_renews_ours_and_an_unchanged_one_changes_nothing(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = secure_leg, secure_phone
    pressed = keys(leg)
    first = leg.answer(phone.secure_offer())
    phone.take(first)
    phone.press("1", leg.port)
    reactor.read()
    run(reactor, 0.01)
    before = phone.packets()
    assert leg.answer(phone.secure_offer()) == first
    phone.press("2", leg.port)
    phone.renew()
    second = leg.answer(phone.secure_offer())
    assert cryptos(second) != cryptos(first)
    phone.take(second)
    phone.press("3", leg.port)
    reactor.read()
    run(reactor, 0.02)
    assert pressed == ["1", "3"]
    (after,) = phone.packets()
    assert after.ssrc == before[0].ssrc
    assert after.sequence == before[0].sequence + 1


def test_a_replay_is_one_after_a_repeated_reinvite_too(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = secure_leg, secure_phone
    phone.take(leg.answer(phone.secure_offer()))
    audio = phone.protection.protect(RtpPacket(8, 1, 160, 5, bytes(160)).pack())
    phone.socket.sendto(audio, ("127.0.0.1", leg.port))
    reactor.read()
    leg.answer(phone.secure_offer("a=sendonly"))
    leg.answer(phone.secure_offer("a=ptime:40"))
    events = encode_press("1", payload_type=101, ssrc=5, sequence=2, timestamp=320)
    closed = [phone.protection.protect(event) for event in events]
    pressed = keys(leg)
    for octets in closed:
        phone.socket.sendto(octets, ("127.0.0.1", leg.port))
    leg.answer(phone.secure_offer("a=sendonly"))
    reactor.read()
    leg.answer(phone.secure_offer())
    for octets in closed:
        phone.socket.sendto(octets, ("127.0.0.1", leg.port))
    reactor.read()
    assert pressed == ["1"]
    assert leg.refusals == Refusals(replayed=len(closed))


def test_what_was_encrypted_never_falls_back(
    node: MediaNode, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = MediaLeg(node, srtp=SrtpPolicy.OFFERED), secure_phone
    pressed = keys(leg)
    phone.take(leg.answer(phone.secure_offer()))
    with pytest.raises(NotAcceptable):
        leg.answer(phone.offer())
    phone.press("5", leg.port)
    reactor.read()
    assert pressed == ["5"]
    leg.close()


def test_an_offer_of_ours_is_followed_with_the_keys_of_its_answer(
    secure_leg: MediaLeg, reactor: ManualReactor
) -> None:
    phone = SecurePhone()
    pressed = keys(secure_leg)
    with phone.socket:
        for key in "12":
            offer = secure_leg.offer()
            phone.renew()
            secure_leg.accept_answer(phone.secure_offer())
            ours = parse_crypto(cryptos(offer)[0]).key
            phone.protection = Protection(phone.suite, phone.key, ours)
            phone.press(key, secure_leg.port)
            reactor.read()
            run(reactor, 0.02)
            assert phone.packets()
        assert pressed == ["1", "2"]


def test_a_call_in_the_clear_is_noted_where_keys_were_wished_for(
    node: MediaNode, phone: Phone
) -> None:
    leg = MediaLeg(node, srtp=SrtpPolicy.OFFERED)
    with capture_logs() as logs:
        leg.answer(phone.offer())
    assert [log["event"] for log in logs] == ["media.in_the_clear"]
    leg.close()


def test_reports_are_encrypted_as_the_audio_is(
    secure_leg: MediaLeg, reactor: ManualReactor, secure_phone: SecurePhone
) -> None:
    leg, phone = secure_leg, secure_phone
    answered = leg.answer(phone.secure_offer("a=rtcp-mux"))
    assert Attribute("rtcp-mux") in parse(answered).media[0].attributes
    phone.take(answered)
    phone.speak(leg.port)
    reactor.read()
    run(reactor, 4.0)
    octets = [phone.socket.recv(2048) for _ in range(200)]
    reports = [each for each in octets if each[1] == 200]
    assert reports
    plain = phone.protection.open_control(reports[0])
    assert plain is not None
    assert plain not in reports[0]
    packets = unpack_control(plain)
    assert packets is not None
    sender = packets[0]
    assert isinstance(sender, Report)
    assert sender.sender is not None
    theirs = pack((Report(5, sender.sender, ()),))
    phone.socket.sendto(phone.protection.protect_control(theirs), ("127.0.0.1", leg.port))
    phone.socket.sendto(theirs, ("127.0.0.1", leg.port))
    reactor.read()
    assert leg.refusals.unauthentic == 1


def test_no_key_is_in_a_repr_or_a_log(
    secure_leg: MediaLeg, reactor: ManualReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = SecurePhone()
    with phone.socket, capture_logs() as logs:
        answered = secure_leg.answer(phone.secure_offer())
        phone.take(answered)
        with monkeypatch.context() as broken:
            broken.setattr("ivr.media.wire.unpack", lambda _: 1 / 0)
            phone.speak(secure_leg.port)
            reactor.read(1)
    assert [log["event"] for log in logs] == ["media.receive_failed"]
    shown = repr(logs) + repr(secure_leg.negotiated) + repr(parse(answered))
    assert "RTP/SAVP" in shown
    for value in (*cryptos(answered), *cryptos(phone.secure_offer())):
        assert value.partition("inline:")[2][:8] not in shown
        assert repr(parse_crypto(value).key.reveal())[2:12] not in shown
