"""What came of a stream, and how regularly (RFC 3550 §6.4.1, §A.1, §A.3, §A.8)."""

from ivr.media.g711 import RATE
from ivr.media.rtcp import ReportBlock
from ivr.media.rtp import RtpPacket, timestamp_distance

_DROPOUT = 3000
_MISORDER = 100
_NEW_TIME = 10 * RATE
"""A greater jump between timestamps and clock is a new time of the sender, not jitter."""
_MOST_LOST = 2**23 - 1


class Reception:
    """Counts packets of one source after the other.

    Where the kernel lets only each 64th packet through, those alone are counted, each
    for 64: an estimate without bias, coarse over a few seconds. Where it drops quiet
    audio, it tells how much, and the count is exact.
    """

    __slots__ = (
        "_bad",
        "_base",
        "_before",
        "_counted",
        "_every",
        "_heard_at",
        "_highest",
        "_jitter",
        "_left_out",
        "_reported",
        "_timestamp",
        "_totals",
        "ssrc",
    )

    def __init__(self) -> None:
        self.ssrc: int | None = None
        """Of the source that is heard now."""
        self._every = 1
        self._left_out = 0
        self._totals = (0, 0)
        """Expected and received of sources before this one."""
        self._before: tuple[int, int]
        """Expected and received of this one, before `_base`."""
        self._base: int | None
        """Number of the first packet that counts, extended as `_highest` is."""
        self._bad: int | None
        self._timestamp: int | None
        self._highest: int
        self._counted: int
        self._jitter: float
        self._reported: tuple[int, int]
        """Expected and received of this one when a report was last made."""
        self._restart(None)

    def count_each(self, every: int) -> None:
        """From now on count packets whose number is a multiple of `every`, a power of 2."""
        if every != self._every:
            self._before = self._so_far()
            self._base = None
            self._counted = 0
            self._every = every

    def hear(self, packet: RtpPacket, at: float, *, audio: bool, left_out: int = 0) -> None:
        """Take a valid packet that came at `at` seconds.

        `left_out` counts, modulo 2**32, packets that came before it but were dropped as
        too quiet.
        """
        quiet = left_out - self._left_out & 0xFFFFFFFF
        self._left_out = left_out
        if packet.ssrc != self.ssrc:
            self._totals = (self.expected, self.received)
            self._restart(packet.ssrc)
        if packet.sequence & self._every - 1:
            return
        if self._every > 1 or self._base is None:
            quiet = 0
        if self._in_sequence(packet.sequence):
            self._counted += 1 + quiet
            # The packets of one event all have the timestamp of its begin.
            if audio:
                self._time(packet.timestamp, at)

    @property
    def expected(self) -> int:
        """How many packets were sent to us, over all sources."""
        return self._totals[0] + self._so_far()[0]

    @property
    def received(self) -> int:
        """How many of them came; more than expected when some came twice."""
        return self._totals[1] + self._so_far()[1]

    @property
    def jitter(self) -> float:
        """The mean deviation of arrival times, in seconds."""
        return self._jitter / RATE

    def block(self, last_report: int, delay: int) -> ReportBlock | None:
        """Report on what came since the last block; None when nothing did."""
        expected, received = self._so_far()
        expected_now = expected - self._reported[0]
        received_now = received - self._reported[1]
        if self.ssrc is None or received_now <= 0:
            return None
        self._reported = (expected, received)
        lost_now = max(0, expected_now - received_now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction=min(255, 256 * lost_now // expected_now) if expected_now > 0 else 0,
            lost=max(-_MOST_LOST, min(_MOST_LOST, expected - received)),
            highest=self._highest & 0xFFFFFFFF,
            jitter=int(self._jitter),
            last_report=last_report,
            delay=delay,
        )

    def _restart(self, ssrc: int | None) -> None:
        self.ssrc = ssrc
        self._before = (0, 0)
        self._reported = (0, 0)
        self._base = None
        self._highest = 0
        self._counted = 0
        self._bad = None
        self._jitter = 0.0
        self._timestamp = None
        self._heard_at = 0.0

    def _so_far(self) -> tuple[int, int]:
        """Return expected and received of this source."""
        expected, received = self._before
        if self._base is not None:
            expected += self._highest - self._base + self._every
            received += self._counted * self._every
        return expected, received

    def _in_sequence(self, sequence: int) -> bool:
        """Follow the number; return whether it belongs to the stream (§A.1)."""
        ahead = sequence - self._highest & 0xFFFF
        if self._base is None and not self._before[0]:
            self._base = self._highest = sequence
        elif ahead < _DROPOUT:
            self._highest += ahead
            if self._base is None:
                self._base = self._highest
        elif ahead <= 0x10000 - _MISORDER:
            if sequence != self._bad:
                self._bad = sequence + self._every & 0xFFFF
                return False
            # Two in a row: the sender has begun anew without saying so.
            self._before = self._so_far()
            self._counted = 0
            self._base = self._highest = (self._highest & ~0xFFFF) + 0x10000 + sequence
        elif self._base is None:
            return False
        self._bad = None
        return True

    def _time(self, timestamp: int, at: float) -> None:
        if self._timestamp is not None:
            sent = timestamp_distance(timestamp, self._timestamp)
            deviation = abs((at - self._heard_at) * RATE - sent)
            if deviation < _NEW_TIME:
                self._jitter += (deviation - self._jitter) / 16
        self._timestamp = timestamp
        self._heard_at = at
