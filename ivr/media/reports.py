"""Sender and receiver reports of one leg (RFC 3550 §6), and what they tell of its quality."""

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from secrets import token_bytes

from ivr.clock import Clock, DelayedCall
from ivr.media.g711 import FRAME, RATE
from ivr.media.playback import AudioStream
from ivr.media.reception import Reception
from ivr.media.rtcp import (
    Goodbye,
    Packet,
    Report,
    ReportBlock,
    SenderInfo,
    SourceNames,
    pack,
    unpack,
)

_INTERVAL = 5.0
"""Seconds. Two members at 64 kbit/s never reach what the bandwidth allows (one report in
0.6 s), so that it is always the least interval (§6.2), halved for the first one."""
_COMPENSATION = 1.21828
"""e - 1.5, of §6.3.1."""
_SECONDS_TO_1970 = 2_208_988_800
_REMEMBERED = 4
_CHANCE = SystemRandom().random


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the packets of a leg travel. Times are in seconds.

    What was received is an estimate while the kernel lets only one packet in 64 through.
    """

    sent: int
    received: int
    lost: int
    """Of what the peer sent; negative when some packets came twice."""
    jitter: float
    round_trip: float | None
    """None until the peer has reported on a report of ours; so with the rest."""
    peer_loss: float | None
    """Share of ours that the peer missed lately, from 0 to 1."""
    peer_lost: int | None
    """How many of ours it has missed in all."""
    peer_jitter: float | None


class Reports:
    """Sends reports through `send` while started, and reads those of the peer.

    `send` may raise `OSError`, which is a report lost. `chance` gives numbers from 0 to 1.
    """

    __slots__ = (
        "_about_us",
        "_call",
        "_chance",
        "_clock",
        "_counted",
        "_name",
        "_our_reports",
        "_peer_report",
        "_round_trip",
        "_said",
        "_send",
        "_stream",
        "reception",
    )

    def __init__(
        self,
        clock: Clock,
        stream: AudioStream,
        send: Callable[[bytes], object],
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        self.reception = Reception()
        self._clock = clock
        self._stream = stream
        self._send = send
        self._chance = chance
        # A short-term persistent name that tells nothing (RFC 7022 §4.2).
        self._name = b64encode(token_bytes(12))
        self._call: DelayedCall | None = None
        self._said = False
        self._counted = 0
        self._our_reports: deque[int] = deque(maxlen=_REMEMBERED)
        self._peer_report: tuple[int, float] | None = None
        self._about_us: ReportBlock | None = None
        self._round_trip: float | None = None

    @property
    def quality(self) -> Quality:
        """The figures of now."""
        about = self._about_us
        return Quality(
            sent=self._stream.sent,
            received=self.reception.received,
            lost=self.reception.expected - self.reception.received,
            jitter=self.reception.jitter,
            round_trip=self._round_trip,
            peer_loss=None if about is None else about.fraction / 256,
            peer_lost=None if about is None else about.lost,
            peer_jitter=None if about is None else about.jitter / RATE,
        )

    def start(self) -> None:
        """Report from now on. Idempotent."""
        if self._call is None:
            self._wait(_INTERVAL if self._said else _INTERVAL / 2)

    def stop(self) -> None:
        """Report no more. Idempotent."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def say_goodbye(self) -> None:
        """Stop, with a BYE when anything was ever sent (§6.3.7)."""
        running = self._call is not None
        self.stop()
        if running and (self._said or self._stream.sent):
            self._say(Goodbye((self._stream.ssrc,)))

    def receive(self, datagram: bytes, at: float) -> bool:
        """Read the peer's RTCP; return whether it is well-formed."""
        packets = unpack(datagram)
        if packets is None:
            return False
        for packet in packets:
            if isinstance(packet, Report):
                self._read(packet, at)
        return True

    def _wait(self, interval: float) -> None:
        delay = interval * (0.5 + self._chance()) / _COMPENSATION
        self._call = self._clock.callLater(delay, self._report)

    def _report(self) -> None:
        self._call = None
        self._wait(_INTERVAL)
        self._say()

    def _say(self, *more: Packet) -> None:
        now = self._clock.seconds()
        name = SourceNames(((self._stream.ssrc, self._name),))
        try:
            self._send(pack((self._our_report(now), name, *more)))
        except OSError:
            return
        self._said = True

    def _our_report(self, now: float) -> Report:
        block = self.reception.block(*self._since_peer_report(now))
        blocks = () if block is None else (block,)
        sent = self._stream.sent
        if sent == self._counted:
            return Report(self._stream.ssrc, None, blocks)
        self._counted = sent
        ntp = _ntp(now)
        self._our_reports.append(_middle(ntp))
        info = SenderInfo(
            ntp,
            self._stream.timestamp_at(now),
            sent & 0xFFFFFFFF,
            sent * FRAME & 0xFFFFFFFF,
        )
        return Report(self._stream.ssrc, info, blocks)

    def _since_peer_report(self, now: float) -> tuple[int, int]:
        if self._peer_report is None:
            return 0, 0
        middle, at = self._peer_report
        return middle, min(0xFFFFFFFF, max(0, round((now - at) * 65536)))

    def _read(self, report: Report, at: float) -> None:
        if report.sender is not None and report.ssrc == self.reception.ssrc:
            self._peer_report = (_middle(report.sender.ntp), at)
        for block in report.blocks:
            if block.ssrc == self._stream.ssrc:
                self._about_us = block
                self._take_round_trip(block, at)

    def _take_round_trip(self, block: ReportBlock, at: float) -> None:
        # Only a report that we sent tells; others would be a peer's mistake, or worse.
        if block.last_report in self._our_reports:
            units = _middle(_ntp(at)) - block.last_report - block.delay & 0xFFFFFFFF
            if units < 0x80000000:
                self._round_trip = units / 65536


def _ntp(now: float) -> int:
    """Return the clock's time as NTP has it (§4): any clock will do, if it runs on."""
    return round((now + _SECONDS_TO_1970) * 2**32) & 0xFFFFFFFFFFFFFFFF


def _middle(ntp: int) -> int:
    return ntp >> 16 & 0xFFFFFFFF
