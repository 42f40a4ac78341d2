"""A leg's keys in the audio and by INFO, on real sockets, with the filter in the kernel."""

import pytest
from structlog.testing import capture_logs

from ivr.media.g711 import Codec, encode
from ivr.media.info import InfoKey, parse_info
from ivr.media.key_sources import InBand
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.rtp import RtpPacket, unpack
from tests.media.harness import ManualReactor, Phone, keys, run
from tests.media.sound import Sound, joined, noise, silence, tone

WITHOUT_EVENTS = (b"a=rtpmap:101 telephone-event/8000", b"a=x")


def without_events(offer: bytes) -> bytes:
    return offer.replace(*WITHOUT_EVENTS)


class Talker:
    """Sends sound from a phone to a leg, a packet every 20 ms, and lets the leg read."""

    def __init__(self, phone: Phone, reactor: ManualReactor) -> None:
        self.lose_each = 0
        """Of so many packets the first is lost; 0 for none."""
        self._phone = phone
        self._reactor = reactor
        self._sequence = 5000

    def say(self, sound: Sound, port: int, codec: Codec = Codec.PCMA) -> None:
        octets = encode(codec, sound.astype("int16"))
        octets += codec.silence[: -len(octets) % 160]
        for at in range(0, len(octets), 160):
            packet = RtpPacket(
                codec.payload_type,
                self._sequence,
                160 * self._sequence,
                5,
                octets[at : at + 160],
            )
            self._sequence += 1
            if not (self.lose_each and packet.sequence % self.lose_each == 0):
                self._phone.send(packet.pack(), port)
            self._reactor.read(2)
            run(self._reactor, 0.02)


@pytest.fixture
def talker(phone: Phone, reactor: ManualReactor) -> Talker:
    return Talker(phone, reactor)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The datagrams that came through the kernel's filter."""
    passed: list[bytes] = []

    def watch(datagram: bytes) -> RtpPacket | None:
        passed.append(datagram)
        return unpack(datagram)

    monkeypatch.setattr("ivr.media.wire.unpack", watch)
    return passed


def typed(keys: str) -> Sound:
    return joined(silence(60), *[joined(tone(key, 60), silence(60)) for key in keys])


