"""Two legs in a bridge, on real sockets; the test moves the clock and reads."""

from collections.abc import Iterator

import numpy as np
import pytest

from ivr.media.bridge import Bridge
from ivr.media.clips import Clip
from ivr.media.g711 import Codec, encode, recode
from ivr.media.info import InfoKey
from ivr.media.leg import MediaLeg, MediaNode, MediaStateError
from ivr.media.mask_tone import MASK_TONE
from ivr.media.rtp import RtpPacket
from ivr.media.shield import ShieldMode
from tests.media.bridged import ALAW, ULAW, Call, assert_one_stream, audio, presses
from tests.media.harness import ManualReactor, clip, results
from tests.media.sound import noise, sine, tone


@pytest.fixture
def call(node: MediaNode, reactor: ManualReactor) -> Iterator[Call]:
    call = Call(node, reactor)
    yield call
    call.close()
    assert reactor.calls == []
    assert reactor.readers == []


@pytest.mark.parametrize(("one", "other"), [(ALAW, ALAW), (ALAW, ULAW), (ULAW, ALAW)])
def test_each_hears_the_other_in_its_own_law(call: Call, one: Codec, other: Codec) -> None:
    call.debtor.codec, call.agent.codec = one, other
    call.negotiate()
    call.talk(100)
    call.debtor.listen(), call.agent.listen()
    said, replied = noise(400, -20, seed=1), noise(400, -15, seed=2)
    call.talk(400, said, replied)
    call.talk(100)
    for sound, spoken, heard, phone in (
        (said, one, other, call.agent),
        (replied, other, one, call.debtor),
    ):
        sent = encode(spoken, np.rint(sound).astype(np.int16))
        got = b"".join(each.payload for each in phone.listen())
        assert recode(sent, spoken, heard) in got


def test_the_stream_is_one_through_prompt_bridge_whisper_and_silence(
    node: MediaNode, reactor: ManualReactor
) -> None:
    call = Call(node, reactor)
    call.bridge.close()
    first = results(call.agent_leg.play([clip(1, 2)]))
    call.talk(60)
    call.bridge = Bridge(call.debtor_leg, call.agent_leg)
    call.talk(200, noise(200, -20))
    whispered = results(call.agent_leg.play([clip(11, 12, 13)]))
    call.talk(200, noise(200, -20))
    call.press("5")
    call.bridge.close()
    call.talk(100, noise(100, -20))
    assert (first, whispered) == ([True], [True])
    received = call.agent.listen()
    assert_one_stream(received)
    heard = [each.payload[0] for each in received]
    assert [each for each in heard if each in (11, 12, 13)] == [11, 12, 13]
    assert [each.payload for each in received[-3:]] == [ALAW.silence] * 3
    assert not {11, 12, 13} & {each.payload[0] for each in call.debtor.listen()}
    call.close()


def test_keys_pass_as_events_under_the_number_of_who_gets_them(call: Call) -> None:
    call.talk(100)
    for key in "40#":
        call.press(key, 0.1)
        call.talk(100)
    received = call.agent.listen()
    assert presses(received, event=97) == "40#"
    assert presses(received, event=101) == ""
    assert call.pressed == list("40#")
    assert_one_stream(received)
    events = [each for each in received if each.payload_type == 97]
    assert len({each.timestamp for each in events}) == 3
    assert sum(each.marker for each in events) == 3
    assert sum(each.payload[1] >> 7 for each in events) == 9
    lengths = [int.from_bytes(each.payload[2:], "big") for each in events]
    assert 800 <= max(lengths) <= 960


def test_a_key_whose_end_is_lost_ends(call: Call) -> None:
    call.talk(100)
    for packet in call.debtor.key("7", 0.1)[:3]:
        call.debtor.send(packet, call.debtor_leg.port)
        call._pass()
    call.talk(600)
    received = call.agent.listen()
    assert presses(received, event=97) == "7"
    assert received[-1].payload_type == ALAW.payload_type


def test_behind_a_shield_an_event_is_a_mask_tone(call: Call) -> None:
    call.talk(100)
    call.agent.listen()
    call.bridge.shield(True)
    assert call.bridge.shielded
    for key in "19":
        call.press(key, 0.3)
        call.talk(200)
    call.talk(600)
    received = call.agent.listen()
    assert call.pressed == ["1", "9"]
    assert {each.payload_type for each in received} == {8}
    rest = [each for each in received if each.payload not in MASK_TONE[ALAW]]
    assert len(received) - len(rest) == 12
    assert np.abs(audio(rest)).max() <= 8
    assert_one_stream(received)


