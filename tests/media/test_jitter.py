"""The jitter buffer: order, length and pace of packets do not matter to who listens."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ivr.media.g711 import FRAME, Codec
from ivr.media.jitter import DEEPEST, DEPTH, JitterBuffer
from ivr.media.rtp import RtpPacket


def sound(samples: int) -> bytes:
    """Octets that tell their place, none of them silence."""
    return bytes(1 + n % 199 for n in range(samples))


def packet(
    sequence: int, timestamp: int, payload: bytes, ssrc: int = 1, *, marker: bool = False
) -> RtpPacket:
    return RtpPacket(8, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload, marker=marker)


def packets(octets: bytes, length: int, first: int = 0) -> list[RtpPacket]:
    return [
        packet(n, first + at, octets[at : at + length])
        for n, at in enumerate(range(0, len(octets), length))
    ]


@given(st.sampled_from([80, 120, 160, 240, 320, 480]), st.integers(0, 2**32 - 1))
def test_any_length_of_packet_comes_out_in_frames_of_20_ms(length: int, first: int) -> None:
    octets = sound(4800)
    buffer = JitterBuffer()
    sent = packets(octets, length, first)
    out = []
    for at in range(0, 4800 + DEPTH * FRAME, FRAME):
        while sent and (sent[0].timestamp - first & 0xFFFFFFFF) <= at:
            buffer.put(sent.pop(0))
        out.append(buffer.take())
    assert out[:DEPTH] == [None] * DEPTH
    assert b"".join(each or b"" for each in out) == octets


@given(st.randoms(use_true_random=False))
def test_packets_that_are_late_by_up_to_40_ms_are_put_in_order(draw: random.Random) -> None:
    octets = sound(4800)
    due = sorted(packets(octets, FRAME), key=lambda each: each.timestamp)
    arrivals = [
        (n * FRAME + draw.randint(0, DEPTH * FRAME), each) for n, each in enumerate(due)
    ]
    arrivals[0] = (0, due[0])
    arrivals.sort(key=lambda each: each[0])
    buffer = JitterBuffer()
    out = []
    for at in range(0, 4800 + DEPTH * FRAME, FRAME):
        while arrivals and arrivals[0][0] <= at:
            buffer.put(arrivals.pop(0)[1])
        out.append(buffer.take())
    assert b"".join(each or b"" for each in out) == octets


def test_what_is_lost_is_silence_and_the_rest_keeps_its_time() -> None:
    octets = sound(960)
    buffer = JitterBuffer(Codec.PCMU)
    sent = packets(octets, 240)
    for each in (sent[0], sent[2], sent[3]):
        buffer.put(each)
    out = [buffer.take() for _ in range(DEPTH + 6)]
    heard = b"".join(each or Codec.PCMU.silence for each in out[DEPTH:])
    assert heard == octets[:240] + Codec.PCMU.silence[:1] * 240 + octets[480:]
    assert buffer.take() is None


def test_a_packet_that_comes_twice_is_heard_once() -> None:
    buffer = JitterBuffer()
    first, second = packets(sound(320), FRAME)
    for each in (first, first, second, second):
        buffer.put(each)
    out = [buffer.take() for _ in range(DEPTH + 3)]
    assert out[DEPTH:] == [first.payload, second.payload, None]
    buffer.put(first)
    assert buffer.take() is None


def test_a_new_source_is_followed() -> None:
    buffer = JitterBuffer()
    buffer.put(packet(1, 1000, sound(FRAME)))
    buffer.put(packet(9, 77, sound(FRAME), ssrc=2))
    assert [buffer.take() for _ in range(DEPTH + 1)] == [None] * DEPTH + [sound(FRAME)]


def test_a_sender_whose_clock_was_set_is_followed_after_three_packets() -> None:
    for jump in (-90_000, 90_000):
        buffer = JitterBuffer()
        buffer.put(packet(0, 100_000, sound(FRAME)))
        buffer.take()
        for n in range(1, 12):
            buffer.put(packet(n, 100_000 + jump + n * FRAME, sound(FRAME)))
            heard = buffer.take()
        assert heard == sound(FRAME)


def test_a_talkspurt_of_a_sender_that_stopped_its_clock_is_heard_from_its_start() -> None:
    buffer = JitterBuffer()
    buffer.put(packet(0, 0, sound(FRAME)))
    for _ in range(100):
        buffer.take()
    buffer.put(packet(1, FRAME, sound(FRAME), marker=True))
    assert [buffer.take() for _ in range(DEPTH + 1)][-1] == sound(FRAME)


def test_what_piles_up_is_caught_up_with() -> None:
    buffer = JitterBuffer()
    for each in packets(sound(FRAME * 100), FRAME):
        buffer.put(each)
    assert len(buffer._packets) < 12
    left = 0
    while buffer.take() is not None or left < DEPTH:
        left += 1
    assert left < 12


def test_what_is_too_short_or_too_long_to_be_sound_is_dropped() -> None:
    buffer = JitterBuffer()
    for length in (0, 4, 39, 4001):
        buffer.put(packet(0, 0, bytes(length)))
    assert [buffer.take() for _ in range(10)] == [None] * 10


def test_another_law_begins_afresh() -> None:
    buffer = JitterBuffer(Codec.PCMA)
    buffer.put(packet(0, 0, sound(FRAME)))
    buffer.use(Codec.PCMA)
    assert len(buffer._packets) == 1
    buffer.use(Codec.PCMU)
    assert [buffer.take() for _ in range(DEPTH + 1)] == [None] * (DEPTH + 1)


def arriving(late: list[int]) -> list[bytes | None]:
    """What is heard of packets of which the `n`th comes `late[n]` frames late."""
    buffer = JitterBuffer()
    octets = bytes(1 + n // FRAME % 199 for n in range(len(late) * FRAME))
    sent = list(enumerate(packets(octets, FRAME)))
    out = []
    for n in range(len(late) + 3 * DEEPEST):
        for due, each in sent:
            if due + late[due] == n:
                buffer.put(each)
        out.append(buffer.take())
    return out


def test_the_first_late_packet_makes_the_delay_longer_and_is_heard() -> None:
    heard = arriving([0] * 20 + [5] * 40)
    assert [each[0] for each in heard if each is not None] == list(range(1, 61))
    assert heard[22:26] == [None, None, None, bytes([21]) * FRAME]
    assert heard[-1] is None


def test_the_delay_is_120_ms_at_most() -> None:
    late = [5 if n % 10 == 0 else 0 for n in range(60)]
    late[45] = 30
    heard = arriving(late)
    assert heard.index(bytes([56]) * FRAME) - 55 <= DEEPEST


def test_a_steady_network_has_a_short_delay_in_the_end() -> None:
    heard = arriving([0] * 1200)
    assert heard[2] == bytes([1]) * FRAME
    assert heard[1200] is not None
    assert heard[1201] is None
    lost = [n for n in range(5, 1199) if heard[n] is None]
    assert lost == []
    assert sum(each is not None for each in heard) == 1199
