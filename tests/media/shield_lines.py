"""Lines with someone who keys behind a shield: what is sent, and what the listener gets.

The same presses, on the same background, are sent once for each key, so that any two
keys can be compared sample by sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from twisted.internet.task import Clock

from ivr.media.g711 import FRAME, RATE, Codec, decode, encode
from ivr.media.inband import ToneBank
from ivr.media.info import InfoKey
from ivr.media.jitter import JitterBuffer
from ivr.media.key_sources import InBand, KeySources
from ivr.media.keys import KeyPress
from ivr.media.mask_tone import MASK_TONE
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.shield import ShieldBank
from ivr.media.telephone_event import encode_press
from tests.media.harness import run
from tests.media.sound import Sound, noise, samples, tone
from tests.media.speech import PITCHES, Sounds, prompts, voices

KEYS = "1234567890*#"
WAYS = ("event", "in-band", "info", "mixed")
BACKGROUNDS = ("silence", "noise", "voice", "prompt")
PROMPTS = Path(__file__).parents[2] / "prompts" / "audio"
SECONDS = 3.2
_FRAMES = int(SECONDS * RATE) // FRAME
_SEED = 7
_EVENT_TYPE = 101


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a key yet to be chosen; levels in dBm0, times in ms."""

    way: str
    begin: float
    length: float
    leak: float
    """For how long the tone is heard before its event, when mixed."""
    low: float
    high: float
    off: tuple[float, float]
    phases: tuple[float, float]
    codec: Codec

    @property
    def audible(self) -> float:
        return {"in-band": self.length, "mixed": self.leak}.get(self.way, 0.0)

    def sound(self, key: str) -> Sound:
        return tone(key, self.audible, self.low, self.high, off=self.off, phases=self.phases)


def presses(random: Generator, count: int) -> list[Press]:
    """Presses by every way in turn, at every level, twist and length that is asked about."""
    made = []
    for n in range(count):
        level, twist = random.uniform(-36, -5), random.uniform(-8, 4)
        made.append(
            Press(
                way=WAYS[n % len(WAYS)],
                begin=float(random.uniform(300, 460)),
                length=float(20 * 100 ** random.random()),
                leak=float(random.uniform(20, 60)),
                low=max(-36.0, level - max(0.0, twist)),
                high=max(-36.0, level + min(0.0, twist)),
                off=tuple(random.uniform(-0.015, 0.015, 2)),
                phases=tuple(random.uniform(0, 2 * np.pi, 2)),
                codec=tuple(Codec)[int(random.integers(2))],
            )
        )
    return made


def backgrounds(random: Generator, kind: str, count: int) -> Sounds:
    """What else is on each line, (count, samples)."""
    length = _FRAMES * FRAME
    if kind == "silence":
        return np.zeros((count, length), dtype=np.float32)
    if kind == "noise":
        rows = [
            noise(length * 1000 / RATE, random.uniform(-65, -40), int(random.integers(2**32)))
            for _ in range(count)
        ]
        return np.array(rows, dtype=np.float32)
    if kind == "voice":
        thirds = [voices(random, count, SECONDS, pitch)[:, :length] for pitch in PITCHES]
        return np.concatenate([each[n::3] for n, each in enumerate(thirds)])
    return next(prompts(PROMPTS, random, count, SECONDS))[:, :length]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the listeners of some lines got: octets, (lines, frames, 160), and sound."""

    octets: NDArray[np.uint8]
    codecs: Sequence[Codec]
    keys: Sequence[str]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Which frames are one of the mask tone's, (lines, frames)."""
        found = np.zeros(self.octets.shape[:2], dtype=np.bool_)
        for n, codec in enumerate(self.codecs):
            for frame in MASK_TONE[codec]:
                found[n] |= (self.octets[n] == np.frombuffer(frame, np.uint8)).all(axis=1)
        return found

    @property
    def sound(self) -> NDArray[np.float32]:
        """Samples, (lines, samples)."""
        lines = [
            decode(codec, octets.tobytes())
            for codec, octets in zip(self.codecs, self.octets, strict=True)
        ]
        return np.array(lines, dtype=np.float32)

    @property
    def speech(self) -> NDArray[np.float32]:
        """Samples without the mask tones, (lines, samples)."""
        kept = np.repeat(~self.masks, FRAME, axis=1)
        return self.sound * kept