def test_behind_a_shield_speech_is_heard_and_a_tone_is_not(call: Call) -> None:
    call.talk(100)
    call.bridge.shield(True)
    call.talk(300)
    call.agent.listen()
    call.talk(600, noise(600, -20))
    heard = audio(call.agent.listen())
    assert np.sqrt(np.mean(heard**2)) > 500
    call.talk(200)
    call.agent.listen()
    call.talk(500, tone("3", 500))
    call.talk(700)
    received = call.agent.listen()
    assert call.pressed == ["3"]
    rest = [each for each in received if each.payload not in MASK_TONE[ALAW]]
    assert len(received) - len(rest) == 6
    assert np.abs(audio(rest)).max() <= 8


def test_a_key_by_info_has_the_same_tone(call: Call) -> None:
    call.bridge.shield(True)
    call.talk(100)
    call.debtor_leg.info_key(InfoKey("6", 0.1))
    call.talk(700)
    assert call.pressed == ["6"]
    assert [each.payload for each in call.agent.listen()].count(MASK_TONE[ALAW][0]) == 1


def test_what_follows_the_shield_passes_and_what_began_behind_it_does_not(call: Call) -> None:
    call.talk(100)
    call.bridge.shield(True)
    press = call.debtor.key("4", 1.5)
    for n, packet in enumerate(press):
        if n == 5:
            call.bridge.shield(False)
        call.debtor.send(packet, call.debtor_leg.port)
        call._pass()
    up = [call.bridge.shielded]
    call.talk(500)
    up.append(call.bridge.shielded)
    assert up == [True, False]
    call.press("5")
    call.talk(200)
    assert presses(call.agent.listen(), event=97) == "5"
    assert call.pressed == ["4", "5"]


def test_a_bridge_broken_and_joined_again_is_one_stream_and_hears_again(call: Call) -> None:
    third = MediaLeg(call.node)
    for _ in range(3):
        call.talk(100)
        call.bridge.shield(True)
        call.press("1")
        call.bridge.close()
        assert not call.bridge.shielded
        call.talk(60)
        between = Bridge(call.debtor_leg, third)
        call.talk(60)
        between.close()
        call.bridge = Bridge(call.debtor_leg, call.agent_leg)
        assert not call.bridge.shielded
        call.agent.listen(), call.debtor.listen()
        call.talk(300, noise(300, -20), noise(300, -20))
        for phone in (call.agent, call.debtor):
            assert np.abs(audio(phone.listen())).max() > 1000
        call.press("2")
        call.talk(300)
        assert presses(call.agent.listen(), event=97) == "2"
    third.close()
    assert call.pressed == ["1", "2"] * 3
    assert_one_stream(call.agent.received)
    assert_one_stream(call.debtor.received)


def test_a_whisper_is_heard_by_one_beside_the_other_who_goes_on(call: Call) -> None:
    call.talk(100)
    call.agent.listen(), call.debtor.listen()
    whispered = Clip.from_samples(np.rint(sine(2500, 200, -15)).astype(np.int16))
    heard = results(call.bridge.whisper(call.agent_leg, [whispered]))
    both = sine(300, 400, -15)
    call.talk(400, both, both)
    assert heard == [True]
    for phone, hears in ((call.agent, True), (call.debtor, False)):
        sound = audio(phone.listen())
        spectrum = np.abs(np.fft.rfft(sound[480:1280] * np.hanning(800)))
        assert spectrum[30] > 1e5
        assert (spectrum[250] > 1e5) == hears
    replaced = results(call.bridge.whisper(call.agent_leg, [clip(1)]))
    stopped = results(call.bridge.whisper(call.agent_leg, [clip(2)]))
    call.bridge.close()
    late = results(call.bridge.whisper(call.agent_leg, [clip(3)]))
    assert replaced == stopped == late == [False]


@pytest.mark.parametrize(
    ("mode", "agent_hears", "debtor_hears"),
    [
        (ShieldMode.MASKED, True, True),
        (ShieldMode.ONE_WAY_MUTE, False, True),
        (ShieldMode.TWO_WAY_MUTE, False, False),
    ],
)
def test_who_hears_whom_during_capture(
    call: Call, mode: ShieldMode, agent_hears: bool, debtor_hears: bool
) -> None:
    call.bridge.shield(True, mode)
    call.talk(300)
    call.agent.listen(), call.debtor.listen()
    call.talk(400, noise(400, -20), noise(400, -20))
    assert (np.abs(audio(call.agent.listen())).max() > 1000) == agent_hears
    assert (np.abs(audio(call.debtor.listen())).max() > 1000) == debtor_hears
    call.bridge.shield(False)
    call.talk(1500)
    call.agent.listen(), call.debtor.listen()
    call.talk(400, noise(400, -20), noise(400, -20))
    assert np.abs(audio(call.agent.listen())).max() > 1000
    assert np.abs(audio(call.debtor.listen())).max() > 1000


