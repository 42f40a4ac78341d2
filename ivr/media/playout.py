"""One 20 ms tick for all legs of a process, spread over its phases."""

from dataclasses import dataclass

from ivr.clock import Clock, DelayedCall
from ivr.media.g711 import FRAME, RATE
from ivr.media.playback import AudioStream, Playback

PERIOD = FRAME / RATE
_PUNCTUAL = 0.010
_CATCH_UP = 0.100
"""Beyond this the peers' jitter buffers have run dry, and a burst would only overflow them."""
_EARLY = 0.0005
"""A beat is due that much before its time: timers are no more exact than that."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How near to their time packets were sent, since the start.

    A packet's lateness is taken when the last one of its beat had left. `skipped` are
    packets that were never sent, because the process had stood still for too long.
    """

    packets: int
    punctual: int
    """Packets sent within 10 ms of their time."""
    skipped: int
    worst: float
    """The greatest lateness, in seconds."""

    @property
    def share(self) -> float:
        """Share of packets within 10 ms of their time; 1.0 when there was none."""
        due = self.packets + self.skipped
        return self.punctual / due if due else 1.0


class Playout:
    """Sends one packet each 20 ms on every stream added to it.

    The streams are spread evenly over `phases` beats in 20 ms. After a late beat, all
    that became due is sent, up to 100 ms; of a longer standstill, the packets are
    skipped and their playbacks lose nothing. The timer runs only while there are streams.
    """

    __slots__ = (
        "_beat",
        "_call",
        "_clock",
        "_packets",
        "_phases",
        "_punctual",
        "_skipped",
        "_start",
        "_step",
        "_worst",
    )

    def __init__(self, clock: Clock, phases: int = 4) -> None:
        self._clock = clock
        self._phases: list[list[AudioStream]] = [[] for _ in range(phases)]
        self._step = PERIOD / phases
        self._call: DelayedCall | None = None
        self._start = 0.0
        self._beat = 0
        self._packets = 0
        self._punctual = 0
        self._skipped = 0
        self._worst = 0.0

    def __len__(self) -> int:
        """How many streams are being sent."""
        return sum(map(len, self._phases))

    @property
    def punctuality(self) -> Punctuality:
        """The figures so far."""
        return Punctuality(self._packets, self._punctual, self._skipped, self._worst)

    def add(self, stream: AudioStream) -> None:
        """Send `stream` from the next beat of the least loaded phase on."""
        if not len(self):
            self._start = self._clock.seconds()
            self._beat = 0
            self._schedule(self._start)
        min(self._phases, key=len).append(stream)

    def remove(self, stream: AudioStream) -> None:
        """Stop sending `stream`; nothing happens when it is not being sent."""
        for phase in self._phases:
            if stream in phase:
                phase.remove(stream)
        if self._call is not None and not len(self):
            self._call.cancel()
            self._call = None

    def _schedule(self, now: float) -> None:
        delay = self._start + self._beat * self._step - now
        self._call = self._clock.callLater(max(0.0, delay), self._run)

    def _run(self) -> None:
        self._call = None
        now = self._clock.seconds()
        self._keep_up(now)
        try:
            while len(self) and self._late(now) >= -_EARLY:
                for playback in self._send():
                    playback.finish(played=True)
                now = self._clock.seconds()
        finally:
            # A callback may have removed the last stream, or that and added a new one.
            if len(self) and self._call is None:
                self._schedule(now)

    def _late(self, now: float) -> float:
        return now - self._start - self._beat * self._step

    def _send(self) -> list[Playback]:
        """Send one beat; the callbacks of what ended wait until all packets have left."""
        phase = self._phases[self._beat % len(self._phases)]
        due = self._start + self._beat * self._step
        self._beat += 1
        ended = [playback for stream in phase if (playback := stream.beat()) is not None]
        if phase:
            late = self._clock.seconds() - due
            self._packets += len(phase)
            self._punctual += len(phase) if late <= _PUNCTUAL else 0
            self._worst = max(self._worst, late)
        return ended

    def _keep_up(self, now: float) -> None:
        """Give up beats that are too late, and follow a clock that was set back."""
        late = self._late(now)
        if late < -2 * PERIOD:
            self._start += late
        elif late > _CATCH_UP:
            periods = int(late / PERIOD)
            self._start += periods * PERIOD
            self._worst = max(self._worst, late)
            for phase in self._phases:
                self._skipped += periods * len(phase)
                for stream in phase:
                    stream.skip(periods)
