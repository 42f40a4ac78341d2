"""When nothing comes: moved after three seconds, silent after a minute, each told once."""

from twisted.internet.task import Clock

from ivr.media.watch import Watch
from tests.media.harness import run


class Told:
    def __init__(self, silence: float = 60.0) -> None:
        self.clock = Clock()
        self.log: list[tuple[str, float]] = []
        self.watch = Watch(
            self.clock, silence, lambda: self.note("moved"), lambda: self.note("silence")
        )

    def note(self, what: str) -> None:
        self.log.append((what, round(self.clock.seconds(), 1)))

    def hear(self, *times: float) -> None:
        for at in times:
            run(self.clock, at - self.clock.seconds())
            self.watch.hear(at)


def test_a_peer_that_never_sends_is_moved_then_silent() -> None:
    told = Told()
    told.watch.expect()
    run(told.clock, 300.0)
    assert told.log == [("moved", 3.0), ("silence", 60.0)]


def test_while_packets_come_nothing_is_told() -> None:
    told = Told(silence=10.0)
    told.watch.expect()
    told.hear(*(2.9 * n for n in range(1, 30)))
    assert told.log == []
    run(told.clock, 30.0)
    assert told.log == [("moved", 87.1), ("silence", 94.1)]


def test_it_is_told_again_when_packets_came_in_between() -> None:
    told = Told(silence=0)
    told.watch.expect()
    told.hear(1.0, 10.0, 20.0)
    assert [what for what, _ in told.log] == ["moved", "moved"]
    run(told.clock, 600.0)
    assert [what for what, _ in told.log] == ["moved"] * 3


def test_another_sign_of_life_delays_the_silence_only() -> None:
    told = Told(silence=10.0)
    told.watch.expect()
    for n in range(1, 6):
        run(told.clock, 5.0)
        told.watch.note_life(5.0 * n)
    assert told.log == [("moved", 3.0)]
    run(told.clock, 60.0)
    assert told.log == [("moved", 3.0), ("silence", 35.0)]


def test_where_packets_are_seldom_three_must_be_missing() -> None:
    told = Told(silence=5.0)
    told.watch.expect_each(64 * 0.06)
    told.watch.expect()
    run(told.clock, 60.0)
    assert told.log == [("moved", 11.5), ("silence", 11.5)]


def test_on_hold_nothing_is_expected_and_after_it_anew() -> None:
    told = Told(silence=10.0)
    told.watch.expect()
    run(told.clock, 2.0)
    told.watch.rest()
    told.watch.rest()
    assert told.clock.getDelayedCalls() == []
    run(told.clock, 600.0)
    told.watch.expect()
    told.watch.expect()
    assert len(told.clock.getDelayedCalls()) == 1
    run(told.clock, 60.0)
    assert told.log == [("moved", 605.0), ("silence", 612.0)]


def test_who_is_told_may_end_the_watch() -> None:
    told = Told(silence=3.0)

    def end() -> None:
        told.watch.rest()
        told.note("ended")

    told.watch = Watch(told.clock, 3.0, end, lambda: told.note("silence"))
    told.watch.expect()
    run(told.clock, 60.0)
    assert told.log == [("ended", 3.0)]
    assert told.clock.getDelayedCalls() == []
