"""RTP ports."""

import pytest

from ivr.media.ports import NoPortLeft, PortPool


def test_even_ports_are_given_out_in_turn_and_come_back_last() -> None:
    pool = PortPool(20001, 20007)
    assert [pool.take(), pool.take()] == [20002, 20004]
    pool.give_back(20002)
    assert [pool.take(), pool.take()] == [20006, 20002]


def test_when_none_is_left_the_range_is_named() -> None:
    pool = PortPool(20000, 20002)
    pool.take()
    pool.take()
    with pytest.raises(NoPortLeft, match="20000 to 20002"):
        pool.take()
    pool.give_back(20002)
    assert (len(pool), pool.take()) == (1, 20002)


@pytest.mark.parametrize(
    ("first", "last"), [(20001, 20001), (20004, 20002), (-2, 4), (2, 65536)]
)
def test_a_range_without_an_even_port_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no even port"):
        PortPool(first, last)
