"""Two legs joined both ways, and a shield between them while one of them keys a card."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ivr.clock import Clock
from ivr.media.clips import Clip
from ivr.media.event_relay import EventRelay
from ivr.media.g711 import FRAME, Codec, mix, recode
from ivr.media.jitter import JitterBuffer
from ivr.media.key_tone import tone_frame
from ivr.media.keys import KeyPress
from ivr.media.negotiation import Negotiated
from ivr.media.playback import EventPacket, Playback
from ivr.media.rtp import RtpPacket
from ivr.media.shield import Shield, ShieldBank, ShieldMode
from ivr.media.tap import Tap
from ivr.media.telephone_event import KEYS


class Node(Protocol):
    """What a bridge needs of `ivr.media.leg.MediaNode`."""

    @property
    def reactor(self) -> Clock:
        """The clock."""

    @property
    def shields(self) -> ShieldBank:
        """The shields of the process."""


class Leg(Protocol):
    """What is joined: `ivr.media.leg.MediaLeg`, or its shadow in `ivr.media.leak_test`."""

    @property
    def node(self) -> Node:
        """What it shares with others."""

    def join(self, tap: Tap | None) -> None:
        """Hand what is received to `tap`, and send what it gives."""


def _nothing() -> None:
    """Nobody wants to know yet."""


class Bridge:
    """Joins two legs until `close`, or until one of them is closed.

    Each hears what the other says, in its own stream, and gets its keys, by whichever way
    they came: as telephone-events under its own payload type where it has negotiated one,
    else as tones. `leg.play` is heard by that leg alone, in place of the other's voice, and
    `whisper` beside it. Keys reach `on_key` of their leg as ever. With `keys` off they go no
    further: an agent needs no key of a debtor's, but a tone in the audio is heard unless a
    shield is up.
    """

    __slots__ = ("_closed", "_ends", "_legs", "on_change")

    def __init__(self, leg_a: Leg, leg_b: Leg, *, keys: bool = True) -> None:
        """Raise `MediaStateError` when a leg is closed or joined already."""
        self.on_change: Callable[[], object] = _nothing
        """Called when a leg has negotiated anew: what was proved of the shield is past."""
        a, b = _End(self, leg_a, keys=keys), _End(self, leg_b, keys=keys)
        self._legs = (leg_a, leg_b)
        self._ends = (a, b)
        self._closed = False
        a.other, b.other = b, a
        leg_a.join(a)
        try:
            leg_b.join(b)
        except BaseException:
            leg_a.join(None)
            raise

    @property
    def shielded(self) -> bool:
        """Whether a shield is up, or still comes down."""
        return any(end.shield is not None for end in self._ends)

    def shield(
        self,
        on: bool,
        mode: ShieldMode = ShieldMode.MASKED,
        *,
        keying: Leg | None = None,
    ) -> None:
        """Keep the keys of `keying`, the first leg by default, from the other leg.

        Off takes effect when the last key can no longer be heard: half a second later,
        or as much later as it is still held. On again, or with another mode, at once.
        Nothing happens once the bridge is closed.
        """
        if self._closed:
            return
        end = self._ends[self._legs.index(keying) if keying is not None else 0]
        if on:
            end.raise_shield(mode)
        else:
            end.lower_shield()

    def whisper(self, to: Leg, clips: Sequence[Clip]) -> Playback:
        """Let `to` alone hear `clips`, in place of what is whispered, while all else goes on.

        It is stopped when the bridge is closed.
        """
        return self._ends[self._legs.index(to)].whisper(Playback(clips), closed=self._closed)

    def shield_before(self, listener: Leg) -> ShieldMode | None:
        """Return the mode of the shield that keeps the other leg's keys from `listener`.

        None when there is none, or when it is about to come down, or when something else
        than this bridge is what the listener hears.
        """
        end = self._ends[self._legs.index(listener)]
        return None if self._closed else end.other.shielding

    def end_of(self, leg: Leg) -> Tap:
        """Return what `leg` is joined to while the bridge is open."""
        return self._ends[self._legs.index(leg)]

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """The two that are joined."""
        return self._legs

    def close(self) -> None:
        """Give both legs back to silence. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for leg, end in zip(self._legs, self._ends, strict=True):
            leg.join(None)
            end.drop()


