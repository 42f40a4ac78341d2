"""Keys as RTP events, case by case; `test_telephone_event_model` does it at random."""

import copy
import math
import pickle
import struct

import pytest

from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import KEYS, TelephoneEvents, encode_press


def press(
    key: str,
    timestamp: int,
    sequence: int,
    *,
    duration: float = 0.1,
    ssrc: int = 7,
) -> list[RtpPacket]:
    packets = encode_press(
        key,
        payload_type=101,
        ssrc=ssrc,
        sequence=sequence,
        timestamp=timestamp % 2**32,
        duration=duration,
    )
    unpacked = [unpack(packet) for packet in packets]
    return [packet for packet in unpacked if packet is not None]


def event(code: int, timestamp: int, sequence: int, *blocks: bytes) -> RtpPacket:
    payload = b"".join(blocks) or struct.pack("!BBH", code, 10, 160)
    return RtpPacket(101, sequence, timestamp, 7, payload)


class Ear:
    """A receiver, and what it reported."""

    def __init__(self) -> None:
        self.source = TelephoneEvents()
        self.presses: list[KeyPress] = []

    def hear(self, *packets: RtpPacket, at: float = 0.0) -> None:
        for packet in packets:
            self.presses += self.source.receive(packet, at)

    @property
    def keys(self) -> str:
        return "".join(press.key for press in self.presses)


def test_a_press_is_encoded_as_the_rfc_says() -> None:
    packets = press("#", 1000, 65534, duration=0.06)
    assert [(p.sequence, p.timestamp, p.marker, p.payload.hex()) for p in packets] == [
        (65534, 1000, True, "0b0a00a0"),
        (65535, 1000, False, "0b0a0140"),
        (0, 1000, False, "0b0a01e0"),
        (1, 1000, False, "0b8a01e0"),
        (2, 1000, False, "0b8a01e0"),
        (3, 1000, False, "0b8a01e0"),
    ]


@pytest.mark.parametrize("key", ["", "12", "E", "a"])
def test_what_is_no_key_is_not_encoded(key: str) -> None:
    with pytest.raises(ValueError, match=r"^not a key of a telephone$"):
        press(key, 0, 0)


def test_every_key_is_reported_once_at_its_first_packet() -> None:
    ear = Ear()
    for n, key in enumerate(KEYS):
        first, *rest = press(key, 8000 * n, 20 * n)
        ear.hear(first, at=float(n))
        assert ear.keys == KEYS[: n + 1]
        ear.hear(*rest, at=n + 0.1)
    assert ear.keys == KEYS
    assert [press.at for press in ear.presses] == [float(n) for n in range(16)]


@pytest.mark.parametrize("survivor", range(8))
def test_any_single_packet_is_enough(survivor: int) -> None:
    ear = Ear()
    ear.hear(press("5", 0, 0)[survivor])
    assert ear.keys == "5"


def test_repeated_and_reordered_packets_make_no_second_key() -> None:
    ear = Ear()
    packets = press("1", 0, 0)
    ear.hear(*packets, *reversed(packets), *packets)
    assert ear.keys == "1"


def test_late_packets_of_a_key_change_nothing_after_the_next_has_begun() -> None:
    ear = Ear()
    one, two = press("1", 0, 0), press("2", 1600, 8)
    ear.hear(*one[:2], *two[:1], *one[2:], *two[1:], *one)
    assert ear.keys == "12"


def test_a_key_that_comes_whole_after_the_next_is_dropped_not_put_out_of_order() -> None:
    ear = Ear()
    ear.hear(*press("1", 0, 0), *press("3", 3200, 16), *press("2", 1600, 8))
    assert ear.keys == "13"


def test_an_end_packet_repeated_while_the_next_key_is_down_is_late_whatever_its_number() -> (
    None
):
    ear = Ear()
    one, two = press("1", 0, 0), press("2", 1600, 8)
    again = RtpPacket(101, 12, 0, 7, one[-1].payload)
    ear.hear(*one, two[0], again, *two[1:], *press("3", 3200, 16))
    assert ear.keys == "123"


