"""Where packets go: the described address, then the real source."""

from ivr.media.address import Address
from ivr.media.latch import Latch

PHONE = Address("192.0.2.10", 4000)
NAT = Address("203.0.113.7", 61000)


def test_the_described_address_is_the_target_until_a_packet_comes() -> None:
    latch = Latch(signalling_host=None)
    assert latch.aim(PHONE, at=0)
    assert (latch.target, latch.latched) == (PHONE, False)


def test_a_source_on_another_port_becomes_the_target() -> None:
    latch = Latch(None)
    latch.aim(PHONE, at=0)
    assert latch.hear(Address("192.0.2.10", 4444), at=1)
    assert latch.target == Address("192.0.2.10", 4444)
    assert not latch.hear(PHONE, at=2)


def test_only_the_described_and_the_signalling_host_are_admitted() -> None:
    latch = Latch(signalling_host=NAT.host)
    assert not latch.admits(NAT.host)
    latch.aim(PHONE, at=0)
    assert latch.admits(PHONE.host)
    assert latch.admits(NAT.host)
    assert not latch.admits("198.51.100.1")


def test_a_repeated_description_keeps_the_latch() -> None:
    latch = Latch(NAT.host)
    latch.aim(PHONE, at=0)
    latch.hear(NAT, at=1)
    assert not latch.aim(PHONE, at=2)
    assert latch.target == NAT


def test_after_a_move_the_last_packets_of_the_old_stream_do_not_win() -> None:
    latch = Latch(None)
    moved = Address("192.0.2.10", 5000)
    latch.aim(PHONE, at=0)
    latch.hear(PHONE, at=1)
    assert latch.aim(moved, at=2)
    assert latch.target == moved
    assert not latch.hear(PHONE, at=2.5)
    assert latch.hear(moved, at=2.6)


def test_a_peer_that_goes_on_from_its_old_source_is_latched_there_after_a_second() -> None:
    latch = Latch(NAT.host)
    latch.aim(PHONE, at=0)
    latch.hear(NAT, at=1)
    latch.aim(Address("192.0.2.10", 5000), at=2)
    assert not latch.hear(NAT, at=2.9)
    assert latch.hear(NAT, at=3.1)
    assert latch.target == NAT


def test_a_released_latch_keeps_its_target_until_another_source_is_heard() -> None:
    latch = Latch(NAT.host)
    latch.release()
    latch.aim(PHONE, at=0)
    latch.hear(NAT, at=1)
    latch.release()
    latch.release()
    assert latch.target == NAT
    assert not latch.latched
    moved = Address(NAT.host, 7)
    assert latch.hear(moved, at=2)
    latch.release()
    assert latch.target == moved
    latch.aim(Address("192.0.2.10", 5000), at=3)
    assert latch.target == Address("192.0.2.10", 5000)
