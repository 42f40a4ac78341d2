"""Proves a bridge's shield before a card is keyed: probe keys, in a shadow of this very bridge.

The shadow is joined by the same code, from what was negotiated last, what the socket takes
for a key, and the shield that is up; its time is its own, so that nobody hears it and it
is over in a fraction of a second. Each key is pressed by each way there is. Whatever
comes out beside one mask tone for each key, on the listener's side, is a leak.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as ShadowClock

from ivr.clock import Clock
from ivr.media.bridge import Bridge
from ivr.media.g711 import FRAME, RATE, Codec, decode
from ivr.media.inband import ToneBank
from ivr.media.info import InfoKey
from ivr.media.key_sources import InBand, KeySources
from ivr.media.key_tone import tone_frame
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg
from ivr.media.mask_tone import FRAMES, MASK_TONE
from ivr.media.negotiation import Negotiated
from ivr.media.playback import AudioStream
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.shield import ShieldBank, ShieldMode
from ivr.media.tap import Tap
from ivr.media.telephone_event import encode_press
from ivr.media.tone_detector import ToneDetector
from ivr.media.tone_plan import HIGH, LOW, Floats, amplitude

_KEYS = "0123456789*#"
_LOUDEST = -50.0
"""dBm0 at a keypad's frequency."""
_ALIKE = amplitude(-60.0)
"""How far the sound of two keys may be apart: the faintest that the laws can tell."""
_PRESSED = 5
_HELD = 5
_TONE_BEFORE_EVENT = 2
_BEATS = 40
"""Frames of 20 ms: a key is pressed 100 ms from the start for 100 ms, and its mask tone is
over 600 ms later at most."""


