"""Between one who keys and one who listens: speech passes, keys sound all alike.

What is heard is made anew from decoded sound, or is the one mask tone, or is silence.
No shield ever learns which key was pressed, only when.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np

from ivr.clock import Clock, DelayedCall
from ivr.media.g711 import FRAME, RATE, Codec, decode, encode_all, recode
from ivr.media.mask_tone import MaskTones
from ivr.media.tone_gate import ToneGate

_BEAT = FRAME / RATE
_EARLY = 0.0005
_MOST_BEHIND = 0.1
_READY = 3
"""Frames that may wait for their listener."""
_KNOWN_FOR = 10
"""Beats for which a key that is known outlasts its last packet: its sound comes up to
120 ms later by way of the jitter buffer."""
_LINGER = 25
"""Beats: a shield taken off protects for half a second, in which the last key's sound,
event or INFO may still come, and then until nothing was suspected for this long."""
_CALM = 10

_LINEAR = np.stack([decode(codec, bytes(range(256))) for codec in Codec]).astype(np.float32)
_PLACE = {codec: n for n, codec in enumerate(Codec)}


class ShieldMode(StrEnum):
    """What is heard during capture.

    `masked`: the speech of the one who keys, without tones, and all of the other's.
    `one-way-mute`: nothing of the one who keys, and all of the other's.
    `two-way-mute`: nothing either way. The mask tones are heard in every mode.
    """

    MASKED = "masked"
    ONE_WAY_MUTE = "one-way-mute"
    TWO_WAY_MUTE = "two-way-mute"


class Heard(Protocol):
    """Where a shield takes sound from: `ivr.media.jitter.JitterBuffer`."""

    codec: Codec

    def take(self) -> bytes | None:
        """Return the next 20 ms in `codec`, None for silence."""


class ShieldBank:
    """All shields of a process: 20 ms of each go through one gate together."""

    def __init__(self, clock: Clock, random: np.random.Generator | None = None) -> None:
        """`random` is for tests; by default it is seeded by the system."""
        self._clock = clock
        self._gate = ToneGate(random or np.random.default_rng())
        self._shields: dict[int, Shield] = {}
        self._call: DelayedCall | None = None
        self._start = 0.0
        self._beats = 0

    def __len__(self) -> int:
        """How many shields are up."""
        return len(self._shields)

    def open(self, heard: Heard, on_end: Callable[[], None]) -> "Shield":
        """Put a shield up before `heard`. `on_end` is called when it has come down."""
        row = self._gate.open()
        shield = Shield(self, row, heard, on_end)
        self._shields[row] = shield
        if self._call is None:
            self._start = self._clock.seconds()
            self._call = self._clock.callLater(0, self._run)
            self._beats = 0
        return shield

    def close(self, row: int) -> None:
        """Take a shield's row back."""
        del self._shields[row]
        self._gate.close(row)
        if self._call is not None and not self._shields:
            self._call.cancel()
            self._call = None

    def _run(self) -> None:
        self._call = None
        now = self._clock.seconds()
        late = now - self._start - self._beats * _BEAT
        if not -_MOST_BEHIND <= late <= _MOST_BEHIND:
            # Listeners were sent silence meanwhile, or the clock was set back.
            self._start += late
        try:
            while self._shields and now - self._start - self._beats * _BEAT >= -_EARLY:
                self._beats += 1
                self._pass_all(now)
        finally:
            # What a beat raises costs its 20 ms and is heard as silence.
            if self._shields and self._call is None:
                due = self._start + self._beats * _BEAT
                self._call = self._clock.callLater(max(0.0, due - now), self._run)

    def _pass_all(self, now: float) -> None:
        shields = list(self._shields.values())
        laws = np.array([[_PLACE[shield.heard.codec]] for shield in shields])
        octets = np.frombuffer(b"".join([shield.take() for shield in shields]), np.uint8)
        rows = np.array([shield.row for shield in shields])
        known = np.array([shield.key_known for shield in shields])
        frames = _LINEAR[laws, octets.reshape(len(shields), FRAME)]
        speech, suspected = self._gate.hear(rows, frames, known)
        samples = np.clip(np.rint(speech), -32768, 32767).astype(np.int16)
        coded = {
            codec: encode_all(codec, samples)
            for codec in {shield.listener_codec for shield in shields}
        }
        ended = [
            shield
            for n, shield in enumerate(shields)
            if shield.give(
                coded[shield.listener_codec][n].tobytes(),
                suspected=bool(suspected[n]),
                beat=self._beats,
                now=now,
            )
        ]
        for shield in ended:
            shield.end()


class Shield:
    """One direction of one call."""

    __slots__ = (
        "_bank",
        "_calm",
        "_known",
        "_lingering",
        "_masks",
        "_on_end",
        "_ready",
        "heard",
        "listener_codec",
        "mode",
        "row",
    )

    def __init__(
        self, bank: ShieldBank, row: int, heard: Heard, on_end: Callable[[], None]
    ) -> None:
        self.row = row
        self.heard = heard
        self.listener_codec = Codec.PCMA
        self.mode = ShieldMode.MASKED
        self._bank = bank
        self._on_end = on_end
        self._masks = MaskTones()
        self._ready: deque[tuple[Codec, bytes]] = deque(maxlen=_READY)
        self._known = 0
        self._calm = 0
        self._lingering: int | None = None

    @property
    def key_known(self) -> bool:
        """Whether a key is known to be down, or was just now."""
        return self._known > 0

    @property
    def stays(self) -> bool:
        """Whether it is up until `lower`, rather than about to come down."""
        return self._lingering is None

    def key(self, at: float) -> None:
        """Note that a key was pressed, at `at` seconds."""
        self._masks.key(at)
        self.event()

    def event(self) -> None:
        """Note that a packet of a key came."""
        self._known = _KNOWN_FOR

    def raise_(self, mode: ShieldMode) -> None:
        """Shield, in `mode`, until `lower`."""
        self.mode = mode
        self._lingering = None

    def lower(self) -> None:
        """Come down as soon as nothing of the last key can be heard any more."""
        if self._lingering is None:
            self._lingering = _LINGER

    def end(self) -> None:
        """Come down now. Only once."""
        self._bank.close(self.row)
        self._on_end()

    def frame(self, codec: Codec) -> bytes:
        """Return the next 20 ms for the listener."""
        self.listener_codec = codec
        if not self._ready:
            return codec.silence
        coded_as, frame = self._ready.popleft()
        return recode(frame, coded_as, codec)

    def take(self) -> bytes:
        """Take 20 ms of what is heard, for the bank."""
        self._known = max(0, self._known - 1)
        return self.heard.take() or self.heard.codec.silence

    def give(self, speech: bytes, *, suspected: bool, beat: int, now: float) -> bool:
        """Take what may be heard, from the bank; return whether the shield has come down."""
        codec = self.listener_codec
        if self.mode is not ShieldMode.MASKED:
            speech = codec.silence
        self._ready.append((codec, self._masks.frame(beat, now, codec) or speech))
        self._calm = 0 if suspected or self.key_known else self._calm + 1
        if self._lingering is None:
            return False
        self._lingering = max(0, self._lingering - 1)
        return not self._lingering and self._calm >= _CALM and self._masks.idle
