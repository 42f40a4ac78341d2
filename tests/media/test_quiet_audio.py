"""Keys through the kernel's filter of quiet audio: those that are heard without it."""

import socket
from collections.abc import Collection, Iterator
from itertools import cycle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.media import kernel_filter
from ivr.media.g711 import RATE, Codec
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket, unpack
from tests.media.harness import run
from tests.media.sound import ALL_KEYS, Sound, joined, noise, silence, tone
from tests.media.test_inband import Line, packets
from tests.media.test_tone_limits import HEARD, NOT_HEARD, Press

SIZES = (80, 160, 240, 320, 480)
TABLE = HEARD | NOT_HEARD


class Filtered:
    """A sender of audio, a socket with the filter, and an ear behind it."""

    def __init__(self) -> None:
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.setblocking(False)
        self._receiver.bind(("127.0.0.1", 0))
        self._sender.connect(self._receiver.getsockname())
        self._dropped = 0
        self.passed = 0

    def hear(
        self, sent: Collection[RtpPacket], codec: Codec, lost: Collection[int] = ()
    ) -> Line:
        """Send each packet at its time, but for the `lost`; return who heard them."""
        assert kernel_filter.attach(self._receiver, (), codec)
        line = Line(codec)
        self.passed = 0
        for n, packet in enumerate(sent):
            if n not in lost:
                self._sender.send(packet.pack())
            self._read(line)
            run(line.clock, len(packet.payload) / RATE)
        run(line.clock, 0.15)
        return line

    def _read(self, line: Line) -> None:
        while True:
            try:
                datagram, ancillary, _, _ = self._receiver.recvmsg(
                    2048, kernel_filter.DROPS_SIZE
                )
            except BlockingIOError:
                return
            packet = unpack(datagram)
            assert packet is not None
            self.passed += 1
            self._dropped = kernel_filter.dropped_before(ancillary) or self._dropped
            line.ear.receive(packet, line.clock.seconds(), self._dropped)

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


@pytest.fixture
def filtered() -> Iterator[Filtered]:
    made = Filtered()
    yield made
    made.close()


def unfiltered(sent: list[RtpPacket], codec: Codec, lost: Collection[int] = ()) -> Line:
    """The same without a filter."""
    line = Line(codec)
    for n, packet in enumerate(sent):
        if n not in lost:
            line.ear.receive(packet, line.clock.seconds())
        run(line.clock, len(packet.payload) / RATE)
    run(line.clock, 0.15)
    return line


def timed(presses: list[KeyPress]) -> list[float]:
    """How long keys were held, and the pauses between them."""
    return [press.held for press in presses] + [press.gap for press in presses[1:]]


def through_and_past(
    filtered: Filtered, sound: Sound, codec: Codec, size: int, **numbers: int
) -> tuple[str, str]:
    """The keys heard through the filter and without it."""
    sent = packets(np.clip(sound, -32768, 32767), codec, size=size, **numbers)
    through, past = filtered.hear(sent, codec), unfiltered(sent, codec)
    if through.keys == past.keys:
        # Quiet ends of a tone may be cut, and long pauses are told by the clock.
        assert timed(through.presses) == pytest.approx(timed(past.presses), abs=0.025)
    return through.keys, past.keys


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize(
    ("press", "size"), list(zip(TABLE.values(), cycle(SIZES), strict=False)), ids=TABLE
)
def test_each_line_of_the_table_is_heard_the_same(
    filtered: Filtered, press: Press, size: int, codec: Codec
) -> None:
    """Keys from the line's start on, and after pauses short and long."""
    pauses = [40, 60, 90, 700, 45, 55]
    parts = []
    for n, key in enumerate(ALL_KEYS):
        sound = press(key, phases=(0.37 * n, 0.83 * n))[: RATE // 5]
        parts += [silence(pauses[n % len(pauses)] + 1.875 * n), sound]
    line = joined(*parts, silence(300))
    heard, expected = through_and_past(filtered, line, codec, size)
    assert heard == expected
    assert expected == ("" if press in NOT_HEARD.values() else ALL_KEYS)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    codec=st.sampled_from(Codec),
    size=st.sampled_from(SIZES),
    typed=st.lists(
        st.tuples(
            st.sampled_from(ALL_KEYS),
            st.integers(40, 120),
            st.integers(40, 900),
            st.sampled_from([(-25, -25), (-17, -25), (-25, -21), (-10, -10), (0, 0)]),
            st.floats(0, 6.28),
            st.integers(0, 159),
        ),
        min_size=1,
        max_size=6,
    ),
    line_noise=st.sampled_from([-80, -60, -50, -45]),
    sequence=st.integers(0, 0xFFFF),
)
def test_any_keys_at_any_moment_are_heard_the_same(
    filtered: Filtered,
    codec: Codec,
    size: int,
    typed: list[tuple[str, int, int, tuple[float, float], float, int]],
    line_noise: float,
    sequence: int,
) -> None:
    parts = [silence(100)]
    for key, ms, pause, levels, phase, late in typed:
        parts += [silence(late / 8), tone(key, ms, *levels, phases=(phase, 2 * phase))]
        parts += [silence(pause)]
    line = joined(*parts, silence(200))
    line += noise(len(line) / 8, line_noise)
    heard, expected = through_and_past(filtered, line, codec, size, sequence=sequence)
    assert heard == expected == "".join(key for key, *_ in typed)


@pytest.mark.parametrize("size", SIZES)
def test_a_quiet_line_comes_through_once_in_64_packets(filtered: Filtered, size: int) -> None:
    sent = packets(noise(20_000, -50), size=size)
    assert filtered.hear(sent, Codec.PCMA).keys == ""
    assert filtered.passed <= len(sent) // 64 + 1


@pytest.mark.parametrize("lost", range(40))
def test_a_lost_packet_costs_no_key_and_doubles_none(filtered: Filtered, lost: int) -> None:
    parts = [joined(tone(key, 110), silence(50)) for key in "4456#"]
    sent = packets(joined(silence(50), *parts, silence(100)))
    assert filtered.hear(sent, Codec.PCMA, [lost]).keys == "4456#"


@pytest.mark.parametrize("first", range(12))
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_burst_of_loss_is_no_pause(filtered: Filtered, first: int, count: int) -> None:
    """What the line lost is told from what the filter dropped: it doubles no key."""
    sent = packets(joined(silence(150), tone("4", 300), silence(400)))
    lost = range(first, first + count)
    assert filtered.hear(sent, Codec.PCMA, lost).keys == "4"


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32 - 1))
def test_at_five_percent_loss_the_same_keys_are_heard(filtered: Filtered, seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [joined(tone(key, 100), silence(random.uniform(60, 900))) for key in "4242*"]
    sent = packets(joined(silence(100), *parts, silence(200)))
    lost = np.flatnonzero(random.random(len(sent)) < 0.05).tolist()
    through = filtered.hear(sent, Codec.PCMA, lost)
    assert through.keys == unfiltered(sent, Codec.PCMA, lost).keys


@pytest.mark.parametrize("late", range(1, 30))
def test_packets_that_change_places_do_not_matter(filtered: Filtered, late: int) -> None:
    sent = packets(joined(silence(70), *[joined(tone(k, 60), silence(60)) for k in "4242"]))
    sent += packets(silence(200), sequence=sent[-1].sequence + 1, timestamp=0)
    sent[late], sent[late - 1] = sent[late - 1], sent[late]
    assert filtered.hear(sent, Codec.PCMA).keys == "4242"
