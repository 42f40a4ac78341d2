"""Keypad tones in received audio: the `Ear` of one leg, and the bank that all ears share.

Packets wait until the bank's next beat, 20 ms after the first of them; then the sound of
all legs goes through one detector together.
"""

import math
from collections.abc import Callable

import numpy as np

from ivr.clock import Clock, DelayedCall
from ivr.media.g711 import FRAME, RATE, Codec, decode
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket, sequence_distance, timestamp_distance
from ivr.media.tone_detector import BLOCKS, Flags, Tone, ToneDetector
from ivr.media.tone_plan import BLOCK

_BEAT = FRAME / RATE
_OVERTAKING = 2
"""So many packets may overtake another before it is given up."""
_DROPOUT = 3000
_MISORDER = 100
"""A sequence number further ahead, or behind, begins a new stream (RFC 3550 §A.1)."""
_SHORTEST_FILL = FRAME // 2
_LONGEST_FILL = RATE * 2 // 5
"""A longer gap need not be longer: any tone before it is over."""
_LONGEST_BACKLOG = RATE
_PATIENCE = 5
"""Beats without a packet after which no more is waited for: 100 ms, more than a packet
holds and a network delays."""
_TOLD_BY_SAMPLES = 0.3
"""Seconds; in a longer pause the sender may have sent nothing, and the clock tells."""

_LINEAR = {codec: decode(codec, bytes(range(256))).astype(np.float32) for codec in Codec}


class ToneBank:
    """Hears the tones of all legs of a process. It does nothing while no audio comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._detector = ToneDetector()
        self._waiting: dict[int, Ear] = {}
        self._beat: DelayedCall | None = None

    def open(self, codec: Codec, on_press: Callable[[KeyPress], None]) -> "Ear":
        """Return an ear for the audio of one leg, which comes in `codec`.

        `on_press` gets each key as soon as it is certain, 35 to 60 ms after it was
        pressed; it must not raise.
        """
        return Ear(self, self._detector.open(), codec, on_press)

    def wake(self, row: int, ear: "Ear") -> None:
        """Let `ear` be heard at the next beat."""
        self._waiting[row] = ear
        if self._beat is None:
            self._beat = self._clock.callLater(_BEAT, self._hear_all)

    def close(self, row: int) -> None:
        """Take an ear's row back."""
        self._waiting.pop(row, None)
        self._detector.close(row)
        if self._beat is not None and not self._waiting:
            self._beat.cancel()
            self._beat = None

    def _hear_all(self) -> None:
        self._beat = None
        ears, self._waiting = self._waiting, {}
        recognised: list[tuple[Ear, Tone]] = []
        ready = [ear for ear in ears.values() if ear.ready or ear.settle()]
        while ready:
            for codec in {ear.codec for ear in ready}:
                tones = self._hear([ear for ear in ready if ear.codec is codec])
                recognised += [(ears[tone.row], tone) for tone in tones]
            ready = [ear for ear in ready if ear.ready]
        for ear in ears.values():
            ear.follow()
        # What a key brings about may close ears, so it comes last.
        for ear, tone in recognised:
            ear.recognise(tone)

    def _hear(self, ears: list["Ear"]) -> list[Tone]:
        """Let the detector hear the next 20 ms of each ear; all are of one codec."""
        rows = np.array([ear.row for ear in ears])
        octets = np.frombuffer(b"".join([ear.take() for ear in ears]), dtype=np.uint8)
        frames = _LINEAR[ears[0].codec][octets].reshape(len(ears), FRAME)
        lost: Flags | None = None
        if any(ear.missing for ear in ears):
            lost = np.array([ear.missing or (False,) * BLOCKS for ear in ears])
        return self._detector.hear(rows, frames, lost)


