"""Each press is told once: events, INFO and tones in the audio, alone and together."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.media.g711 import Codec, encode
from ivr.media.inband import ToneBank
from ivr.media.info import InfoKey
from ivr.media.key_sources import HELD_BACK, InBand, KeySources
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from tests.media.harness import run
from tests.media.sound import Sound, joined, samples, silence, tone


class Caller:
    """A sender with one clock for its audio and its events; packets go out every 20 ms."""

    def __init__(self, in_band: InBand = InBand.AUTO, *, events: bool = True) -> None:
        self.clock = Clock()
        self.presses: list[KeyPress] = []
        self.told_at: list[float] = []
        self.sources = KeySources(self.clock, ToneBank(self.clock), in_band, self._take)
        self.sources.follow(Codec.PCMA, events_negotiated=events)
        self._sequence = 0

    def _take(self, press: KeyPress) -> None:
        self.presses.append(press)
        self.told_at.append(self.clock.seconds())

    @property
    def keys(self) -> str:
        return "".join(press.key for press in self.presses)

    def sound(self, sound: Sound) -> None:
        """Send audio, whole packets of it."""
        octets = encode(Codec.PCMA, sound[: len(sound) // 160 * 160].astype("int16"))
        for at in range(0, len(octets), 160):
            now = self.clock.seconds()
            timestamp = round(now * 8000)
            packet = RtpPacket(8, self._sequence, timestamp, 5, octets[at : at + 160])
            self._sequence += 1
            self.sources.audio(packet, now)
            run(self.clock, 0.02)

    def listened_to(self) -> bool:
        return self.sources.needs_audio

    def quiet(self, ms: float) -> None:
        self.sound(silence(ms))

    def event(self, key: str, ms: float = 100, *, lost: tuple[int, ...] = ()) -> None:
        """Send a telephone-event in place of audio; packets numbered in `lost` never come."""
        start = round(self.clock.seconds() * 8000)
        sent = encode_press(
            key,
            payload_type=101,
            ssrc=5,
            sequence=self._sequence,
            timestamp=start,
            duration=ms / 1000,
        )
        self._sequence += len(sent)
        for n, octets in enumerate(sent):
            packet = unpack(octets)
            assert packet is not None
            if n not in lost:
                self.sources.event(packet, self.clock.seconds())
            run(self.clock, 0.02)

    def leaking_event(self, key: str, leak: float, ms: float = 100) -> None:
        """A gateway's press: `leak` milliseconds of tone, then the event."""
        self.sound(joined(tone(key, leak), silence(20))[: samples(leak + 19) // 160 * 160])
        self.event(key, ms)

    def info(self, key: str, duration: float | None = 0.16) -> None:
        self.sources.info(InfoKey(key, duration))


CARD = "4242424242424242#"


def test_tones_alone_are_keys_at_once_where_no_event_was_negotiated() -> None:
    caller = Caller(events=False)
    caller.quiet(60)
    for key in CARD:
        pressed_at = caller.clock.seconds()
        caller.sound(joined(tone(key, 80), silence(80)))
        assert caller.told_at[-1] - pressed_at <= 0.0801
    caller.quiet(100)
    assert caller.keys == CARD
    assert caller.listened_to()
    assert [press.gap for press in caller.presses[1:]] == pytest.approx([0.08] * 16, abs=0.004)


def test_tones_alone_are_keys_though_events_were_negotiated() -> None:
    caller = Caller()
    caller.quiet(60)
    for key in CARD:
        caller.sound(joined(tone(key, 80), silence(80)))
    assert len(caller.keys) < len(CARD)
    caller.quiet(2 * 1000 * HELD_BACK)
    assert caller.keys == CARD
    assert caller.listened_to()


def test_after_the_first_event_audio_is_no_longer_listened_to() -> None:
    caller = Caller()
    assert caller.listened_to()
    caller.event("1")
    assert not caller.listened_to()
    caller.sound(joined(tone("9", 100), silence(400)))
    caller.event("2")
    assert caller.keys == "12"


@pytest.mark.parametrize("leak", [20, 40, 60, 80])
@pytest.mark.parametrize("in_band", [InBand.AUTO, InBand.ON])
def test_a_leak_before_its_event_is_not_a_second_key(leak: float, in_band: InBand) -> None:
    caller = Caller(in_band)
    caller.quiet(100)
    for key in CARD:
        caller.leaking_event(key, leak)
        caller.quiet(60)
    caller.quiet(500)
    assert caller.keys == CARD
    assert caller.presses[0].gap == math.inf


@pytest.mark.parametrize("delay", [20, 100, 140, 200, 400])
@pytest.mark.parametrize("in_band", [InBand.AUTO, InBand.ON])
def test_an_event_that_comes_late_behind_its_tone_is_not_a_second_key(
    delay: float, in_band: InBand
) -> None:
    caller = Caller(in_band)
    caller.sound(joined(silence(100), tone("6", 60), silence(delay)))
    caller.event("6")
    caller.quiet(700)
    assert caller.keys == "6"
    caller.leaking_event("6", 60)
    caller.quiet(700)
    assert caller.keys == "66"


@pytest.mark.parametrize("lost", [(0,), (0, 1), (0, 1, 2)])
def test_nor_is_a_leak_whose_events_first_packets_were_lost(lost: tuple[int, ...]) -> None:
    caller = Caller()
    caller.sound(joined(silence(100), tone("6", 60)))
    caller.event("6", lost=lost)
    caller.quiet(500)
    assert caller.keys == "6"


def test_a_tone_held_back_is_told_before_another_key_by_event() -> None:
    caller = Caller()
    caller.sound(joined(silence(100), tone("1", 60), silence(40)))
    assert caller.keys == ""
    caller.event("2")
    caller.quiet(500)
    assert caller.keys == "12"
    assert caller.presses[1].gap == pytest.approx(0.04, abs=0.02)


def test_where_listening_is_off_tones_are_nothing() -> None:
    for events in (True, False):
        caller = Caller(InBand.OFF, events=events)
        assert not caller.listened_to()
        caller.sound(joined(tone("1", 100), silence(300)))
        assert caller.keys == ""
        caller.info("3")
        caller.event("2")
        assert caller.keys == "32"


def test_on_a_trunk_that_changes_its_ways_both_are_heard() -> None:
    caller = Caller(InBand.ON)
    for key in "123":
        caller.event(key)
        caller.quiet(700)
    for key in "456":
        caller.sound(joined(tone(key, 100), silence(100)))
    caller.quiet(700)
    for key in "789":
        caller.leaking_event(key, 60)
        caller.quiet(100)
    assert caller.keys == "123456789"
    assert caller.listened_to()


def test_a_key_by_info_ends_listening_for_the_call() -> None:
    caller = Caller(events=False)
    caller.info("1")
    assert not caller.listened_to()
    caller.sound(joined(tone("9", 100), silence(300)))
    caller.sources.follow(Codec.PCMU, events_negotiated=False)
    assert not caller.listened_to()
    assert caller.keys == "1"


def test_infos_back_to_back_are_as_many_keys() -> None:
    caller = Caller(events=False)
    for key in "4444":
        caller.info(key)
    run(caller.clock, 0.3)
    caller.info("4")
    assert caller.keys == "44444"
    assert [press.gap for press in caller.presses] == pytest.approx([math.inf, 0, 0, 0, 0.3])


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_info_and_event_of_one_press_count_once(delay: float) -> None:
    caller = Caller()
    for key in "5566":
        caller.event(key, 100)
        run(caller.clock, delay)
        caller.info(key)
        run(caller.clock, 0.1)
    assert caller.keys == "5566"


def test_info_of_a_key_held_long_still_belongs_to_its_event() -> None:
    caller = Caller()
    caller.event("5", 3000)
    caller.info("5", 3.0)
    assert caller.keys == "5"


def test_events_behind_their_info_count_once() -> None:
    caller = Caller()
    for key in "5566":
        caller.info(key)
        run(caller.clock, 0.05)
        caller.event(key)
        run(caller.clock, 0.1)
    assert caller.keys == "5566"


def test_infos_that_lag_a_key_behind_count_once() -> None:
    caller = Caller()
    caller.event("7")
    caller.event("7")
    caller.info("7")
    caller.event("8")
    caller.info("7")
    caller.info("8")
    assert caller.keys == "778"


def test_an_event_that_was_lost_whole_is_made_good_by_its_info() -> None:
    caller = Caller()
    caller.event("7")
    caller.info("7")
    caller.info("7")
    caller.event("8")
    caller.info("8")
    assert caller.keys == "778"


def test_ways_that_each_lose_a_press_make_up_for_each_other() -> None:
    caller = Caller()
    caller.event("7")
    caller.info("8")
    caller.info("7")
    assert caller.keys == "787"


def test_a_tone_and_its_info_count_once() -> None:
    for events in (True, False):
        caller = Caller(events=events)
        caller.sound(joined(silence(100), tone("3", 100)))
        caller.info("3")
        caller.quiet(200)
        caller.sound(joined(tone("3", 100), silence(20)))
        caller.info("3")
        caller.quiet(700)
        assert caller.keys == "33"


def test_a_key_much_later_is_another_press() -> None:
    caller = Caller()
    caller.event("1")
    run(caller.clock, 1.0)
    caller.info("1")
    assert caller.keys == "11"
    assert caller.presses[1].gap == pytest.approx(1.06)


def test_a_far_end_that_gives_events_up_is_listened_to_again() -> None:
    caller = Caller()
    caller.event("1")
    caller.sources.follow(Codec.PCMU, events_negotiated=False)
    assert caller.listened_to()
    caller.sources.follow(Codec.PCMU, events_negotiated=True)
    assert not caller.listened_to()


def test_a_change_of_law_within_a_call_is_followed() -> None:
    caller = Caller(events=False)
    caller.sound(joined(silence(60), tone("1", 60), silence(60)))
    caller.sources.follow(Codec.PCMU, events_negotiated=False)
    octets = encode(Codec.PCMU, joined(silence(60), tone("2", 60), silence(60)).astype("int16"))
    for n in range(len(octets) // 160):
        packet = RtpPacket(0, 100 + n, 160 * n, 5, octets[160 * n : 160 * n + 160])
        caller.sources.audio(packet, caller.clock.seconds())
        run(caller.clock, 0.02)
    assert caller.keys == "12"


def test_after_its_end_nothing_is_told_and_no_timer_runs() -> None:
    caller = Caller()
    caller.sound(joined(silence(100), tone("1", 60), silence(40)))
    caller.sources.close()
    assert caller.clock.getDelayedCalls() == []
    run(caller.clock, 1.0)
    assert caller.keys == ""


def test_a_key_that_ends_the_call_lets_no_held_one_follow() -> None:
    caller = Caller()
    heard: list[str] = []

    def hang_up(press: KeyPress) -> None:
        heard.append(press.key)
        caller.sources.close()

    caller.sources._on_press = hang_up
    caller.sound(joined(silence(100), *[joined(tone(key, 40), silence(40)) for key in "12"]))
    caller.sources.info(InfoKey("3", None))
    run(caller.clock, 1.0)
    assert heard[0] == "1"
    assert "2" not in heard


@st.composite
def mixed(draw: st.DrawFn) -> list[tuple[str, float, bool, bool, float]]:
    """Presses of a far end that sends each as an event, mostly with a leak, mostly by INFO."""
    press = st.tuples(
        st.sampled_from("0123456789*#"),
        st.sampled_from([0.0, 20.0, 40.0, 60.0]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([60.0, 100.0, 200.0]),
    )
    return draw(st.lists(press, min_size=1, max_size=10))


@settings(max_examples=80)
@given(mixed(), st.sampled_from([InBand.AUTO, InBand.ON]))
def test_any_mixture_tells_each_press_once(
    presses: list[tuple[str, float, bool, bool, float]], in_band: InBand
) -> None:
    caller = Caller(in_band)
    caller.quiet(100)
    for key, leak, by_info, first, ms in presses:
        if by_info and first:
            caller.info(key)
        if leak:
            caller.leaking_event(key, leak, ms)
        else:
            caller.event(key, ms)
        if by_info and not first:
            caller.info(key)
        caller.quiet(80)
    caller.quiet(800)
    assert caller.keys == "".join(press[0] for press in presses)


def test_by_default_audio_is_listened_to_only_where_no_events_were_negotiated() -> None:
    for events in (True, False):
        caller = Caller(InBand.FALLBACK, events=events)
        caller.sound(joined(silence(100), tone("5", 100), silence(200)))
        assert caller.keys == ("" if events else "5")
        assert caller.listened_to() is not events