class _End:
    """One leg's end: takes what that leg says, and gives it what the other leg said."""

    __slots__ = (
        "_bridge",
        "_buffer",
        "_clock",
        "_has_events",
        "_keys",
        "_muted",
        "_relay",
        "_shields",
        "_time",
        "_whispered",
        "other",
        "shield",
    )

    other: "_End"

    def __init__(self, bridge: Bridge, leg: Leg, *, keys: bool) -> None:
        self._bridge = bridge
        self._keys = keys
        self._clock: Clock = leg.node.reactor
        self._shields: ShieldBank = leg.node.shields
        self._buffer = JitterBuffer()
        self._relay = EventRelay()
        self._has_events = True
        """Whether telephone-events may be sent to this leg."""
        self._time = 0
        """Samples that this leg was given."""
        self._whispered: Playback | None = None
        self._muted = False
        """Whether the other leg hears nothing of this one, keys or not."""
        self.shield: Shield | None = None
        """Before what this leg says."""

    def audio(self, packet: RtpPacket) -> None:
        self._buffer.put(packet)

    def events(self, packet: RtpPacket) -> None:
        self._relay.packet(packet, self._clock.seconds())
        if self.shield is not None:
            self.shield.event()

    def key(self, press: KeyPress) -> None:
        if self.shield is not None:
            self.shield.key(press.at)
        # A press that begins behind a shield is never sent, however long it lasts.
        elif self._keys and self.other.shield is None:
            self._relay.press(press)

    def followed(self, negotiated: Negotiated) -> None:
        self._buffer.use(negotiated.codec)
        self._has_events = negotiated.send_event is not None
        self._bridge.on_change()

    def closed(self) -> None:
        self._bridge.close()

    def frame(self, codec: Codec) -> bytes:
        heard = self.other.said(codec)
        self._time += FRAME
        if not self._has_events:
            heard = self.other.sounded(self._time & 0xFFFFFFFF, codec) or heard
        if self._whispered is not None:
            heard = mix(codec, heard, self._next_whispered(self._whispered, codec))
        return heard

    def event(self, timestamp: int) -> EventPacket | None:
        return self.other.keyed(timestamp) if self._has_events else None

    def whisper(self, playback: Playback, *, closed: bool) -> Playback:
        replaced, self._whispered = self._whispered, playback
        if replaced is not None:
            replaced.finish(played=False)
        if closed:
            playback.finish(played=False)
        return playback

    def _next_whispered(self, playback: Playback, codec: Codec) -> bytes:
        """Return the next frame; the end is told once this beat is over."""
        frame = playback.next_frame(codec) if playback.left else codec.silence
        if not playback.left:
            self._whispered = None
            self._clock.callLater(0, playback.finish, played=True)
        return frame

    def said(self, codec: Codec) -> bytes:
        """Return the next 20 ms of this leg for the other's ears."""
        if self.shield is not None:
            return self.shield.frame(codec)
        heard = self._buffer.take()
        if heard is None or self._muted:
            return codec.silence
        return recode(heard, self._buffer.codec, codec)

    def keyed(self, timestamp: int) -> EventPacket | None:
        """Return what the other is sent of this leg's keys."""
        return self._relay.next(timestamp, self._clock.seconds())

    def sounded(self, time: int, codec: Codec) -> bytes | None:
        """Return 20 ms of a key's tone, for who has no events; None while no key is down."""
        event = self._relay.next(time, self._clock.seconds())
        if event is None:
            return None
        key, ended = KEYS[event.payload[0]], event.payload[1] & 0x80
        return codec.silence if ended else tone_frame(key, time - event.timestamp, codec)

    @property
    def shielding(self) -> ShieldMode | None:
        """The mode of the shield, unless it is about to come down."""
        return self.shield.mode if self.shield is not None and self.shield.stays else None

    def raise_shield(self, mode: ShieldMode) -> None:
        if self.shield is None:
            self.shield = self._shields.open(self._buffer, self._shield_down)
        self.shield.raise_(mode)
        self._relay.drop()
        self.other.mute(on=mode is ShieldMode.TWO_WAY_MUTE)

    def lower_shield(self) -> None:
        if self.shield is not None:
            self.shield.lower()
            self.other.mute(on=False)

    def drop(self) -> None:
        """End the shield and what is whispered."""
        if self.shield is not None:
            self.shield.end()
        if self._whispered is not None:
            self._whispered.finish(played=False)

    def mute(self, *, on: bool) -> None:
        self._muted = on

    def _shield_down(self) -> None:
        self.shield = None
