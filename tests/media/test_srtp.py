"""SRTP and SRTCP: both ends, forgeries, replays, and no growth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.rtp import RtpPacket
from ivr.media.sdes import MasterKey, Suite
from ivr.media.security import Refusals
from ivr.media.srtp import Protection

SUITES = list(Suite)


def ends(suite: Suite = Suite.AES_CM_128_HMAC_SHA1_80) -> tuple[Protection, Protection]:
    a, b = MasterKey.fresh(suite), MasterKey.fresh(suite)
    return Protection(suite, a, b), Protection(suite, b, a)


def rtp(sequence: int, ssrc: int = 7) -> bytes:
    payload = bytes([sequence & 0xFF]) * 160
    return RtpPacket(8, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, ssrc, payload).pack()


CONTROL = bytes.fromhex("80c90001 00000007")


@pytest.mark.parametrize(("suite", "tag"), [*zip(SUITES, (10, 4, 16), strict=True)])
def test_what_one_end_protects_only_the_other_can_open(suite: Suite, tag: int) -> None:
    ours, theirs = ends(suite)
    plain = rtp(1)
    closed = ours.protect(plain)
    assert len(closed) == len(plain) + tag
    assert closed[:12] == plain[:12]
    assert plain[12:28] not in closed
    assert theirs.open(closed) == plain
    assert ends(suite)[1].open(closed) is None
    closed = ours.protect_control(CONTROL)
    assert closed[:8] == CONTROL
    assert theirs.open_control(closed) == CONTROL


@pytest.mark.parametrize("suite", SUITES)
def test_a_stream_goes_on_over_the_wrap_of_its_numbers(suite: Suite) -> None:
    ours, theirs = ends(suite)
    for sequence in range(65_000, 66_100, 64):
        assert theirs.open(ours.protect(rtp(sequence))) == rtp(sequence)


def test_a_key_that_stays_keeps_its_count_of_wraps_and_its_memory() -> None:
    suite = Suite.AES_CM_128_HMAC_SHA1_80
    a, b, c = (MasterKey.fresh(suite) for _ in range(3))
    ours, theirs = Protection(suite, a, b), Protection(suite, b, a)
    for sequence in range(65_000, 66_000, 50):
        last = ours.protect(rtp(sequence))
        assert theirs.open(last) == rtp(sequence)
    ours.rekey(suite, a, c)
    theirs.rekey(suite, c, a)
    assert theirs.open(ours.protect(rtp(66_001))) == rtp(66_001)
    assert theirs.open(last) is None
    assert theirs.refusals == Refusals(replayed=1)
    assert ours.open(theirs.protect(rtp(1))) == rtp(1)
    ours.rekey(suite, b, c)
    assert theirs.open(ours.protect(rtp(66_002))) is None
    theirs.rekey(suite, c, b)
    assert theirs.open(ours.protect(rtp(66_003))) == rtp(66_003)


def test_replays_and_forgeries_are_dropped_and_counted() -> None:
    ours, theirs = ends()
    closed = [ours.protect(rtp(sequence)) for sequence in range(1, 2001)]
    assert [theirs.open(packet) is not None for packet in (closed[1999], closed[1500])] == [
        True,
        True,
    ]
    assert theirs.open(closed[1500]) is None
    assert theirs.open(closed[0]) is None
    assert theirs.refusals == Refusals(replayed=2)
    damaged = bytearray(closed[1600])
    damaged[20] ^= 1
    assert theirs.open(bytes(damaged)) is None
    assert theirs.open(rtp(3000)) is None
    assert theirs.refusals == Refusals(unauthentic=2, replayed=2)
    assert theirs.open(closed[1600]) == rtp(1601)
    control = ours.protect_control(CONTROL)
    assert theirs.open_control(control) == CONTROL
    assert theirs.open_control(control) is None
    assert theirs.open_control(CONTROL) is None
    assert theirs.refusals == Refusals(unauthentic=3, replayed=3)


@given(st.sampled_from(Suite), st.binary(max_size=2048))
def test_arbitrary_octets_are_nothing(suite: Suite, octets: bytes) -> None:
    theirs = PROTECTIONS[suite]
    assert theirs.open(octets) is None
    assert theirs.open_control(octets) is None


PROTECTIONS = {suite: ends(suite)[1] for suite in SUITES}


def test_a_packet_too_large_for_the_library_is_lost_not_raised() -> None:
    ours, theirs = ends()
    with pytest.raises(OSError, match="protected"):
        ours.protect(bytes(4))
    with pytest.raises(OSError, match="protected"):
        ours.protect_control(bytes(4))
    assert theirs.open(bytes([0x80, 8]) + bytes(2000)) is None


def test_a_peer_that_names_ever_new_sources_is_cut_off() -> None:
    ours, theirs = ends()
    opened = [theirs.open(ours.protect(rtp(1, ssrc))) is not None for ssrc in range(100)]
    assert opened == [True] * 32 + [False] * 68
    assert theirs.open(ours.protect(rtp(2, ssrc=5))) == rtp(2, ssrc=5)
    assert theirs.refusals == Refusals(unauthentic=68)
    control = [theirs.open_control(ours.protect_control(CONTROL[:4] + bytes(3) + b"\xff"))]
    assert control == [None]


def test_it_shows_no_key() -> None:
    key = MasterKey(b"secret" * 5)
    protection = Protection(Suite.AES_CM_128_HMAC_SHA1_80, key, key)
    assert "secret" not in repr(protection)
    with pytest.raises(OSError, match="protected") as failed:
        protection.protect(b"")
    assert "secret" not in repr(failed.value)