def test_the_same_key_twice_is_two_keys() -> None:
    ear = Ear()
    ear.hear(*press("7", 0, 0), *press("7", 1600, 8), *press("7", 3200, 16)[-1:])
    assert ear.keys == "777"


def test_another_key_under_the_same_timestamp_is_not_taken() -> None:
    ear = Ear()
    ear.hear(*press("1", 0, 0), *press("2", 0, 8), *press("3", 1600, 16))
    assert ear.keys == "13"


def test_timestamps_and_sequence_numbers_wrap() -> None:
    ear = Ear()
    for n in range(12):
        ear.hear(*press(KEYS[n], 2**32 - 8000 + 1600 * n, (65530 + 8 * n) % 65536))
    assert ear.keys == KEYS[:12]


@pytest.mark.parametrize("lost", [set(), {410}, {409, 410, 411}, set(range(100, 900))])
def test_a_key_held_for_half_a_minute_is_one_key(lost: set[int]) -> None:
    packets = press("9", 2**32 - 70_000, 65000, duration=30.0)
    assert len({packet.timestamp for packet in packets}) == 4
    ear = Ear()
    for n, packet in enumerate(packets):
        if n not in lost:
            ear.hear(packet, at=n / 50)
    assert ear.keys == "9"
    assert ear.presses[0].held == pytest.approx(30.0)


def test_a_long_press_cut_at_whole_packets_by_its_sender_is_one_key() -> None:
    cut = 409 * 160
    ear = Ear()
    ear.hear(event(4, 0, 1, struct.pack("!BBH", 4, 10, cut)), at=8.0)
    ear.hear(event(4, cut, 2), at=8.2)
    assert ear.keys == "4"


@pytest.mark.parametrize(
    "second",
    [
        RtpPacket(101, 500, 0xFFFF, 7, struct.pack("!BBH", 4, 10, 160), marker=True),
        RtpPacket(101, 500, 0xFFFF, 7, struct.pack("!BBH", 5, 10, 160)),
        RtpPacket(101, 500, 0xFFFF - 160, 7, struct.pack("!BBH", 4, 10, 160)),
    ],
    ids=["marker", "another key", "first was short"],
)
def test_what_only_looks_like_a_segment_is_a_key(second: RtpPacket) -> None:
    ear = Ear()
    ear.hear(event(4, 0, 1), at=0.0)
    ear.hear(second, at=8.0)
    assert len(ear.presses) == 2


def test_the_same_key_eight_seconds_after_one_that_ended_is_a_key() -> None:
    ear = Ear()
    ear.hear(*press("4", 0, 0), at=0.1)
    ear.hear(press("4", 0xFFFF, 400)[1], at=8.2)
    assert ear.keys == "44"


def test_a_new_ssrc_begins_anew_and_the_old_ones_late_packets_are_still_known() -> None:
    ear = Ear()
    one = press("1", 500_000, 900)
    ear.hear(*one[:4], *press("2", 100, 5, ssrc=8), *one, *press("3", 1700, 13, ssrc=8))
    assert ear.keys == "123"


def test_an_ssrc_that_changes_while_a_key_is_down_makes_no_second_key() -> None:
    ear = Ear()
    ear.hear(*press("1", 5000, 0)[:3], *press("1", 5000, 300, ssrc=8)[3:])
    ear.hear(*press("2", 6600, 308, ssrc=8))
    assert ear.keys == "12"


def test_a_sender_that_starts_its_timestamps_anew_loses_no_key() -> None:
    ear = Ear()
    ear.hear(*press("1", 3_000_000, 100), at=1.0)
    ear.hear(*press("2", 160, 108), at=2.0)
    ear.hear(*press("3", 1760, 116), at=3.0)
    assert ear.keys == "123"