def test_a_far_end_without_events_is_heard_by_its_tones(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    pressed = keys(leg)
    leg.answer(without_events(phone.offer()))
    talker.say(typed("4970#"), leg.port)
    talker.say(silence(100), leg.port)
    assert pressed == list("4970#")


def test_a_far_end_that_negotiates_events_and_sends_tones_is_heard(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    talker.say(typed("4970#"), leg.port)
    talker.say(silence(300), leg.port)
    assert pressed == list("4970#")


def test_after_the_first_event_the_kernel_drops_the_audio(
    leg: MediaLeg, phone: Phone, talker: Talker, reactor: ManualReactor, seen: list[bytes]
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    talker.say(noise(200, -15), leg.port)
    assert len(seen) == 10
    phone.press("1", leg.port)
    reactor.read()
    seen.clear()
    talker.say(typed("999"), leg.port)
    talker.say(noise(1000, -15), leg.port)
    assert len(seen) <= 2
    assert pressed == ["1"]


def test_after_an_info_too(
    leg: MediaLeg, phone: Phone, talker: Talker, seen: list[bytes]
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    talker.say(silence(20), leg.port)
    leg.info_key(parse_info("application/dtmf-relay", b"Signal=3\r\nDuration=160\r\n"))
    seen.clear()
    talker.say(typed("999"), leg.port)
    assert len(seen) <= 1
    assert pressed == ["3"]


def test_where_listening_is_off_the_first_packet_shuts_the_audio_out(
    node: MediaNode, phone: Phone, talker: Talker, seen: list[bytes]
) -> None:
    for offer in (phone.offer(), without_events(phone.offer())):
        leg = MediaLeg(node, in_band=InBand.OFF)
        pressed = keys(leg)
        leg.answer(offer)
        seen.clear()
        talker.say(joined(noise(200, -15), typed("99")), leg.port)
        assert len(seen) <= 2
        assert pressed == []
        leg.close()


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("in_band", [InBand.FALLBACK, InBand.AUTO, InBand.ON])
def test_a_quiet_line_wakes_nobody_and_its_keys_are_heard_at_once(
    node: MediaNode,
    phone: Phone,
    talker: Talker,
    seen: list[bytes],
    codec: Codec,
    in_band: InBand,
) -> None:
    leg = MediaLeg(node, in_band=in_band)
    pressed = keys(leg)
    leg.answer(without_events(phone.offer()).replace(b"AVP 8", b"AVP %d" % codec.payload_type))
    for told, key in enumerate("1122", 1):
        talker.say(noise(1280, -50), leg.port, codec)
        seen.clear()
        talker.say(tone(key, 60), leg.port, codec)
        talker.say(noise(40, -50), leg.port, codec)
        assert len(pressed) == told
        talker.say(noise(1160, -50), leg.port, codec)
        assert len(seen) <= 3 + 1
    assert pressed == list("1122")
    leg.close()


@pytest.mark.parametrize("pause", [40, 60])
def test_keys_at_the_limits_are_heard_through_the_filter(
    leg: MediaLeg, phone: Phone, talker: Talker, pause: int
) -> None:
    pressed = keys(leg)
    leg.answer(without_events(phone.offer()))
    word = "0123456789*#ABCD" * 2
    for shift, key in enumerate(word):
        press = tone(key, 40, -17, -25)
        talker.say(joined(silence(pause - 20 + shift % 20), press), leg.port)
        talker.say(silence(20 * (3 + shift % 2) - shift % 20), leg.port)
    talker.say(silence(100), leg.port)
    assert pressed == list(word)


def test_a_quiet_line_is_no_silent_one_and_a_cut_one_is(
    leg: MediaLeg, phone: Phone, talker: Talker, reactor: ManualReactor
) -> None:
    silences: list[float] = []
    leg.on_silence = lambda: silences.append(reactor.seconds())
    leg.answer(without_events(phone.offer()))
    talker.say(noise(70_000, -55), leg.port)
    last = leg.last_packet_at
    assert last is not None
    assert last > 68.0
    assert silences == []
    run(reactor, 61.0)
    assert silences == [pytest.approx(last + 60.0, abs=0.01)]


def test_what_the_filter_drops_is_no_loss_and_what_the_line_loses_is(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    leg.answer(without_events(phone.offer()))
    talker.say(joined(noise(30_000, -55), noise(30_000, -15), noise(30_000, -55)), leg.port)
    assert leg.quality.lost == 0
    assert leg.quality.received == pytest.approx(4500, abs=64)
    talker.lose_each = 50
    talker.say(joined(noise(20_000, -55), noise(20_000, -15), tone("5", 20)), leg.port)
    assert leg.quality.lost == 2000 / 50


def test_where_it_is_on_the_audio_keeps_coming(
    reactor: ManualReactor, node: MediaNode, phone: Phone, talker: Talker, seen: list[bytes]
) -> None:
    listening = MediaNode(
        reactor, node.playout, node.ports, node.host, node.public_host, in_band=InBand.ON
    )
    leg = MediaLeg(listening)
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    reactor.read()
    run(reactor, 1.0)
    seen.clear()
    talker.say(noise(300, -15), leg.port)
    assert len(seen) == 15
    talker.say(typed("99"), leg.port)
    talker.say(silence(300), leg.port)
    assert pressed == ["1", "9", "9"]
    leg.close()


def test_a_renegotiation_without_events_lets_the_audio_in_again(
    leg: MediaLeg, phone: Phone, talker: Talker, reactor: ManualReactor
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    reactor.read()
    leg.answer(without_events(phone.offer()))
    talker.say(typed("27"), leg.port)
    talker.say(silence(100), leg.port)
    assert pressed == ["1", "2", "7"]


def test_a_change_to_the_other_law_is_followed(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    pressed = keys(leg)
    leg.answer(without_events(phone.offer()))
    talker.say(typed("12"), leg.port)
    leg.answer(without_events(phone.offer()).replace(b"AVP 8", b"AVP 0"))
    talker.say(typed("34"), leg.port, Codec.PCMU)
    talker.say(silence(100), leg.port, Codec.PCMU)
    assert pressed == list("1234")


def test_a_tone_that_spans_a_reinvite_is_one_key(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    pressed = keys(leg)
    leg.answer(without_events(phone.offer()))
    sound = joined(silence(40), tone("6", 200), silence(100))
    talker.say(sound[:800], leg.port)
    leg.answer(without_events(phone.offer()))
    talker.say(sound[800:], leg.port)
    assert pressed == ["6"]


def test_what_a_listener_raises_at_a_tone_goes_no_further_and_shows_no_key(
    leg: MediaLeg, phone: Phone, talker: Talker
) -> None:
    heard: list[str] = []

    def fail(press: KeyPress) -> None:
        heard.append(press.key)
        raise KeyError(press.key)

    leg.on_key = fail
    leg.answer(without_events(phone.offer()))
    with capture_logs() as logs:
        talker.say(typed("67"), leg.port)
        talker.say(silence(100), leg.port)
        leg.info_key(InfoKey("8", None))
    assert heard == ["6", "7", "8"]
    assert [log["event"] for log in logs] == ["media.on_key_failed"] * 3
    for log in logs:
        assert set(log) == {"event", "log_level", "port", "error", "place"}


def test_a_closed_leg_hears_neither_tones_nor_infos_and_leaves_no_timer(
    node: MediaNode, phone: Phone, talker: Talker, reactor: ManualReactor
) -> None:
    """Neither the bank's beat nor a tone held back for its event outlives the leg."""
    for packets_unheard in (0, 1):
        leg = MediaLeg(node)
        pressed = keys(leg)
        leg.answer(phone.offer("a=sendonly"))
        talker.say(silence(40), leg.port)
        others = len(reactor.calls)
        talker.say(tone("1", 100), leg.port)
        phone.speak(leg.port, packets_unheard)
        reactor.read(2)
        assert len(reactor.calls) == others + 1 + packets_unheard
        leg.close()
        assert reactor.calls == []
        leg.info_key(InfoKey("2", None))
        assert pressed == []
