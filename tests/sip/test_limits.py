"""Access lists, buckets, lock-outs and the meter of lag, each alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.sip.access import AccessList
from ivr.sip.buckets import TokenBuckets
from ivr.sip.lockout import FREE_FOR_ALL, FREE_FOR_ONE, LONGEST, Lockout
from ivr.sip.overload import TICK, LagMeter

HOST = "192.0.2.10"


@pytest.mark.parametrize(
    ("allow", "deny", "host", "admitted"),
    [
        ([], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "192.0.2.255", True),
        (["192.0.2.0/24"], [], "192.0.3.1", False),
        (["192.0.2.0/24"], [], "2001:db8::1", False),
        (["192.0.2.0/24"], [], "::ffff:192.0.2.1", True),
        ([], ["192.0.2.7"], "192.0.2.7", False),
        ([], ["192.0.2.7"], "192.0.2.8", True),
        (["192.0.2.0/24"], ["192.0.2.7"], "192.0.2.7", False),
        (["2001:db8::/32"], ["2001:db8:1::/48"], "2001:db8:2::1", True),
        (["2001:db8::/32"], ["2001:db8:1::/48"], "2001:db8:1::1", False),
    ],
)
def test_access(allow: list[str], deny: list[str], host: str, admitted: bool) -> None:
    access = AccessList(allow, deny)
    assert [access.admits(host), access.admits(host)] == [admitted, admitted]


def test_access_remembers_no_more_than_it_may() -> None:
    access = AccessList(["10.0.0.0/8"])
    for number in range(10_000):
        assert access.admits(f"10.0.{number // 256}.{number % 256}")
    assert len(access._known) <= 4096


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        AccessList(["192.0.2.1/24"])


def test_a_bucket_empties_and_fills() -> None:
    clock = Clock()
    buckets = TokenBuckets(clock, rate=2, burst=3)
    assert [buckets.take(HOST) for _ in range(4)] == [True, True, True, False]
    clock.advance(0.5)
    assert [buckets.take(HOST) for _ in range(2)] == [True, False]
    assert buckets.take("192.0.2.11")
    clock.advance(100)
    assert [buckets.take(HOST) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 20))
def test_never_more_than_the_burst_and_the_rate(pauses: list[float], rate: float) -> None:
    clock = Clock()
    buckets = TokenBuckets(clock, rate=rate, burst=5)
    taken = 0
    for pause in pauses:
        clock.advance(pause)
        taken += buckets.take(HOST)
        assert taken <= 5 + rate * clock.seconds() + 1e-6


def test_the_source_not_seen_for_longest_is_forgotten() -> None:
    clock = Clock()
    buckets = TokenBuckets(clock, rate=0.1, burst=1, sources=100)
    for number in range(1000):
        assert buckets.take(f"source {number}")
        buckets.take("always there")
    assert len(buckets) == 100
    assert not buckets.take("always there")
    assert buckets.take("source 1")


@pytest.mark.parametrize("between", [0.0, 0.01])
def test_wrong_passwords_make_the_wait_longer_and_longer(between: float) -> None:
    clock = Clock()
    lockout = Lockout(clock)
    waits = []
    for _ in range(FREE_FOR_ONE + 10):
        clock.advance(between)
        lockout.failed(HOST, "bob")
        waits.append(round(lockout.wait(HOST, "bob"), 6))
    assert waits[: FREE_FOR_ONE + 3] == [0] * (FREE_FOR_ONE - 1) + [1, 2, 4, 8]
    assert waits[-1] == LONGEST
    assert lockout.wait(HOST, "alice") == 0
    assert lockout.wait("192.0.2.11", "bob") == 0
    clock.advance(LONGEST)
    assert lockout.wait(HOST, "bob") == 0
    lockout.failed(HOST, "bob")
    assert lockout.wait(HOST, "bob") > 60


def test_many_users_of_one_source_wait_together() -> None:
    lockout = Lockout(Clock())
    for number in range(FREE_FOR_ALL - 1):
        lockout.failed(HOST, f"user {number}")
    assert lockout.wait(HOST, "another") == 0
    lockout.failed(HOST, "one more")
    assert lockout.wait(HOST, "another") == 1


def test_a_telephone_with_a_wrong_password_keeps_out_nobody_else() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(24 * 60 * 2):  # a day, one try in half a minute
        if not lockout.wait(HOST, "wrong"):
            lockout.failed(HOST, "wrong")
        clock.advance(30)
        assert lockout.wait(HOST, "right") == 0


def test_success_forgives() -> None:
    lockout = Lockout(Clock())
    for _ in range(FREE_FOR_ONE - 1):
        lockout.failed(HOST, "bob")
    lockout.succeeded(HOST, "bob")
    lockout.failed(HOST, "bob")
    assert lockout.wait(HOST, "bob") == 0


def test_a_flood_of_names_is_not_remembered_for_ever() -> None:
    lockout = Lockout(Clock())
    for number in range(50_000):
        lockout.failed(f"host {number}", f"user {number}")
    assert len(lockout) <= 20_000


class Load:
    """An event loop whose timers come late."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.meter = LagMeter(self.clock)
        self.meter.start()

    def ticks(self, number: int, late: float) -> Counter[bool]:
        states: Counter[bool] = Counter()
        for _ in range(number):
            self.clock.advance(TICK + late)
            states[self.meter.overloaded] += 1
        return states


def test_a_loop_in_time_is_not_overloaded() -> None:
    load = Load()
    assert load.ticks(100, 0.005) == {False: 100}
    load.meter.stop()
    load.meter.stop()
    assert load.clock.getDelayedCalls() == []


def test_one_pause_is_no_overload() -> None:
    load = Load()
    load.ticks(1, 5.0)
    assert load.ticks(20, 0) == {False: 20}


def test_a_loop_that_stays_behind_is_soon_overloaded() -> None:
    load = Load()
    assert load.ticks(8, 0.4)[True] >= 2


def test_overload_ends_when_it_was_calm_for_a_second() -> None:
    load = Load()
    load.ticks(20, 0.4)
    assert load.ticks(10, 0.08) == {True: 10}
    assert load.ticks(10, 0)[False] == 0
    assert load.ticks(30, 0)[False] > 0
    assert load.ticks(10, 0) == {False: 10}