class Ear:
    """Puts the audio packets of one leg in order, and makes key presses of its tones."""

    __slots__ = (
        "_ahead",
        "_awake",
        "_bank",
        "_closed",
        "_gaps",
        "_heard_at",
        "_left_out",
        "_on_press",
        "_patience",
        "_pending",
        "_press",
        "_sequence",
        "_ssrc",
        "_taken",
        "_timestamp",
        "_tone",
        "codec",
        "missing",
        "row",
    )

    def __init__(
        self, bank: ToneBank, row: int, codec: Codec, on_press: Callable[[KeyPress], None]
    ) -> None:
        self.row = row
        self.codec = codec
        self.missing: tuple[bool, ...] | None = None
        """Which blocks of the frame taken last were lost on the way; None for none."""
        self._bank = bank
        self._on_press = on_press
        self._closed = False
        self._awake = False
        self._pending = bytearray()
        self._taken = 0
        """Samples that the detector has heard."""
        self._gaps: list[tuple[int, int]] = []
        """What was lost, from sample to sample."""
        self._ahead: list[RtpPacket] = []
        self._ssrc: int | None = None
        self._sequence = 0
        self._timestamp = 0
        """Of the sample to come next."""
        self._left_out = 0
        """How many packets of those before it were left out as too quiet."""
        self._heard_at = 0.0
        self._patience = 0
        """Beats in which more may come of what is not heard yet."""
        self._tone: Tone | None = None
        self._press: KeyPress | None = None

    @property
    def ready(self) -> bool:
        """Whether there are 20 ms of sound to take."""
        return len(self._pending) >= FRAME

    def receive(self, packet: RtpPacket, at: float, left_out: int = 0) -> None:
        """Take a packet of audio, received at `at` seconds.

        Before it, `left_out` packets of the stream had been kept back because they were
        too quiet for a tone: a count modulo 2**32, of which only the growth matters.
        """
        step = self._step(packet)
        if packet.ssrc != self._ssrc or not -_MISORDER < step <= _DROPOUT:
            self._ssrc = packet.ssrc
            self._ahead.clear()
            self._append(packet)
        elif step == 1:
            self._append(packet)
            if self._ahead:
                self._catch_up(0, left_out)
        elif step > 1:
            self._ahead.append(packet)
            self._catch_up(_OVERTAKING, left_out)
        if not self._ahead:
            self._left_out = left_out
        self._heard_at = at
        self._patience = _PATIENCE
        if not self._awake:
            self._wake()

    def settle(self) -> bool:
        """At a beat, wait no longer for what has not come in time; return as `ready`."""
        self._patience -= 1
        if self._patience > 0:
            return False
        self._catch_up(0, self._left_out)
        rest = -len(self._pending) % FRAME
        self._pending += self.codec.silence[:1] * rest
        self._timestamp = self._timestamp + rest & 0xFFFFFFFF
        return self.ready

    def take(self) -> bytes:
        """Return the octets of the next 20 ms."""
        frame = bytes(self._pending[:FRAME])
        del self._pending[:FRAME]
        self.missing = self._missing() if self._gaps else None
        self._taken += FRAME
        return frame

    def follow(self) -> None:
        """Let the press grow with its tone, after a beat."""
        self._awake = False
        if self._press is not None and self._tone is not None:
            self._press.held = (self._tone.end - self._tone.begin) / RATE
        if self._pending or self._ahead:
            self._wake()

    def _wake(self) -> None:
        self._awake = True
        self._bank.wake(self.row, self)

    def recognise(self, tone: Tone) -> None:
        """Tell of a tone that has begun."""
        if self._closed:
            return
        age = (self._taken + len(self._pending) - tone.begin) / RATE
        at = self._heard_at - age
        gap = self._gap(tone, at)
        self._tone = tone
        self._press = KeyPress(tone.key, at, gap, (tone.end - tone.begin) / RATE)
        self._on_press(self._press)

    def close(self) -> None:
        """Hear nothing more. Idempotent."""
        if not self._closed:
            self._closed = True
            self._bank.close(self.row)

    def _gap(self, tone: Tone, at: float) -> float:
        if self._tone is None or self._press is None:
            return math.inf
        gap = max(0, tone.begin - self._tone.end) / RATE
        if gap < _TOLD_BY_SAMPLES:
            return gap
        return max(gap, at - self._press.at - self._press.held)

    def _catch_up(self, most_ahead: int, left_out: int) -> None:
        """Append what waits and is next; give up what is missing before too much of it."""
        while self._ahead:
            packet = min(self._ahead, key=self._step)
            missing = self._step(packet) - 1
            quiet = min(missing, left_out - self._left_out & 0xFFFFFFFF)
            if missing > quiet and len(self._ahead) <= most_ahead:
                return
            self._ahead.remove(packet)
            if missing >= 0:
                self._left_out = self._left_out + quiet & 0xFFFFFFFF
                self._append(packet, missing - quiet, quiet)

    def _step(self, packet: RtpPacket) -> int:
        return sequence_distance(packet.sequence, self._sequence)

    def _append(self, packet: RtpPacket, lost: int = 0, quiet: int = 0) -> None:
        """Append the sound of `packet`, after silence for what was lost or never sent."""
        payload = packet.payload
        if packet.timestamp != self._timestamp or lost:
            self._fill(packet, lost, quiet)
        self._sequence = packet.sequence
        self._timestamp = packet.timestamp + len(payload) & 0xFFFFFFFF
        self._pending += payload
        if len(self._pending) > _LONGEST_BACKLOG:
            self._pending.clear()
            self._gaps.clear()

    def _fill(self, packet: RtpPacket, lost: int, quiet: int) -> None:
        """Append silence; of what is missing, what was lost counts as the first of it."""
        size = len(packet.payload)
        gap = timestamp_distance(packet.timestamp, self._timestamp)
        if lost + quiet and not 0 < gap <= _DROPOUT * FRAME:
            gap = (lost + quiet) * size
        begin = self._taken + len(self._pending)
        if not begin or gap < _SHORTEST_FILL:
            return
        fill = min(gap, _LONGEST_FILL)
        self._pending += self.codec.silence[:1] * fill
        if lost:
            self._gaps.append((begin, begin + (min(lost * size, fill) if quiet else fill)))

    def _missing(self) -> tuple[bool, ...]:
        starts = range(self._taken, self._taken + FRAME, BLOCK)
        missing = tuple(
            any(begin < start + BLOCK and start < end for begin, end in self._gaps)
            for start in starts
        )
        self._gaps = [gap for gap in self._gaps if gap[1] > starts.stop]
        return missing