def test_either_leg_may_be_the_one_that_keys(call: Call) -> None:
    call.bridge.shield(True, keying=call.agent_leg)
    call.talk(100)
    call.agent_leg.info_key(InfoKey("6", 0.1))
    call.talk(700)
    assert MASK_TONE[ALAW][0] in [each.payload for each in call.debtor.listen()]
    assert MASK_TONE[ALAW][0] not in [each.payload for each in call.agent.listen()]


def test_types_and_laws_that_change_during_capture_are_followed(call: Call) -> None:
    call.talk(100)
    call.bridge.shield(True)
    call.press("1")
    call.debtor.codec, call.debtor.event = ULAW, 96
    call.agent.codec, call.agent.event = ULAW, 98
    call.negotiate()
    call.talk(100)
    # The old number is nobody's now.
    call.debtor.send_packet(101, bytes([9, 10, 1, 64]), call.debtor_leg.port)
    call.press("2")
    call.talk(1000)
    received = call.agent.listen()
    assert call.pressed == ["1", "2"]
    assert {each.payload_type for each in received} == {8, 0}
    masks = [each.payload for each in received]
    assert masks.count(MASK_TONE[ALAW][0]) + masks.count(MASK_TONE[ULAW][0]) == 2
    assert_one_stream(received)


@pytest.mark.parametrize("shield", [False, True])
def test_hold_is_silent_and_resume_goes_on(call: Call, shield: bool) -> None:
    call.talk(100)
    if shield:
        call.bridge.shield(True)
    call.debtor_leg.answer(call.debtor.describe("a=sendonly"))
    call.debtor.listen()
    call.talk(1000, agent=noise(1000, -20))
    assert call.debtor.listen() == []
    call.press("8")
    assert call.pressed == ["8"]
    call.debtor_leg.answer(call.debtor.describe())
    call.talk(400)
    call.debtor.listen()
    call.talk(300, agent=noise(300, -20))
    heard = call.debtor.listen()
    assert len(heard) == 15
    assert np.abs(audio(heard[4:])).max() > 1000
    assert (presses(call.agent.listen(), event=97) == "8") != shield


@pytest.mark.parametrize("shield", [False, True])
def test_when_a_leg_closes_the_other_is_silent_and_free(call: Call, shield: bool) -> None:
    call.talk(100)
    if shield:
        call.bridge.shield(True)
        call.press("1")
    call.debtor_leg.close()
    assert len(call.node.shields) == 0
    call.agent.listen()
    call.talk(200, agent=noise(200, -20))
    assert {each.payload for each in call.agent.listen()} == {ALAW.silence}
    call.bridge.close()
    call.bridge.shield(True)
    assert not call.bridge.shielded
    third = MediaLeg(call.node)
    Bridge(third, call.agent_leg).close()
    third.close()


def test_a_leg_has_one_bridge(call: Call) -> None:
    third = MediaLeg(call.node)
    with pytest.raises(MediaStateError):
        Bridge(third, call.agent_leg)
    call.bridge.close()
    again = Bridge(third, call.agent_leg)
    third.close()
    with pytest.raises(MediaStateError):
        Bridge(third, call.debtor_leg)
    again.close()
    Bridge(call.debtor_leg, call.agent_leg).close()


def test_the_kernel_drops_audio_again_once_nobody_listens(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.press("1")
    call.talk(100)
    heard: list[int] = []
    wire = call.debtor_leg._wire
    hear = wire._on_packet

    def count(packet: RtpPacket, is_event: bool, at: float) -> None:
        heard.append(packet.payload_type)
        hear(packet, is_event, at)

    monkeypatch.setattr(wire, "_on_packet", count)
    call.talk(2000)
    assert len(heard) == 100
    call.bridge.close()
    heard.clear()
    call.talk(2000)
    assert len(heard) <= 2
    again = Bridge(call.debtor_leg, call.agent_leg)
    heard.clear()
    call.talk(2000)
    assert len(heard) == 100
    again.close()
