"""The tick of all streams: exact times, nobody early, late or left out."""

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ivr.media.playback import AudioStream, Playback
from ivr.media.playout import Playout
from tests.media.harness import SILENCE, Wire, clip, rig, run


def test_over_a_minute_no_packet_is_early_late_or_left_out() -> None:
    clock = Clock()
    clock.advance(1_700_000_000.123)
    clock, playout, _, wire = rig(clock)
    begin = clock.seconds()
    run(clock, 60.0)
    assert len(wire.packets) == 3001
    assert max(abs(t - begin - 0.02 * n) for n, t in enumerate(wire.times)) < 0.001
    assert playout.punctuality.share == 1.0
    wire.assert_unbroken()


def many(clock: Clock, count: int) -> tuple[Playout, list[Wire]]:
    playout = Playout(clock)
    wires = [Wire(clock) for _ in range(count)]
    for wire in wires:
        playout.add(AudioStream(wire.send))
    return playout, wires


def test_streams_are_spread_over_the_20_ms() -> None:
    clock = Clock()
    _, wires = many(clock, 10)
    run(clock, 0.039)
    starts = sorted(wire.times[0] for wire in wires)
    assert starts == pytest.approx([0.0] * 3 + [0.005] * 3 + [0.010] * 2 + [0.015] * 2)
    for wire in wires:
        assert wire.times[1] - wire.times[0] == pytest.approx(0.02)


def test_a_new_stream_goes_to_the_least_loaded_phase() -> None:
    clock = Clock()
    playout = Playout(clock)
    wires = [Wire(clock) for _ in range(8)]
    streams = [AudioStream(wire.send) for wire in wires]
    for stream in streams:
        playout.add(stream)
    playout.remove(streams[2])
    playout.remove(streams[6])
    run(clock, 0.02)
    late = Wire(clock)
    playout.add(AudioStream(late.send))
    run(clock, 0.02)
    assert late.times[0] % 0.02 == pytest.approx(0.010)


def test_the_timer_runs_only_while_there_are_streams() -> None:
    clock, playout, stream, wire = rig()
    run(clock, 0.05)
    playout.remove(stream)
    assert clock.getDelayedCalls() == []
    playout.remove(stream)
    run(clock, 5.0)
    sent = len(wire.packets)
    playout.add(stream)
    run(clock, 0.05)
    assert len(wire.packets) == sent + 3
    assert len(playout) == 1


def test_a_send_that_fails_stops_nobody_and_no_number() -> None:
    clock = Clock()
    playout = Playout(clock)
    wires = [Wire(clock) for _ in range(8)]
    refused = ConnectionRefusedError()

    def failing(octets: bytes) -> None:
        wires[0].send(octets)
        raise refused

    broken = AudioStream(failing)
    playout.add(broken)
    for wire in wires[1:]:
        playout.add(AudioStream(wire.send))
    run(clock, 0.998)
    assert [len(wire.packets) for wire in wires] == [50] * 8
    assert broken.unsent == 50
    for wire in wires:
        wire.assert_unbroken()


def test_after_a_late_tick_all_that_is_due_is_sent_and_no_more() -> None:
    clock, playout, _, wire = rig()
    run(clock, 0.04)
    clock.advance(0.075)
    assert wire.times == pytest.approx([0.0, 0.02, 0.04, 0.115, 0.115, 0.115])
    run(clock, 0.06)
    assert wire.times[6:] == pytest.approx([0.12, 0.14, 0.16])
    wire.assert_unbroken()
    figures = playout.punctuality
    assert (figures.packets, figures.punctual, figures.skipped) == (9, 6, 0)
    assert figures.worst == pytest.approx(0.055)


def test_after_a_standstill_no_burst_is_sent_and_no_word_is_lost() -> None:
    clock, playout, stream, wire = rig()
    stream.play(Playback([clip(1, 2, 3, 4, 5)]))
    run(clock, 0.03)
    clock.advance(2.0)
    assert wire.heard() == [1, 2, 3]
    run(clock, 0.06)
    assert wire.heard() == [1, 2, 3, 4, 5, SILENCE]
    first = wire.packets[0]
    ahead = [(p.timestamp - first.timestamp) % 2**32 // 160 for p in wire.packets]
    assert ahead == [0, 1, 101, 102, 103, 104]
    assert [p.sequence for p in wire.packets] == [
        (first.sequence + n) % 2**16 for n in range(6)
    ]
    figures = playout.punctuality
    assert (figures.packets, figures.skipped) == (6, 99)
    assert figures.worst == pytest.approx(1.99, abs=0.005)
    assert figures.share < 0.06


class TurnedBack(Clock):
    """A clock that somebody sets."""

    def turn_back(self, seconds: float) -> None:
        self.rightNow -= seconds
        for call in self.calls:
            call.reset(0)


def test_a_clock_that_is_set_back_does_not_silence_the_calls() -> None:
    clock = TurnedBack()
    clock.advance(7200.0)
    _, _, _, wire = rig(clock)
    run(clock, 0.05)
    clock.turn_back(3600.0)
    run(clock, 0.1)
    assert len(wire.packets) == 8
    wire.assert_unbroken()


def test_what_a_finished_playback_calls_may_end_and_begin_streams() -> None:
    clock, playout, stream, wire = rig()
    other = Wire(clock)

    def hang_up(_: bool) -> None:
        playout.remove(stream)
        playout.add(AudioStream(other.send))

    playback = Playback([clip(1, 2)])
    playback.finished.addCallback(hang_up)
    stream.play(playback)
    run(clock, 0.1)
    assert wire.heard() == [1, 2]
    assert other.times == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert len(clock.getDelayedCalls()) == 1


def test_an_error_in_what_a_finished_playback_calls_stops_nobody() -> None:
    clock, _, stream, wire = rig()
    errors: list[Failure] = []

    def broken(_: bool) -> None:
        raise RuntimeError

    playback = Playback([clip(1)])
    playback.finished.addCallback(broken).addErrback(errors.append)
    stream.play(playback)
    run(clock, 0.05)
    assert wire.heard() == [1, SILENCE, SILENCE]
    assert [error.type for error in errors] == [RuntimeError]


class Slow(Clock):
    """A clock on which each packet takes a while to send."""

    def send(self, _octets: bytes) -> None:
        self.rightNow += 0.004


def test_lateness_is_that_of_the_last_packet_of_a_beat() -> None:
    clock = Slow()
    playout = Playout(clock, phases=1)
    for _ in range(3):
        playout.add(AudioStream(clock.send))
    run(clock, 0.001)
    figures = playout.punctuality
    assert (figures.packets, figures.punctual, figures.skipped) == (3, 0, 0)
    assert figures.worst == pytest.approx(0.012)


def test_punctuality_of_nothing_is_perfect() -> None:
    assert Playout(Clock()).punctuality.share == 1.0
