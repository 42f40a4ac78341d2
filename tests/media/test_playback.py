"""One stream: exact packets, whatever is played on it."""

import pytest

from ivr.media.clips import silence
from ivr.media.g711 import Codec
from ivr.media.playback import Playback
from tests.media.harness import SILENCE, clip, results, rig, run


def test_silence_goes_out_every_20_ms_as_one_unbroken_stream() -> None:
    clock, _, _, wire = rig()
    run(clock, 0.999)
    assert wire.times == pytest.approx([0.02 * n for n in range(50)])
    assert set(wire.heard()) == {SILENCE}
    assert {packet.payload_type for packet in wire.packets} == {8}
    wire.assert_unbroken()


def test_streams_begin_anywhere_in_their_number_space() -> None:
    streams = [rig() for _ in range(8)]
    for clock, _, _, _ in streams:
        run(clock, 0.0)
    firsts = [wire.packets[0] for _, _, _, wire in streams]
    assert len({packet.ssrc for packet in firsts}) == 8
    assert len({packet.timestamp for packet in firsts}) == 8
    assert len({packet.sequence for packet in firsts}) > 4


def test_numbers_wrap() -> None:
    clock, _, stream, wire = rig()
    stream._sequence, stream._timestamp = 65534, 2**32 - 320
    run(clock, 0.1)
    assert [p.sequence for p in wire.packets[:4]] == [65534, 65535, 0, 1]
    assert [p.timestamp for p in wire.packets[:4]] == [2**32 - 320, 2**32 - 160, 0, 160]


def test_clips_follow_each_other_without_a_gap_then_silence() -> None:
    clock, _, stream, wire = rig()
    playback = Playback([clip(1, 2), silence(0), clip(3)])
    fired = results(playback)
    run(clock, 0.019)
    stream.play(playback)
    run(clock, 0.1)
    assert wire.heard() == [SILENCE, 1, 2, 3, SILENCE, SILENCE]
    assert fired == [True]
    wire.assert_unbroken()


def test_a_playback_is_finished_when_its_last_frame_was_sent_so_that_the_next_one_follows() -> (
    None
):
    clock, _, stream, wire = rig()
    first, second = Playback([clip(1, 2)]), Playback([clip(3)])
    first.finished.addCallback(lambda _: stream.play(second))
    stream.play(first)
    run(clock, 0.07)
    assert wire.heard() == [1, 2, 3, SILENCE]


def test_barge_in_takes_effect_at_the_next_20_ms_and_breaks_no_number() -> None:
    clock, _, stream, wire = rig()
    stream.play(Playback([clip(*range(1, 50))]))
    run(clock, 0.045)
    stream.play(None)
    run(clock, 0.02)
    stream.play(Playback([clip(60, 61)]))
    run(clock, 0.06)
    assert wire.heard() == [1, 2, 3, SILENCE, 60, 61, SILENCE]
    wire.assert_unbroken()


def test_nothing_to_play_is_finished_at_once() -> None:
    assert results(Playback([]), Playback([silence(0)])) == [True, True]


def test_a_cancelled_playback_stops_and_fires_false_instead_of_an_error() -> None:
    clock, _, stream, wire = rig()
    playback = Playback([clip(1, 2, 3, 4)])
    fired = results(playback)
    stream.play(playback)
    run(clock, 0.03)
    playback.finished.cancel()
    run(clock, 0.04)
    assert fired == [False]
    assert wire.heard() == [1, 2, SILENCE, SILENCE]


def test_a_codec_that_changes_goes_on_at_the_same_place() -> None:
    clock, _, stream, wire = rig()
    stream.play(Playback([clip(1, 2, 3, 4)]))
    run(clock, 0.03)
    stream.use(Codec.PCMU, 0)
    run(clock, 0.06)
    assert wire.heard() == [1, 2, 103, 104, 0xFF]
    assert [p.payload_type for p in wire.packets] == [8, 8, 0, 0, 0]
    wire.assert_unbroken()


def test_a_pause_keeps_the_place_and_lets_time_run() -> None:
    clock, playout, stream, wire = rig()
    stream.play(Playback([clip(1, 2, 3, 4)]))
    run(clock, 0.03)
    playout.remove(stream)
    stream.pause(clock.seconds())
    run(clock, 1.0)
    stream.resume(clock.seconds())
    playout.add(stream)
    run(clock, 0.05)
    assert wire.heard() == [1, 2, 3, 4, SILENCE]
    first = wire.packets[0]
    assert [p.sequence for p in wire.packets] == [
        (first.sequence + n) % 2**16 for n in range(5)
    ]
    ahead = [(p.timestamp - first.timestamp) % 2**32 for p in wire.packets]
    assert ahead == [0, 160, 8320, 8480, 8640]
    assert [p.marker for p in wire.packets] == [True, False, True, False, False]


@pytest.mark.parametrize("played", [True, False])
def test_finished_fires_once_whoever_else_would_end_it(played: bool) -> None:
    playback = Playback([clip(1)])
    fired = results(playback)
    playback.finish(played=played)
    playback.finish(played=not played)
    playback.finished.cancel()
    assert fired == [played]
