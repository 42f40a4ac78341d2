"""Waiting for work, but not for ever."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ivr.clock import at_most


def waited(clock: Clock, work: Deferred[str]) -> list[None]:
    over: list[None] = []
    at_most(clock, 2.0, work).addCallback(over.append)
    return over


def test_work_that_ends_is_waited_for_no_longer() -> None:
    clock, work = Clock(), Deferred[str]()
    over = waited(clock, work)
    assert not over
    work.callback("done")
    assert over == [None]
    assert not clock.getDelayedCalls()


def test_work_that_fails_has_ended_too() -> None:
    clock, work = Clock(), Deferred[str]()
    over = waited(clock, work)
    work.errback(RuntimeError())
    assert over == [None]


def test_work_that_takes_too_long_goes_on_alone() -> None:
    clock, work = Clock(), Deferred[str]()
    over = waited(clock, work)
    clock.advance(2)
    assert over == [None]
    work.callback("late")
    assert over == [None]
