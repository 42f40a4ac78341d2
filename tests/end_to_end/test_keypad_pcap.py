"""The captures SIPp plays: what a receiver that follows RFC 4733 reads out of them."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.keypad_pcap import (
    END_PACKETS,
    KEYS,
    Impairment,
    Packet,
    impaired,
    key_packets,
    keypad_pcap,
)

CARD = "4242424242424242#"


def keys_read(packets: list[Packet]) -> str:
    """Join event packets by timestamp, in the order in which each timestamp first arrives."""
    events = {p.timestamp: p.payload[0] for p in packets if p.key is not None}
    return "".join(KEYS[event] for event in events.values())


def read_capture(path: Path) -> list[tuple[float, bytes]]:
    """Return (seconds, RTP packet) of each record, checking every length on the way."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link = struct.unpack_from("!IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 1)
    records: list[tuple[float, bytes]] = []
    at = 24
    while at < len(data):
        seconds, microseconds, kept, length = struct.unpack_from("!IIII", data, at)
        frame = data[at + 16 : at + 16 + kept]
        assert kept == length == len(frame)
        assert frame[12:14] == b"\x08\x00"
        assert frame[14] == 0x45
        assert frame[23] == 17
        assert int.from_bytes(frame[16:18], "big") == len(frame) - 14
        assert int.from_bytes(frame[38:40], "big") == len(frame) - 34
        records.append((seconds + microseconds / 1e6, frame[42:]))
        at += 16 + kept
    return records


def test_a_key_is_one_timestamp_with_a_marker_first_and_three_end_packets() -> None:
    packets = key_packets([(0.2, "7")], press_ms=100, audio=True)
    events = [p for p in packets if p.key is not None]
    assert [p.marker for p in events] == [True] + [False] * 6
    assert {p.timestamp - packets[0].timestamp for p in events} == {1600}
    assert [struct.unpack("!BBH", p.payload) for p in events] == [
        (7, 10, 160),
        (7, 10, 320),
        (7, 10, 480),
        (7, 10, 640),
        (7, 0x80 | 10, 800),
        (7, 0x80 | 10, 800),
        (7, 0x80 | 10, 800),
    ]
    assert [p.at for p in events] == [200, 220, 240, 260, 280, 300, 320]


def test_audio_stops_during_a_key_and_shares_its_sequence_numbers() -> None:
    packets = key_packets([(0.1, "12")], tail_ms=60)
    assert [p.sequence for p in packets] == list(
        range(packets[0].sequence, packets[0].sequence + len(packets))
    )
    assert len({p.at for p in packets}) == len(packets)
    audio = [p for p in packets if p.key is None]
    assert {p.payload for p in audio} == {b"\xd5" * 160}
    assert all(p.timestamp - packets[0].timestamp == p.at * 8 for p in audio)


def test_without_audio_only_the_start_and_the_keys_are_sent() -> None:
    packets = key_packets([(1.0, "5")], audio=False)
    assert packets[0].at == 0
    assert packets[0].key is None
    assert all(p.key == 0 for p in packets[1:])


def test_the_capture_file_holds_the_packets(tmp_path: Path) -> None:
    path = keypad_pcap(tmp_path / "keys.pcap", [(0.0, "12"), (1.5, "#")], event_pt=96, seed=3)
    records = read_capture(path)
    packets = key_packets([(0.0, "12"), (1.5, "#")], event_pt=96, seed=3)
    assert [seconds for seconds, _ in records] == pytest.approx([p.at / 1000 for p in packets])
    ssrc = records[0][1][8:12]
    assert [rtp for _, rtp in records] == [
        p.to_bytes(int.from_bytes(ssrc, "big")) for p in packets
    ]
    assert {rtp[1] & 0x7F for _, rtp in records} == {8, 96}


def test_mu_law_silence_is_mu_law() -> None:
    assert key_packets([], codec_pt=0, tail_ms=20)[0].payload == b"\xff" * 160


@given(
    keys=st.text(alphabet=KEYS, min_size=1, max_size=24),
    lost=st.floats(0, 0.95),
    repeated=st.floats(0, 1),
    reordered=st.floats(0, 1),
    gap=st.sampled_from([60, 80, 120]),
    press=st.sampled_from([20, 40, 100, 400]),
    seed=st.integers(0, 2**32),
)
def test_whatever_the_network_does_each_key_is_read_once_and_in_order(
    keys: str,
    lost: float,
    repeated: float,
    reordered: float,
    gap: int,
    press: int,
    seed: int,
) -> None:
    sent = key_packets([(0.1, keys)], gap_ms=gap, press_ms=press, seed=seed)
    arrived = impaired(sent, Impairment(lost, repeated, reordered, seed))
    assert keys_read(arrived) == keys


def test_the_impairment_touches_first_and_end_packets_and_no_audio() -> None:
    sent = key_packets([(0.1, CARD * 6)])
    bad = Impairment(lost=0.2, repeated=0.2, reordered=0.2, seed=1)
    arrived = impaired(sent, bad)
    assert arrived == impaired(sent, bad), "the same seed spoils the same packets"
    assert [p for p in arrived if p.key is None] == [p for p in sent if p.key is None]
    events = [p for p in sent if p.key is not None]
    numbers = [p.sequence for p in arrived if p.key is not None]
    lost = {p.sequence for p in events} - set(numbers)
    firsts = {p.sequence for p in events if p.marker}
    ends = {p.sequence for p in events if p.payload[1] & 0x80}
    assert lost & firsts
    assert lost & ends
    assert len(numbers) > len(set(numbers)), "some came twice"
    assert numbers != sorted(numbers), "some came late"
    assert len(lost) == pytest.approx(0.2 * len(events), rel=0.4)
    assert len(ends) == END_PACKETS * len(CARD * 6)


@pytest.mark.parametrize(
    ("script", "press_ms", "gap_ms", "why"),
    [
        ([(0.0, "12"), (0.1, "3")], 100, 80, "before the keys before them"),
        ([(0.0, "x")], 100, 80, "not on a keypad"),
        ([(0.0, "1")], 50, 80, "press_ms"),
        ([(0.0, "1")], 100, 40, "gap_ms"),
    ],
)
def test_an_impossible_script_is_refused(
    script: list[tuple[float, str]], press_ms: int, gap_ms: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        key_packets(script, press_ms=press_ms, gap_ms=gap_ms)