class Leak(StrEnum):
    """Why a shield was not proved."""

    NOT_JOINED = "the bridge is closed, or a leg hears something else"
    NOT_NEGOTIATED = "a leg has not negotiated its media"
    EVENT = "a key left as a telephone-event"
    TONE = "a keypad tone was heard"
    UNMASKED = "a key was not taken for one"
    DIFFERENT = "keys do not sound alike"
    CHANGED = "the call changed meanwhile"


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the listener hears nothing of the keys; if not, why."""

    proved: bool
    reason: Leak | None = None


def prove(bridge: Bridge, keying: MediaLeg, listener: MediaLeg) -> Deferred[Proof]:
    """Prove that `listener` would hear nothing but mask tones of keys pressed on `keying`.

    Both are legs of `bridge`. It holds for what was negotiated last: prove it again after
    each re-INVITE. The reactor gets its turn after each 20 ms of the shadow's time.
    """
    return Deferred.fromCoroutine(_prove(bridge, keying, listener))


async def _prove(bridge: Bridge, keying: MediaLeg, listener: MediaLeg) -> Proof:
    before = _state(bridge, keying, listener)
    if isinstance(before, Leak):
        return Proof(proved=False, reason=before)
    for way in _ways(before.keying):
        probes = _Probes(keying, listener, before, way)
        for n in range(_BEATS):
            await _turn(keying.node.reactor)
            probes.beat(n)
        await _turn(keying.node.reactor)
        changed = _state(bridge, keying, listener) != before
        leak = Leak.CHANGED if changed else probes.leak()
        if leak is not None:
            return Proof(proved=False, reason=leak)
    return Proof(proved=True)


@dataclass(frozen=True, slots=True)
class _State:
    keying: Negotiated
    listener: Negotiated
    mode: ShieldMode | None
    """None when no shield is up, or when it is coming down: that leaks, and shows."""


def _state(bridge: Bridge, keying: MediaLeg, listener: MediaLeg) -> _State | Leak:
    joined = (leg.tap is bridge.end_of(leg) for leg in (keying, listener))
    if not all(joined):
        return Leak.NOT_JOINED
    if keying.negotiated is None or listener.negotiated is None:
        return Leak.NOT_NEGOTIATED
    return _State(keying.negotiated, listener.negotiated, bridge.shield_before(listener))


def _turn(clock: Clock) -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    clock.callLater(0, turn.callback, None)
    return turn


class _Node:
    """What the shadows share: a time of their own, shields, ears."""

    def __init__(self) -> None:
        self.reactor = ShadowClock()
        self.shields = ShieldBank(self.reactor)
        self.tones = ToneBank(self.reactor)


class _ShadowLeg:
    """A leg without a socket, that has negotiated what the live one has."""

    def __init__(self, node: _Node, live: MediaLeg, negotiated: Negotiated) -> None:
        self.node = node
        self.heard: list[tuple[int, bytes]] = []
        """Payload type and payload of each packet sent to the peer."""
        self._live = live
        self._negotiated = negotiated
        self._tap: Tap | None = None
        self._keys = KeySources(node.reactor, node.tones, InBand.ON, self._press)
        self._keys.follow(negotiated.codec, events_negotiated=bool(negotiated.event_types))
        self._stream = AudioStream(self._send)
        self._stream.use(negotiated.codec, negotiated.send_audio)
        self._stream.event_type = negotiated.send_event

    def join(self, tap: Tap | None) -> None:
        self._tap = self._stream.source = tap
        if tap is not None:
            tap.followed(self._negotiated)

    def receive(self, octets: bytes) -> None:
        """Take a packet as the live leg would."""
        packet = unpack(octets)
        if packet is None or self._tap is None:
            return
        is_event = self._live.takes_for_key(packet.payload_type)
        if is_event is None:
            return
        at = self.node.reactor.seconds()
        if is_event:
            self._keys.event(packet, at)
            self._tap.events(packet)
        else:
            self._keys.audio(packet, at)
            self._tap.audio(packet)

    def info(self, key: InfoKey) -> None:
        self._keys.info(key)

    def beat(self) -> None:
        self._stream.beat()

    def close(self) -> None:
        self._keys.close()

    def _press(self, press: KeyPress) -> None:
        if self._tap is not None:
            self._tap.key(press)

    def _send(self, octets: bytes) -> None:
        packet = unpack(octets)
        if packet is not None:
            self.heard.append((packet.payload_type, packet.payload))


@dataclass(frozen=True, slots=True)
class _Way:
    """How a key comes: a tone for so many frames, then events of a type, or by INFO."""

    audio_type: int
    sounds_for: int = 0
    event_type: int | None = None
    info: bool = False


class _Probe:
    """One key, pressed by one way on a shadow of the bridge."""

    def __init__(
        self,
        keying: _ShadowLeg,
        listener: _ShadowLeg,
        mode: ShieldMode | None,
        packets: list[bytes],
        info: InfoKey | None,
    ) -> None:
        self.heard = listener.heard
        self._keying, self._listener = keying, listener
        self._packets = packets
        self._info = info
        self._bridge = Bridge(keying, listener)
        if mode is not None:
            self._bridge.shield(True, mode, keying=keying)

    def send(self, n: int) -> None:
        """Say the `n`th 20 ms."""
        if self._info is not None and n == _PRESSED:
            self._keying.info(self._info)
        self._keying.receive(self._packets[n])

    def listen(self) -> None:
        """Hear 20 ms."""
        self._listener.beat()

    def close(self) -> None:
        self._bridge.close()
        self._keying.close()
        self._listener.close()


class _Probes:
    """Every key by one way, at once."""

    def __init__(self, keying: MediaLeg, listener: MediaLeg, state: _State, way: _Way) -> None:
        node = _Node()
        self._clock = node.reactor
        self._listener = state.listener
        self._all = [
            _Probe(
                _ShadowLeg(node, keying, state.keying),
                _ShadowLeg(node, listener, state.listener),
                state.mode,
                _packets(state.keying.codec, way, key),
                InfoKey(key, _HELD * FRAME / RATE) if way.info else None,
            )
            for key in _KEYS
        ]

    def beat(self, n: int) -> None:
        """Let the `n`th 20 ms pass."""
        for probe in self._all:
            probe.send(n)
        self._clock.advance(FRAME / RATE)
        for probe in self._all:
            probe.listen()

    def leak(self) -> Leak | None:
        """Return what the listener could tell, None when there is nothing."""
        for probe in self._all:
            probe.close()
        codec = self._listener.codec
        heard = [probe.heard for probe in self._all]
        if any(kind != self._listener.send_audio for line in heard for kind, _ in line):
            return Leak.EVENT
        masks = MASK_TONE[codec]
        lines = [[payload for _, payload in line] for line in heard]
        rest = [codec.silence if each in masks else each for line in lines for each in line]
        if _tells(_sound(codec, rest).reshape(len(lines), -1)):
            return Leak.TONE
        if any(sum(each in masks for each in line) != FRAMES for line in lines):
            return Leak.UNMASKED
        whole = _sound(codec, [each for line in lines for each in line])
        if np.ptp(whole.reshape(len(lines), -1), axis=0).max() > _ALIKE:
            return Leak.DIFFERENT
        return None


def _ways(keying: Negotiated) -> Iterator[_Way]:
    """Yield each way a key may come by."""
    for audio in sorted(keying.audio_types):
        yield _Way(audio, sounds_for=_HELD)
        yield _Way(audio, info=True)
        for event in sorted(keying.event_types):
            yield _Way(audio, event_type=event)
            yield _Way(audio, sounds_for=_TONE_BEFORE_EVENT, event_type=event)


def _packets(codec: Codec, way: _Way, key: str) -> list[bytes]:
    """Return the packets of a line on which `key` is pressed, one each 20 ms."""
    begin = _PRESSED + way.sounds_for
    packets = []
    for n in range(_BEATS):
        sounds = _PRESSED <= n < begin
        frame = tone_frame(key, (n - _PRESSED) * FRAME, codec) if sounds else codec.silence
        packets.append(RtpPacket(way.audio_type, n, n * FRAME, 1, frame).pack())
    if way.event_type is not None:
        events = encode_press(
            key,
            payload_type=way.event_type,
            ssrc=1,
            sequence=begin,
            timestamp=begin * FRAME,
            duration=_HELD * FRAME / RATE,
        )
        packets[begin : begin + len(events)] = events
    return packets


def _sound(codec: Codec, frames: list[bytes]) -> Floats:
    return decode(codec, b"".join(frames)).astype(np.float32)


def _tells(lines: Floats) -> bool:
    """Tell whether a keypad tone is in one of (lines, samples): by detector, and by level."""
    detector = ToneDetector()
    rows = np.array([detector.open() for _ in lines])
    frames = np.ascontiguousarray(lines.reshape(len(lines), -1, FRAME).transpose(1, 0, 2))
    if any(detector.hear(rows, frame) for frame in frames):
        return True
    pieces = np.lib.stride_tricks.sliding_window_view(lines, FRAME, axis=1)[:, :: FRAME // 2]
    # By FFT, and not by a product that OpenBLAS would share among busy cores.
    spectrum = np.abs(np.fft.rfft(pieces * _WINDOW, _POINTS)[..., _BINS])
    return bool(spectrum.max() > amplitude(_LOUDEST))


_POINTS = 8 * FRAME
_BINS = np.rint(np.array((*LOW, *HIGH)) * _POINTS / RATE).astype(np.intp)
_WINDOW: Floats = np.hanning(FRAME + 2)[1:-1].astype(np.float32) * (4 / (FRAME + 1))
