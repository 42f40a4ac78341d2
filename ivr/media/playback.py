"""Clips that are being played, and the one stream of packets they go out on."""

from collections.abc import Callable, Sequence
from secrets import randbits
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from ivr.media.clips import Clip
from ivr.media.g711 import FRAME, RATE, Codec
from ivr.media.rtp import HEADER, MARKER, VERSION

_pack = HEADER.pack


class Playback:
    """A sequence of clips, and how far it has been played.

    `finished` fires once: True when the last frame was sent, False when it was stopped.
    It never errs; cancelling it stops the playback.
    """

    __slots__ = ("_clips", "_codec", "_frames", "finished", "left")

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = tuple(clips)
        self._codec: Codec | None = None
        self._frames: Sequence[bytes] = ()
        self.left = sum(len(clip.pcma) for clip in clips)
        """How many frames are still to be sent, none once it was stopped."""
        self.finished: Deferred[bool] = Deferred(lambda _: self.finish(played=False))
        if not self.left:
            self.finish(played=True)

    def next_frame(self, codec: Codec) -> bytes:
        """Return the next 20 ms; only while some are left."""
        if codec is not self._codec:
            self._codec = codec
            # One row of them, as this is asked 50 times a second for each call; and a
            # tuple of octets is nothing that the garbage collector would walk.
            self._frames = tuple(frame for clip in self._clips for frame in clip.frames(codec))
        left = self.left
        self.left = left - 1
        return self._frames[-left]

    def finish(self, *, played: bool) -> None:
        """Fire `finished`, unless it has fired."""
        self.left = 0
        if not self.finished.called:
            self.finished.callback(played)


class EventPacket(NamedTuple):
    """What is sent in place of 20 ms of audio while a key is down (RFC 4733)."""

    payload: bytes
    timestamp: int
    marker: bool


class Source(Protocol):
    """Where a stream's live sound comes from. Both are asked each 20 ms."""

    def frame(self, codec: Codec) -> bytes:
        """Return the next 20 ms of audio in `codec`."""

    def event(self, timestamp: int) -> EventPacket | None:
        """Return what of a key to send at `timestamp` of the stream, if one is down."""


class AudioStream:
    """An unbroken RTP stream of 20 ms packets: a playback, a live source, or silence.

    SSRC, first sequence number and first timestamp are random (RFC 3550 §5.1). The
    marker bit is on the first packet, and on the first after a pause (RFC 3551 §4.1).
    """

    __slots__ = (
        "_codec",
        "_mark",
        "_paused_at",
        "_payload_type",
        "_playback",
        "_sequence",
        "_silence",
        "_ssrc",
        "_timestamp",
        "event_type",
        "send",
        "sent",
        "source",
        "unsent",
    )

    def __init__(self, send: Callable[[bytes], object]) -> None:
        """`send` sends a packet; an `OSError` that it raises is a packet lost."""
        self.send = send
        self.sent = 0
        """Packets that were sent."""
        self.unsent = 0
        """Packets that the system would not send."""
        self.source: Source | None = None
        """Heard while no playback is; a playback is heard in its place."""
        self.event_type: int | None = None
        """Payload type of the source's keys; without one they are not sent."""
        self._ssrc = randbits(32)
        # From the lower half: a first packet lost just before the wrap would leave the
        # receiver of SRTP with another count of wraps than ours (RFC 3711 §3.3.1).
        self._sequence = randbits(15)
        self._timestamp = randbits(32)
        self._mark = MARKER
        self._paused_at: float | None = None
        self._playback: Playback | None = None
        self.use(Codec.PCMA, Codec.PCMA.payload_type)

    @property
    def ssrc(self) -> int:
        """The stream's source, for as long as it lives."""
        return self._ssrc

    def timestamp_at(self, at: float) -> int:
        """Return the timestamp of `at` seconds, which is now: exact to 20 ms."""
        if self._paused_at is None:
            return self._timestamp
        return self._timestamp + round((at - self._paused_at) * RATE) & 0xFFFFFFFF

    def use(self, codec: Codec, payload_type: int) -> None:
        """Send in `codec` from the next packet on, at the same place of the playback."""
        self._codec = codec
        self._payload_type = payload_type
        self._silence = codec.silence

    def play(self, playback: Playback | None) -> Playback | None:
        """Send `playback` from the next packet on; return the one it replaces."""
        replaced, self._playback = self._playback, playback
        return replaced

    def pause(self, at: float) -> None:
        """Note that sending ends at `at` seconds."""
        self._paused_at = at

    def resume(self, at: float) -> None:
        """Note that sending goes on at `at` seconds: timestamps have run on meanwhile."""
        if self._paused_at is not None:
            self.skip(round((at - self._paused_at) * RATE / FRAME))
            self._paused_at = None
            self._mark = MARKER

    def skip(self, frames: int) -> None:
        """Let the time of so many packets pass unsent. The playback keeps its place."""
        self._timestamp = self._timestamp + frames * FRAME & 0xFFFFFFFF

    def beat(self) -> Playback | None:
        """Send the next packet; return the playback whose last frame it was.

        This runs 50 times a second for each call, and is most of what a call costs.
        """
        playback = self._playback
        timestamp, payload_type = self._timestamp, self._payload_type | self._mark
        live, event = (None, None) if self.source is None else self._live(self.source)
        ended = None
        if event is not None and self.event_type is not None:
            frame, timestamp = event.payload, event.timestamp
            payload_type = self.event_type | (MARKER if event.marker else 0)
        elif playback is not None and playback.left:
            frame = playback.next_frame(self._codec)
            if not playback.left:
                self._playback = None
                ended = playback
        else:
            frame = live or self._silence
        header = _pack(VERSION, payload_type, self._sequence, timestamp, self._ssrc)
        self._mark = 0
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + FRAME & 0xFFFFFFFF
        # Looked up before it is called: to Python that is the quicker way to a slot.
        send = self.send
        try:
            send(header + frame)
        except OSError:
            self.unsent += 1
        else:
            self.sent += 1
        return ended

    def _live(self, source: Source) -> tuple[bytes, EventPacket | None]:
        """Ask for both, whatever is sent: the source's time runs on."""
        return source.frame(self._codec), source.event(self._timestamp)
