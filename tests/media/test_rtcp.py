"""RTCP packets, there and back, and everything that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.rtcp import (
    Goodbye,
    OtherPacket,
    Packet,
    Report,
    ReportBlock,
    SenderInfo,
    SourceNames,
    is_control,
    pack,
    unpack,
)


def bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**count - 1)


blocks = st.lists(
    st.builds(
        ReportBlock,
        bits(32),
        bits(8),
        st.integers(-(2**23), 2**23 - 1),
        bits(32),
        bits(32),
        bits(32),
        bits(32),
    ),
    max_size=31,
).map(tuple)
senders = st.none() | st.builds(SenderInfo, bits(64), bits(32), bits(32), bits(32))
reports = st.builds(Report, bits(32), senders, blocks)
names = st.builds(
    SourceNames,
    st.lists(st.tuples(bits(32), st.binary(max_size=255)), max_size=31).map(tuple),
)
goodbyes = st.builds(
    Goodbye, st.lists(bits(32), max_size=31).map(tuple), st.binary(max_size=255)
)
others = st.builds(
    OtherPacket,
    st.sampled_from([192, 204, 205, 206, 207, 223]),
    bits(5),
    st.lists(st.binary(min_size=4, max_size=4), max_size=8).map(b"".join),
)
compounds = st.tuples(reports, st.lists(reports | names | goodbyes | others, max_size=4)).map(
    lambda parts: (parts[0], *parts[1])
)


@given(compounds)
def test_a_compound_packet_is_read_as_it_was_written(packets: tuple[Packet, ...]) -> None:
    octets = pack(packets)
    assert unpack(octets) == packets
    assert len(octets) % 4 == 0
    assert is_control(octets)


def test_the_octets_are_those_of_the_rfc() -> None:
    block = ReportBlock(0xB, 64, -2, 0x10005, 7, 0x11112222, 65536)
    packets = (
        Report(0xA, SenderInfo(0x0102030405060708, 9, 10, 1600), (block,)),
        SourceNames(((0xA, b"me"),)),
        Goodbye((0xA,), b"end"),
    )
    assert pack(packets).hex(" ", -4) == (
        "81c8000c 0000000a 01020304 05060708 00000009 0000000a 00000640 "
        "0000000b 40fffffe 00010005 00000007 11112222 00010000 "
        "81ca0003 0000000a 01026d65 00000000 "
        "81cb0002 0000000a 03656e64"
    )


@given(st.binary(max_size=200) | st.binary(max_size=60).map(b"\x81\xc9\x00\x07".__add__))
def test_arbitrary_octets_are_packets_or_none(octets: bytes) -> None:
    packets = unpack(octets)
    if packets is not None:
        assert isinstance(packets[0], Report)
        assert unpack(pack(packets)) == packets


@given(compounds, st.data())
def test_damaged_packets_are_packets_or_none(
    packets: tuple[Packet, ...], data: st.DataObject
) -> None:
    octets = bytearray(pack(packets))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(bits(8))
    unpack(bytes(octets))
    assert unpack(bytes(octets[: len(octets) - data.draw(st.integers(1, 3))])) is None


EMPTY = "80c90001 0000000a"


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "80c900",
        "40c90001 0000000a",
        "80ca0000",
        "80c90000",
        "80c80001 0000000a",
        "81c90001 0000000a",
        "a0c90002 0000000a 00000004",
        f"{EMPTY} a0cb0001 00000000",
        f"{EMPTY} a0cb0001 00000003",
        f"{EMPTY} a0cb0001 00000008",
        f"{EMPTY} a0cb0000",
        f"{EMPTY} a0cb0001 00000004 {EMPTY}",
        f"{EMPTY} 80640000",
        f"{EMPTY} 81ca0000",
        f"{EMPTY} 81ca0001 0000000a",
        f"{EMPTY} 81ca0002 0000000a 01016100".replace("01016100", "01ff6100"),
        f"{EMPTY} 81ca0002 0000000a 01026100".replace("01026100", "01016101"),
        f"{EMPTY} 81cb0000",
        f"{EMPTY} 80cb0001 05616263",
    ],
)
def test_malformed_packets_are_none(octets: str) -> None:
    assert unpack(bytes.fromhex(octets)) is None


def test_padding_of_the_last_and_extensions_of_a_profile_are_passed_over() -> None:
    plain = bytes.fromhex(EMPTY)
    padded = bytes.fromhex(f"{EMPTY} a0cb0001 00000004")
    assert unpack(padded) == (Report(0xA), Goodbye(()))
    assert unpack(bytes.fromhex("80c90003 0000000a 11111111 22222222")) == unpack(plain)


def test_a_name_among_other_items_is_found() -> None:
    octets = bytes.fromhex(f"{EMPTY} 81ca0004 0000000a 02016101 01620701 63000000")
    assert unpack(octets) == (Report(0xA), SourceNames(((0xA, b"b"),)))


def test_on_a_shared_port_the_second_octet_tells() -> None:
    assert not is_control(b"")
    assert not is_control(b"\x80")
    assert [second for second in range(256) if is_control(bytes([0x80, second]))] == [
        *range(192, 224)
    ]
