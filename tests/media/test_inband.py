"""From audio packets to key presses: order, loss, pauses of the sender, lengths and gaps."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.media.g711 import RATE, Codec, encode
from ivr.media.inband import Ear, ToneBank
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket
from tests.media.harness import run
from tests.media.sound import Sound, joined, noise, samples, silence, tone


class Line:
    """A sender of audio packets, and the ear at the other end."""

    def __init__(self, codec: Codec = Codec.PCMA, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.bank = ToneBank(self.clock)
        self.presses: list[KeyPress] = []
        self.ear: Ear = self.bank.open(codec, self.presses.append)

    def hear(self, packets: Iterable[RtpPacket], ms: float = 20) -> None:
        """Receive a packet every `ms`."""
        for packet in packets:
            self.ear.receive(packet, self.clock.seconds())
            run(self.clock, ms / 1000)
        run(self.clock, 0.1)

    @property
    def keys(self) -> str:
        return "".join(press.key for press in self.presses)


def packets(
    sound: Sound,
    codec: Codec = Codec.PCMA,
    *,
    size: int = 160,
    sequence: int = 65_530,
    timestamp: int = 2**32 - 1000,
    ssrc: int = 5,
) -> list[RtpPacket]:
    """The packets of `sound`; sequence numbers and timestamps wrap on the way."""
    octets = encode(codec, sound.astype(np.int16))
    return [
        RtpPacket(
            codec.payload_type,
            sequence + n & 0xFFFF,
            timestamp + at & 0xFFFFFFFF,
            ssrc,
            octets[at : at + size],
        )
        for n, at in enumerate(range(0, len(octets), size))
    ]


def dialled(keys: str, ms: float = 60, pause: float = 60) -> Sound:
    parts = [joined(tone(key, ms), silence(pause)) for key in keys]
    return joined(silence(50), *parts, silence(100))


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [40, 80, 160, 200, 240, 480])
def test_packets_of_any_size_and_law(codec: Codec, size: int) -> None:
    line = Line(codec)
    line.hear(packets(dialled("0123456789*#ABCD99"), codec, size=size), size / 8)
    assert line.keys == "0123456789*#ABCD99"


def test_a_press_is_told_while_the_key_is_down_and_grows_until_it_is_let_go() -> None:
    line = Line()
    sent = packets(joined(silence(100), tone("7", 300), silence(200)))
    told_at, lengths = None, []
    for n, packet in enumerate(sent):
        line.ear.receive(packet, line.clock.seconds())
        run(line.clock, 0.02)
        if line.presses:
            told_at = told_at or 20 * (n + 1)
            lengths.append(line.presses[0].held)
    assert told_at is not None
    assert told_at - 100 <= 60
    assert lengths == sorted(lengths)
    assert lengths[0] < 0.08
    assert lengths[-1] == pytest.approx(0.3, abs=0.003)
    assert line.presses[0].at == pytest.approx(0.1, abs=0.03)


def test_gaps_are_those_between_the_tones() -> None:
    line = Line()
    pauses = [40, 55, 70, 85, 250, 1000]
    parts = [joined(tone("1", 60), silence(pause)) for pause in [*pauses, 100]]
    line.hear(packets(joined(silence(35), *parts)))
    first, *rest = [press.gap for press in line.presses]
    assert first == math.inf
    assert rest[:5] == pytest.approx([pause / 1000 for pause in pauses[:5]], abs=0.004)
    assert rest[5] == pytest.approx(1.0, abs=0.03)
    assert [press.held for press in line.presses] == pytest.approx([0.06] * 7, abs=0.004)


@pytest.mark.parametrize("seed", range(30))
def test_packets_in_disorder_and_twice_change_nothing(seed: int) -> None:
    sent = packets(dialled("4242*"))
    random = np.random.default_rng(seed)
    late = random.uniform(0, 2, len(sent)) + np.arange(len(sent))
    again = np.flatnonzero(random.random(len(sent)) < 0.2)
    order = np.concatenate([np.arange(len(sent)), again])
    arrival = np.concatenate([late, late[again] + random.uniform(0, 3, len(again))])
    line = Line()
    line.hear([sent[n] for n in order[np.argsort(arrival)]])
    assert line.keys == "4242*"


@pytest.mark.parametrize("lost", range(40))
def test_a_lost_packet_costs_no_key_and_doubles_none(lost: int) -> None:
    sent = packets(dialled("4456#", ms=110, pause=50))
    del sent[lost]
    line = Line()
    line.hear(sent)
    assert line.keys == "4456#"


@pytest.mark.parametrize("lost", range(6, 12))
@pytest.mark.parametrize("size", [160, 80])
def test_a_burst_of_loss_within_a_long_tone_doubles_no_key(lost: int, size: int) -> None:
    sent = packets(joined(silence(50), tone("4", 300), silence(100)), size=size)
    first = lost * 160 // size
    del sent[first : first + 3 * 160 // size]
    line = Line()
    line.hear(sent, size / 8)
    assert line.keys == "4"


def test_a_sender_that_is_silent_between_keys_sends_no_packets_then() -> None:
    """Silence suppression: sequence numbers run on, timestamps leap (RFC 3550 §5.1)."""
    sent = packets(dialled("8888", ms=60, pause=140))
    spoken = [packet for packet in sent if set(packet.payload) != {0xD5}]
    first = sent[0].sequence
    numbered = [
        RtpPacket(8, first + n & 0xFFFF, packet.timestamp, 5, packet.payload)
        for n, packet in enumerate(spoken)
    ]
    assert len(numbered) < len(sent) / 2
    line = Line()
    begun = sent[0].timestamp
    for packet in numbered:
        due = (packet.timestamp - begun & 0xFFFFFFFF) / RATE
        run(line.clock, due - line.clock.seconds())
        line.ear.receive(packet, line.clock.seconds())
    line.hear(packets(silence(200), sequence=first + len(numbered), timestamp=begun + 16_000))
    assert line.keys == "8888"
    gaps = [press.gap for press in line.presses[1:]]
    assert gaps == pytest.approx([0.14] * 3, abs=0.004)


def test_a_pause_in_which_nothing_was_sent_counts_whole() -> None:
    line = Line()
    line.hear(packets(joined(silence(60), tone("1", 60), silence(60)), sequence=0, timestamp=0))
    run(line.clock, 5.0)
    later = packets(joined(tone("1", 60), silence(60)), sequence=9, timestamp=44_000)
    line.hear(later)
    assert line.keys == "11"
    assert line.presses[1].gap == pytest.approx(5.2, abs=0.1)


def test_a_new_stream_goes_on_where_the_old_one_ended() -> None:
    line = Line()
    line.hear(packets(dialled("12"), ssrc=5))
    line.hear(packets(dialled("34"), ssrc=6, sequence=7, timestamp=7))
    line.hear(packets(dialled("56"), ssrc=6, sequence=40_000, timestamp=7))
    assert line.keys == "123456"


def test_what_waits_of_an_old_stream_is_not_heard_in_the_new_one() -> None:
    line = Line()
    old = packets(joined(silence(60), tone("9", 40)), sequence=100, timestamp=0)
    new = packets(silence(400), sequence=98, timestamp=0, ssrc=6)
    line.hear([old[0], *old[3:], *new])
    assert line.keys == ""


def test_timestamps_by_an_uneven_clock_do_not_cut_a_tone() -> None:
    line = Line()
    sent = packets(dialled("4242", 60))
    late = np.random.default_rng(5).integers(0, 70, len(sent)).tolist()
    line.hear(
        replace(packet, timestamp=packet.timestamp + more & 0xFFFFFFFF)
        for packet, more in zip(sent, late, strict=True)
    )
    assert line.keys == "4242"


def test_timestamps_that_make_no_sense_are_passed_over() -> None:
    line = Line()
    sent = packets(dialled("159"))
    line.hear(
        [RtpPacket(8, packet.sequence, 77, 5, packet.payload) for packet in sent],
    )
    assert line.keys == "159"


def test_a_burst_after_a_standstill_is_heard() -> None:
    line = Line()
    for packet in packets(dialled("2580")):
        line.ear.receive(packet, 0.0)
    run(line.clock, 0.03)
    assert line.keys == "2580"


def test_a_flood_is_not_kept() -> None:
    line = Line()
    flood = packets(noise(20_000, -10))
    for packet in flood:
        line.ear.receive(packet, 0.0)
    assert len(line.ear._pending) <= RATE
    run(line.clock, 0.03)
    line.hear(packets(dialled("3"), sequence=flood[-1].sequence + 1))
    assert line.keys == "3"


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            RtpPacket,
            payload_type=st.just(8),
            sequence=st.integers(0, 0xFFFF) | st.integers(0, 20),
            timestamp=st.integers(0, 2**32 - 1) | st.integers(0, 4000),
            ssrc=st.integers(0, 1),
            payload=st.binary(max_size=700),
        ),
        max_size=60,
    )
)
def test_no_packets_upset_it_nor_grow_it(sent: list[RtpPacket]) -> None:
    line = Line()
    line.hear(sent)
    assert len(line.ear._pending) < 160
    assert len(line.ear._ahead) <= 2
    assert len(line.ear._gaps) <= 1


def test_many_ears_share_a_beat_and_hear_their_own() -> None:
    clock = Clock()
    bank = ToneBank(clock)
    heard: dict[int, str] = dict.fromkeys(range(20), "")

    def listener(n: int) -> Ear:
        def note(press: KeyPress) -> None:
            heard[n] += press.key

        return bank.open(list(Codec)[n % 2], note)

    ears = [listener(n) for n in range(20)]
    words = {n: f"{n:02d}#" for n in range(20)}
    sent = [packets(dialled(words[n]), ear.codec) for n, ear in enumerate(ears)]
    for number in range(len(sent[0]) - 1):
        for ear, mine in zip(ears, sent, strict=True):
            ear.receive(mine[number], clock.seconds())
        assert len(clock.getDelayedCalls()) == 1
        run(clock, 0.02)
    run(clock, 0.1)
    assert heard == words


def test_it_does_nothing_while_no_audio_comes() -> None:
    line = Line()
    line.hear(packets(dialled("1")))
    assert line.clock.getDelayedCalls() == []
    line.ear.receive(packets(silence(20), ssrc=9)[0], 0.0)
    assert len(line.clock.getDelayedCalls()) == 1
    line.ear.close()
    line.ear.close()
    assert line.clock.getDelayedCalls() == []


def test_an_ear_closed_by_a_key_tells_no_more() -> None:
    clock = Clock()
    bank = ToneBank(clock)
    heard: list[str] = []

    def note(press: KeyPress) -> None:
        heard.append(press.key)
        ears[0].close()

    ears = [bank.open(Codec.PCMA, note)]
    other = Line(clock=clock)
    other.bank = bank
    for packet in packets(dialled("12")):
        ears[0].receive(packet, 0.0)
        other.ear.receive(packet, 0.0)
    run(clock, 0.1)
    assert heard == ["1"]
    assert other.keys == "12"


def test_a_row_of_an_ended_call_serves_the_next_one() -> None:
    clock = Clock()
    bank = ToneBank(clock)
    for key in "123":
        heard: list[KeyPress] = []
        ear = bank.open(Codec.PCMU, heard.append)
        assert ear.row == 0
        half = joined(silence(20), tone(key, 50))
        for packet in packets(half, Codec.PCMU)[: samples(60) // 160]:
            ear.receive(packet, 0.0)
        run(clock, 0.03)
        assert [press.key for press in heard] == [key]
        ear.close()
