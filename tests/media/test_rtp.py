"""RTP packets, there and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.rtp import (
    Extension,
    RtpPacket,
    sequence_distance,
    timestamp_distance,
    unpack,
)


def bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**count - 1)


extensions = st.builds(
    lambda profile, words: Extension(profile, b"".join(words)),
    bits(16),
    st.lists(st.binary(min_size=4, max_size=4), max_size=4),
)
packets = st.builds(
    RtpPacket,
    payload_type=bits(7),
    sequence=bits(16),
    timestamp=bits(32),
    ssrc=bits(32),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrc=st.lists(bits(32), max_size=15).map(tuple),
    extension=st.none() | extensions,
    padding=st.integers(0, 255),
)


@given(packets)
@settings(deadline=None)
def test_a_packet_is_read_as_it_was_written(packet: RtpPacket) -> None:
    assert unpack(packet.pack()) == packet


def test_the_octets_are_those_of_the_rfc() -> None:
    packet = RtpPacket(8, 0x1234, 0x01020304, 0xAABBCCDD, b"\xd5\xd5", marker=True)
    assert packet.pack().hex() == "80881234" + "01020304" + "aabbccdd" + "d5d5"
    full = RtpPacket(
        101, 1, 2, 3, b"\x05", csrc=(7,), extension=Extension(0xBEDE, b"abcd"), padding=2
    )
    assert full.pack().hex(" ", -4) == (
        "b1650001 00000002 00000003 00000007 bede0001 61626364 050002"
    )


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_arbitrary_octets_are_a_packet_or_none_never_an_exception(octets: bytes) -> None:
    packet = unpack(octets)
    if packet is not None:
        assert octets[0] >> 6 == 2
        again = packet.pack()
        assert len(again) == len(octets)
        assert unpack(again) == packet


@given(packets, st.data())
@settings(deadline=None)
def test_a_cut_off_header_is_none(packet: RtpPacket, data: st.DataObject) -> None:
    octets = packet.pack()
    header = len(octets) - len(packet.payload) - packet.padding
    assert unpack(octets[: data.draw(st.integers(0, header - 1))]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        bytes([0x40]) + bytes(11),
        bytes([0xA0]) + bytes(11),
        bytes([0xA0]) + bytes(11) + bytes([0]),
        bytes([0xA0]) + bytes(11) + bytes([2]),
        bytes([0x90]) + bytes(11) + bytes([0, 0, 0, 1]),
    ],
    ids=[
        "empty",
        "version 1",
        "no padding octet",
        "padding 0",
        "padding too long",
        "extension",
    ],
)
def test_malformed_packets_are_none(octets: bytes) -> None:
    assert unpack(octets) is None


def test_a_packet_shows_no_payload() -> None:
    packet = RtpPacket(101, 1, 2, 3, b"\x07secret")
    assert "secret" not in repr(packet)
    assert "x07" not in str(packet)


def test_distances_run_over_the_wrap() -> None:
    assert sequence_distance(2, 65534) == 4
    assert sequence_distance(65534, 2) == -4
    assert timestamp_distance(160, 2**32 - 160) == 320
    assert timestamp_distance(2**32 - 160, 160) == -320