class _Line:
    def __init__(
        self, clock: Clock, tones: ToneBank, shields: ShieldBank, press: Press
    ) -> None:
        self._clock = clock
        self._press = press
        self._buffer = JitterBuffer(press.codec)
        self._shield = shields.open(self._buffer, lambda: None)
        self._keys = KeySources(clock, tones, InBand.ON, self._pressed)
        by_event = press.way in ("event", "mixed")
        self._keys.follow(press.codec, events_negotiated=by_event)
        self._sent: list[list[RtpPacket]] = []
        self._info: tuple[int, InfoKey] | None = None
        self.pressed = ""
        self.got: list[bytes] = []

    def prepare(self, key: str, background: Sound) -> None:
        """Make the packets of each 20 ms."""
        press = self._press
        line = background.copy()
        begin = samples(press.begin)
        heard = press.sound(key)[: len(line) - begin]
        line[begin : begin + len(heard)] += heard
        whole = np.clip(np.rint(line), -32768, 32767).astype(np.int16)
        octets = encode(press.codec, whole)
        events: list[bytes] = []
        event_at = int(press.begin + (press.leak if press.way == "mixed" else 0)) // 20 + 1
        if press.way in ("event", "mixed"):
            events = encode_press(
                key,
                payload_type=_EVENT_TYPE,
                ssrc=1,
                sequence=event_at,
                timestamp=event_at * FRAME,
                duration=press.length / 1000,
            )
        elif press.way == "info":
            self._info = (event_at, InfoKey(key, press.length / 1000))
        kind = press.codec.payload_type
        for n in range(_FRAMES):
            if 0 <= n - event_at < len(events):
                packet = unpack(events[n - event_at])
                assert packet is not None
            else:
                at = n * FRAME
                packet = RtpPacket(kind, n, at, 1, octets[at : at + FRAME])
            self._sent.append([packet])

    def send(self, n: int) -> None:
        if self._info is not None and self._info[0] == n:
            self._keys.info(self._info[1])
        for packet in self._sent[n]:
            if packet.payload_type == _EVENT_TYPE:
                self._shield.event()
                self._keys.event(packet, self._clock.seconds())
            else:
                self._buffer.put(packet)
                self._keys.audio(packet, self._clock.seconds())

    def listen(self) -> None:
        self.got.append(self._shield.frame(self._press.codec))

    def close(self) -> None:
        self._keys.close()
        self._shield.end()

    def _pressed(self, press: KeyPress) -> None:
        self.pressed += press.key
        self._shield.key(press.at)


def hear(made: Sequence[Press], key: str, sounds: Sounds) -> Heard:
    """Press `key` on all lines, each with its background, and return what is heard."""
    clock = Clock()
    tones = ToneBank(clock)
    shields = ShieldBank(clock, np.random.default_rng(_SEED))
    lines = [_Line(clock, tones, shields, press) for press in made]
    for line, background in zip(lines, sounds, strict=True):
        line.prepare(key, background)
    for n in range(_FRAMES):
        for line in lines:
            line.send(n)
        run(clock, FRAME / RATE)
        for line in lines:
            line.listen()
    heard = Heard(
        np.array([np.frombuffer(b"".join(line.got), np.uint8) for line in lines]).reshape(
            len(lines), _FRAMES, FRAME
        ),
        [press.codec for press in made],
        [line.pressed for line in lines],
    )
    for line in lines:
        line.close()
    assert not clock.calls
    assert not len(shields)
    return heard


def unshielded(made: Sequence[Press], key: str, sounds: Sounds) -> Sounds:
    """What would be heard of the audio without a shield, with every press in-band."""
    lines = []
    for press, background in zip(made, sounds, strict=True):
        sound = replace(press, way="in-band").sound(key)
        line = background.copy()
        begin = samples(press.begin)
        line[begin : begin + len(sound)] += sound[: len(line) - begin]
        lines.append(line)
    return np.array(lines, dtype=np.float32)
