"""Two legs joined both ways, and a shield between them while one of them keys a card."""

from ivr.clock import Clock
from ivr.media.event_relay import EventRelay
from ivr.media.g711 import Codec, recode
from ivr.media.jitter import JitterBuffer
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import Negotiated
from ivr.media.playback import EventPacket
from ivr.media.rtp import RtpPacket
from ivr.media.shield import Shield, ShieldBank, ShieldMode


class Bridge:
    """Joins two legs until `close`, or until one of them is closed.

    Each hears what the other says, and gets its keys as telephone-events, under its own
    payload types and in its own stream. `leg.play` is heard by that leg alone, in place
    of the other's voice. Keys reach `on_key` of their leg as ever.
    """

    __slots__ = ("_closed", "_ends", "_legs")

    def __init__(self, leg_a: MediaLeg, leg_b: MediaLeg) -> None:
        """Raise `MediaStateError` when a leg is closed or joined already."""
        a, b = _End(self, leg_a), _End(self, leg_b)
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
        keying: MediaLeg | None = None,
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

    def close(self) -> None:
        """Give both legs back to silence. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for leg, end in zip(self._legs, self._ends, strict=True):
            leg.join(None)
            end.drop_shield()


class _End:
    """One leg's end: takes what that leg says, and gives it what the other leg said."""

    __slots__ = (
        "_bridge",
        "_buffer",
        "_clock",
        "_muted",
        "_relay",
        "_shields",
        "other",
        "shield",
    )

    other: "_End"

    def __init__(self, bridge: Bridge, leg: MediaLeg) -> None:
        self._bridge = bridge
        self._clock: Clock = leg.node.reactor
        self._shields: ShieldBank = leg.node.shields
        self._buffer = JitterBuffer()
        self._relay = EventRelay()
        self._muted = False
        """Whether the other leg hears nothing of this one, keys or not."""
        self.shield: Shield | None = None
        """Before what this leg says."""

    def audio(self, packet: RtpPacket) -> None:
        self._buffer.put(packet)

    def events(self, packet: RtpPacket) -> None:
        keying = self.shield is not None or self.other.shield is not None
        self._relay.receive(packet, self._clock.seconds(), silently=keying)
        if self.shield is not None:
            self.shield.event()

    def key(self, at: float) -> None:
        if self.shield is not None:
            self.shield.key(at)

    def followed(self, negotiated: Negotiated) -> None:
        self._buffer.use(negotiated.codec)

    def closed(self) -> None:
        self._bridge.close()

    def frame(self, codec: Codec) -> bytes:
        return self.other.said(codec)

    def event(self, timestamp: int) -> EventPacket | None:
        return self.other.keyed(timestamp)

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

    def drop_shield(self) -> None:
        if self.shield is not None:
            self.shield.end()

    def mute(self, *, on: bool) -> None:
        self._muted = on

    def _shield_down(self) -> None:
        self.shield = None
