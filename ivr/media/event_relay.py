"""Keys of one leg, said again on the other (RFC 4733), in its own stream and number.

A press is told once, by whichever way it came: telephone-events, INFO, or a tone.
"""

from collections import deque

from ivr.media.g711 import FRAME, RATE
from ivr.media.keys import KeyPress
from ivr.media.playback import EventPacket
from ivr.media.rtp import RtpPacket, timestamp_distance
from ivr.media.telephone_event import encode_event, is_end

_REPEATS = 3
"""The last packet of an event is sent so many times (§2.5.1.4)."""
_LOST_AFTER = 0.2
"""Without a packet for so many seconds, an event is over: its end was lost."""
_LONGEST = 0xFFFF - 2 * FRAME
"""A press held longer is sent as 8 s."""
_MOST_WAITING = 16
_UNTOLD = 0.1
"""Seconds that a press is sent for when its length is not known."""


class EventRelay:
    """Takes the presses of one leg, and makes the event packets of the other."""

    __slots__ = (
        "_begun",
        "_ended",
        "_ends_sent",
        "_length",
        "_newest",
        "_newest_at",
        "_waiting",
    )

    def __init__(self) -> None:
        self._waiting: deque[KeyPress] = deque(maxlen=_MOST_WAITING)
        """The presses to be sent, the one being sent first."""
        self._newest: KeyPress | None = None
        self._newest_at = 0.0
        self._ended = True
        """Whether the newest press is over, or has no packets that tell."""
        self._begun: int | None = None
        """Our timestamp of the event being sent."""
        self._ends_sent = 0
        self._length = 0

    def press(self, press: KeyPress) -> None:
        """Take a press that has begun; it may still grow."""
        self._newest = press
        self._ended = True
        self._waiting.append(press)

    def packet(self, packet: RtpPacket, at: float) -> None:
        """Take a packet of telephone-events, received at `at` seconds, of the newest press."""
        self._newest_at = at
        self._ended = is_end(packet)

    def drop(self) -> None:
        """Send nothing more of the presses so far."""
        self._waiting.clear()
        self._begun = None

    def next(self, timestamp: int, now: float) -> EventPacket | None:
        """Return the packet to send at `timestamp` of our stream, None for audio."""
        if not self._waiting:
            return None
        press = self._waiting[0]
        marker = self._begun is None
        if self._begun is None:
            self._begun = timestamp
            self._ends_sent = 0
        if not self._ends_sent:
            self._length = timestamp_distance(timestamp, self._begun) + FRAME
        over = bool(self._ends_sent) or self._is_over(press, now)
        payload = encode_event(press.key, self._length, end=over)
        packet = EventPacket(payload, self._begun, marker)
        if over:
            self._ends_sent += 1
            if self._ends_sent == _REPEATS:
                self._waiting.popleft()
                self._begun = None
        return packet

    def _is_over(self, press: KeyPress, now: float) -> bool:
        if self._length > _LONGEST:
            return True
        if press is self._newest and not self._ended and now - self._newest_at < _LOST_AFTER:
            return False
        return self._length >= round((press.held or _UNTOLD) * RATE)
