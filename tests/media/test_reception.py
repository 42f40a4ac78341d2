"""What was received, counted one by one or one in 64."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.reception import Reception
from ivr.media.rtp import RtpPacket


def packet(number: int, ssrc: int = 9) -> RtpPacket:
    return RtpPacket(8, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc, bytes(160))


def heard(*numbers: int, reception: Reception | None = None, ssrc: int = 9) -> Reception:
    reception = reception or Reception()
    for number in numbers:
        reception.hear(packet(number, ssrc), 0.02 * number, audio=True)
    return reception


def counts(reception: Reception) -> tuple[int, int]:
    return reception.expected, reception.received


def test_what_is_missing_is_lost_and_what_is_late_is_not() -> None:
    assert counts(heard(10, 11, 13, 12, 16)) == (7, 5)
    assert counts(heard(*range(65500, 65600))) == (100, 100)
    assert counts(heard(5, 6, 6, 6)) == (2, 4)


def test_a_block_tells_the_share_since_the_last_one() -> None:
    reception = heard(*range(65530, 65540))
    block = reception.block(7, 8)
    assert block is not None
    assert (block.ssrc, block.fraction, block.lost) == (9, 0, 0)
    assert (block.highest, block.jitter) == (65539, 0)
    assert (block.last_report, block.delay) == (7, 8)
    assert reception.block(0, 0) is None
    heard(65541, 65543, reception=reception)
    block = reception.block(0, 0)
    assert block is not None
    assert (block.fraction, block.lost, block.highest) == (128, 2, 65543)
    heard(65543, 65543, reception=reception)
    block = reception.block(0, 0)
    assert block is not None
    assert (block.fraction, block.lost) == (0, 0)
    assert Reception().block(0, 0) is None


def test_jitter_is_that_of_the_rfc() -> None:
    reception = Reception()
    arrivals = [0.0, 0.03, 0.04, 0.055, 0.09]
    expected = 0.0
    for n, at in enumerate(arrivals):
        reception.hear(packet(n), at, audio=True)
        if n:
            deviation = abs((at - arrivals[n - 1]) - 0.02)
            expected += (deviation - expected) / 16
    assert reception.jitter == pytest.approx(expected)


def test_events_and_a_new_time_are_no_jitter() -> None:
    reception = heard(1, 2, 3)
    for n in range(4, 20):
        event = RtpPacket(101, n, 480, 9, b"\x05\x0a\x00\xa0")
        reception.hear(event, 0.02 * n, audio=False)
    anew = RtpPacket(8, 20, 2_000_000_000, 9, bytes(160))
    reception.hear(anew, 0.4, audio=True)
    assert reception.jitter == pytest.approx(0.0)
    assert counts(reception) == (20, 20)


def test_another_source_begins_anew_and_is_added() -> None:
    reception = heard(1, 2, 4)
    heard(1000, 1001, reception=reception, ssrc=10)
    assert (reception.ssrc, counts(reception)) == (10, (6, 5))
    block = reception.block(0, 0)
    assert block is not None
    assert (block.ssrc, block.lost) == (10, 0)


def test_a_jump_counts_when_the_next_number_confirms_it() -> None:
    reception = heard(1, 2, 3, 30_000)
    assert counts(reception) == (3, 3)
    heard(4, 40_000, 40_001, 40_002, reception=reception)
    # The packet that began the jump is the price of being sure.
    assert counts(reception) == (6, 6)


def test_a_sparse_count_finds_the_same_loss() -> None:
    chance = random.Random(3)
    reception = heard(*range(100, 200))
    reception.count_each(64)
    for number in range(200, 640_200):
        if chance.random() >= 0.05:
            reception.hear(packet(number), 0.02 * number, audio=True)
    loss = 1 - reception.received / reception.expected
    assert loss == pytest.approx(0.05, abs=0.01)
    assert reception.expected == pytest.approx(640_100, abs=200)
    reception.count_each(1)
    before = counts(reception)
    heard(640_200, 640_201, 640_203, reception=reception)
    assert counts(reception) == (before[0] + 4, before[1] + 3)
    assert reception.jitter == pytest.approx(0.0, abs=1e-6)


def test_what_was_left_out_as_quiet_is_no_loss() -> None:
    reception = heard(10, 11)
    reception.hear(packet(15), 0.3, audio=True, left_out=3)
    assert counts(reception) == (6, 6)
    reception.hear(packet(20), 0.4, audio=True, left_out=5)
    assert counts(reception) == (11, 9)
    block = reception.block(0, 0)
    assert block is not None
    assert (block.fraction, block.lost) == (256 * 2 // 11, 2)
    # Of what was dropped before another source was heard, nobody knows whose it was.
    reception.hear(packet(7, ssrc=10), 0.5, audio=True, left_out=9)
    assert counts(reception) == (12, 10)


def test_while_one_in_64_is_counted_what_was_left_out_is_not() -> None:
    reception = heard(*range(64))
    reception.count_each(64)
    reception.hear(packet(64), 1.3, audio=True, left_out=0)
    reception.hear(packet(128), 2.6, audio=True, left_out=63)
    assert counts(reception) == (192, 192)
    reception.count_each(1)
    reception.hear(packet(150), 3.0, audio=True, left_out=84)
    reception.hear(packet(152), 3.0, audio=True, left_out=85)
    assert counts(reception) == (195, 195)


@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.sampled_from([1, 64]), st.integers(0, 2)),
        max_size=60,
    )
)
def test_any_numbers_give_a_block_that_can_be_packed(
    arrivals: list[tuple[int, int, int]],
) -> None:
    reception = Reception()
    for at, (number, every, ssrc) in enumerate(arrivals):
        reception.count_each(every)
        reception.hear(packet(number, ssrc), float(at), audio=True)
        block = reception.block(0, 0)
        if block is not None:
            assert 0 <= block.fraction <= 255
            assert 0 <= block.highest < 2**32
            assert 0 <= block.jitter < 2**32
    assert reception.expected >= 0
