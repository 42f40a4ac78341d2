"""Reports of a leg: when they are sent, what they say, what is believed of the peer's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.media.playback import AudioStream
from ivr.media.reports import Reports
from ivr.media.rtcp import (
    Goodbye,
    Report,
    ReportBlock,
    SenderInfo,
    SourceNames,
    pack,
    unpack,
)
from ivr.media.rtp import RtpPacket
from tests.media.harness import run

EPOCH = 2_208_988_800


class Line:
    """Reports on a clock, and what they sent."""

    def __init__(self, chance: float = 0.71828) -> None:
        """With that chance, an interval of 5 s is 5 s."""
        self.clock = Clock()
        self.clock.advance(1_800_000_000.0)
        self.stream = AudioStream(lambda _: None)
        self.sent: list[tuple[float, bytes]] = []
        self.broken = False
        self.reports = Reports(self.clock, self.stream, self._send, lambda: chance)

    def _send(self, packet: bytes) -> None:
        if self.broken:
            raise ConnectionRefusedError
        self.sent.append((self.clock.seconds() - 1_800_000_000.0, packet))

    def last(self) -> Report:
        packets = unpack(self.sent[-1][1])
        assert packets is not None
        assert isinstance(packets[0], Report)
        return packets[0]

    def answer(self, *blocks: ReportBlock, sender: SenderInfo | None = None) -> None:
        octets = pack((Report(77, sender, blocks),))
        assert self.reports.receive(octets, self.clock.seconds())

    def about_us(self, last_report: int, delay: float) -> ReportBlock:
        return ReportBlock(self.stream.ssrc, 64, 5, 100, 80, last_report, round(delay * 65536))


def test_they_come_each_five_seconds_the_first_one_sooner() -> None:
    line = Line()
    line.reports.start()
    line.reports.start()
    run(line.clock, 18.0)
    assert [at for at, _ in line.sent] == pytest.approx([2.5, 7.5, 12.5, 17.5])
    line.reports.stop()
    run(line.clock, 60.0)
    assert len(line.sent) == 4
    assert line.clock.getDelayedCalls() == []


@pytest.mark.parametrize(("chance", "interval"), [(0.0, 2.052), (1.0, 6.156)])
def test_intervals_vary_as_the_rfc_wants(chance: float, interval: float) -> None:
    line = Line(chance)
    line.reports.start()
    run(line.clock, 30.0)
    (first, _), (second, _), *_ = line.sent
    assert first == pytest.approx(interval / 2, abs=0.001)
    assert second - first == pytest.approx(interval, abs=0.001)


def test_a_sender_tells_its_time_and_counts_and_an_idle_one_does_not() -> None:
    line = Line()
    line.reports.start()
    for _ in range(100):
        line.stream.beat()
    run(line.clock, 3.0)
    report = line.last()
    assert report.sender is not None
    assert report.ssrc == line.stream.ssrc
    assert report.sender.ntp / 2**32 == pytest.approx(EPOCH + 1_800_000_002.5)
    assert (report.sender.packets, report.sender.octets) == (100, 16000)
    assert report.sender.timestamp == line.stream.timestamp_at(line.clock.seconds())
    run(line.clock, 5.0)
    assert line.last().sender is None


def test_each_report_names_its_source_and_no_caller() -> None:
    line = Line()
    line.reports.start()
    run(line.clock, 8.0)
    named = []
    for _, octets in line.sent:
        packets = unpack(octets)
        assert packets is not None
        assert isinstance(packets[1], SourceNames)
        named.append(packets[1].names)
    ((ssrc, name),) = named[0]
    assert (ssrc, len(name)) == (line.stream.ssrc, 16)
    assert named == [named[0]] * 2


def test_the_peers_report_comes_back_with_its_delay() -> None:
    line = Line()
    line.reports.start()
    for n in range(10):
        packet = RtpPacket(8, n, 160 * n, 77, bytes(160))
        line.reports.reception.hear(packet, line.clock.seconds(), audio=True)
    line.answer(sender=SenderInfo(0x1111_2222_3333_4444, 0, 10, 1600))
    run(line.clock, 2.6)
    (block,) = line.last().blocks
    assert (block.ssrc, block.last_report) == (77, 0x2222_3333)
    assert block.delay / 65536 == pytest.approx(2.5, abs=0.001)
    stranger = pack((Report(78, SenderInfo(1, 0, 0, 0)),))
    assert line.reports.receive(stranger, line.clock.seconds())
    line.reports.reception.hear(
        RtpPacket(8, 10, 1600, 77, bytes(160)), line.clock.seconds(), audio=True
    )
    run(line.clock, 5.0)
    assert line.last().blocks[0].last_report == 0x2222_3333


def test_the_round_trip_is_what_is_left_of_the_way_there_and_back() -> None:
    line = Line()
    line.stream.beat()
    line.reports.start()
    run(line.clock, 2.5)
    sender = line.last().sender
    assert sender is not None
    middle = sender.ntp >> 16 & 0xFFFFFFFF
    run(line.clock, 1.25)
    assert line.reports.quality.round_trip is None
    line.answer(line.about_us(middle, 1.0))
    quality = line.reports.quality
    assert quality.round_trip == pytest.approx(0.25, abs=0.001)
    assert (quality.peer_loss, quality.peer_lost, quality.peer_jitter) == (0.25, 5, 0.01)
    assert quality.sent == 1
    # Of a report that was never sent, and of a delay longer than the time: no round trip.
    line.answer(line.about_us(middle + 1, 1.0))
    line.answer(line.about_us(0, 0.0))
    line.answer(line.about_us(middle, 9.0))
    line.answer(ReportBlock(1, 0, 0, 0, 0, middle, 0))
    assert line.reports.quality.round_trip == quality.round_trip


def test_who_never_sent_says_no_goodbye() -> None:
    line = Line()
    line.reports.say_goodbye()
    line.reports.start()
    line.reports.say_goodbye()
    assert line.sent == []
    line.stream.beat()
    line.reports.start()
    line.reports.say_goodbye()
    line.reports.say_goodbye()
    ((_, octets),) = line.sent
    packets = unpack(octets)
    assert packets is not None
    assert packets[-1] == Goodbye((line.stream.ssrc,))
    assert line.clock.getDelayedCalls() == []


def test_a_report_that_cannot_be_sent_stops_nothing() -> None:
    line = Line()
    line.reports.start()
    line.broken = True
    run(line.clock, 3.0)
    line.broken = False
    run(line.clock, 5.0)
    assert len(line.sent) == 1


@given(
    st.lists(st.binary(max_size=120) | st.binary(max_size=48).map(b"\x81\xc9\0\x07".__add__))
)
def test_arbitrary_octets_change_no_report(datagrams: list[bytes]) -> None:
    line = Line()
    for datagram in datagrams:
        line.reports.receive(datagram, line.clock.seconds())
    line.reports.start()
    run(line.clock, 3.0)
    assert line.last().ssrc == line.stream.ssrc