def test_after_eleven_minutes_of_audio_a_key_is_still_newer() -> None:
    ear = Ear()
    ear.hear(*press("1", 0, 0), at=1.0)
    ear.hear(*press("2", 700 * 8000, 35000), at=701.0)
    assert ear.keys == "12"


def test_memory_stays_bounded_whatever_ssrcs_come() -> None:
    ear = Ear()
    for ssrc in range(1000):
        ear.hear(*press("1", 1600 * ssrc + 5, 0, ssrc=ssrc))
    assert len(ear.presses) == 1000
    assert len(ear.source._events) <= 4


def test_several_short_events_in_one_packet_are_as_many_keys() -> None:
    ear = Ear()
    blocks = [struct.pack("!BBH", 1, 0x8A, 400), struct.pack("!BBH", 2, 0x0A, 320)]
    ear.hear(event(1, 1000, 1, *blocks), event(1, 1000, 2, *blocks))
    ear.hear(event(2, 1400, 3, struct.pack("!BBH", 2, 0x8A, 480)))
    assert ear.keys == "12"


def test_filling_after_an_event_is_no_key() -> None:
    ear = Ear()
    ear.hear(event(5, 1000, 1, struct.pack("!BBH", 5, 0x8A, 400), bytes(12)))
    ear.hear(event(6, 3000, 2, struct.pack("!BBH", 6, 0x0A, 400), struct.pack("!BBH", 7, 0, 9)))
    assert ear.keys == "56"


@pytest.mark.parametrize("payload", [b"", b"\x05", b"\x05\x0a\x00"])
def test_a_payload_that_is_too_short_is_no_key(payload: bytes) -> None:
    assert TelephoneEvents().receive(RtpPacket(101, 1, 0, 7, payload), 0.0) == []


def test_an_event_that_is_no_key_is_not_reported() -> None:
    ear = Ear()
    ear.hear(event(16, 0, 1), event(255, 1600, 2), *press("1", 3200, 3))
    assert ear.keys == "1"


def test_the_gap_is_counted_from_the_release_by_the_senders_timestamps() -> None:
    ear = Ear()
    ear.hear(*press("5", 0, 0, duration=0.1), at=1.0)
    ear.hear(*press("5", 800 + 640, 8, duration=0.06), at=1.9)
    ear.hear(*press("6", 800 + 640 + 480 + 4000, 16), at=2.5)
    assert [press.gap for press in ear.presses] == [math.inf, 0.08, 0.5]
    assert [press.held for press in ear.presses] == [0.1, 0.06, 0.1]


def test_the_gap_between_two_senders_is_counted_by_the_clock() -> None:
    ear = Ear()
    ear.hear(*press("5", 0, 0, duration=0.1), at=1.0)
    ear.hear(*press("5", 90_000_000, 0, ssrc=8), at=1.25)
    ear.hear(*press("5", 1000, 500, ssrc=8), at=1.5)
    assert [press.gap for press in ear.presses[1:]] == pytest.approx([0.15, 0.15])


def test_how_long_a_key_is_held_grows_while_its_packets_come() -> None:
    ear = Ear()
    packets = press("5", 0, 0, duration=0.1)
    ear.hear(packets[0])
    assert ear.presses[0].held == 0.02
    ear.hear(packets[3])
    assert ear.presses[0].held == 0.08
    ear.hear(packets[1])
    assert ear.presses[0].held == 0.08


def test_a_key_press_shows_its_key_nowhere_and_is_not_stored() -> None:
    (pressed,) = TelephoneEvents().receive(press("5", 0, 0)[0], 1.0)
    assert pressed.key == "5"
    for shown in (repr(pressed), str(pressed), f"{pressed}", f"{[pressed]}", f"{pressed!a}"):
        assert "5" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(pressed)
    with pytest.raises(TypeError):
        copy.copy(pressed)
