"""Puts one sender's audio packets back in order and in time, in frames of 20 ms."""

from ivr.media.g711 import FRAME, RATE, Codec
from ivr.media.rtp import RtpPacket, timestamp_distance

DEPTH = 2
"""Frames between a packet's due time and when it is taken: 40 ms of jitter, at first."""
SHALLOWEST = 1
DEEPEST = 6

_STEADY = 500
"""Packets, 10 s: when all of them came with 40 ms to spare, the delay loses a frame."""

_SHORTEST = RATE * 5 // 1000
"""Of what is shorter, nothing is heard; it may be a keypad event under another's number."""
_LONGEST = RATE // 2
_SLACK = RATE // 10
"""Audio this much further ahead than it should be is caught up with."""
_LATE = 3
"""So many late packets in a row: the network, or the sender's clock, has changed."""


class JitterBuffer:
    """What one sender said, to be taken 20 ms at a time. Memory is bounded.

    Packets may hold any length of audio. They are placed by timestamp; what is missing
    when its time has come is silence. The delay grows with the first packet that is later
    than all before it, to 120 ms, and shrinks slowly, to 20 ms; when packets come too late
    for that, or pile up, it is set anew.
    """

    __slots__ = (
        "_depth",
        "_early",
        "_late",
        "_newest",
        "_next",
        "_packets",
        "_silence",
        "_ssrc",
        "codec",
    )

    def __init__(self, codec: Codec = Codec.PCMA) -> None:
        self.codec = codec
        self._silence = codec.silence
        self._packets: dict[int, bytes] = {}
        self._ssrc: int | None = None
        self._next = 0
        """Timestamp of the sample to be taken next."""
        self._late = 0
        self._depth = DEPTH
        self._newest = 0
        """Timestamp of the newest packet."""
        self._early = 0
        """How many packets in a row came with 40 ms to spare."""

    def use(self, codec: Codec) -> None:
        """Take what comes from now on for audio in `codec`."""
        if codec is not self.codec:
            self.codec = codec
            self._silence = codec.silence
            self._packets.clear()

    def put(self, packet: RtpPacket) -> None:
        """Take a packet of audio, in any order."""
        length = len(packet.payload)
        if not _SHORTEST <= length <= _LONGEST:
            return
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._restart(packet)
        end = timestamp_distance(packet.timestamp, self._next) + length
        if timestamp_distance(packet.timestamp, self._newest) > 0:
            self._newest = packet.timestamp
            end = self._adapt(end, length)
        if end <= 0:
            self._late += 1
            if self._late < _LATE and not packet.marker:
                return
            self._restart(packet)
        elif end > self._depth * FRAME + length + _SLACK:
            self._next = packet.timestamp - self._depth * FRAME & 0xFFFFFFFF
            self._forget_past()
        self._late = 0
        self._packets[packet.timestamp] = packet.payload

    def take(self) -> bytes | None:
        """Return the next 20 ms, None when nothing of them came."""
        start = self._next
        self._next = start + FRAME & 0xFFFFFFFF
        whole = self._packets.pop(start, None)
        if whole is not None and len(whole) == FRAME:
            return whole
        if whole is not None:
            self._packets[start] = whole
        return self._assembled(start)

    def _adapt(self, end: int, length: int) -> int:
        """Set the delay for the newest packet; return how far ahead its end is then."""
        more = max(0, -(-(FRAME - end) // FRAME))
        if more and self._depth + more <= DEEPEST:
            step = -more
        elif self._depth > SHALLOWEST and self._early >= _STEADY:
            step = 1
        else:
            step = 0
        early = not more and end >= length + 2 * FRAME
        self._early = self._early + 1 if early and not step else 0
        self._depth -= step
        self._next = self._next + step * FRAME & 0xFFFFFFFF
        return end - step * FRAME

    def _assembled(self, start: int) -> bytes | None:
        frame: bytearray | None = None
        for timestamp, payload in self._packets.items():
            begin = timestamp_distance(timestamp, start)
            first, last = max(begin, 0), min(begin + len(payload), FRAME)
            if first < last:
                frame = frame or bytearray(self._silence)
                frame[first:last] = payload[first - begin : last - begin]
        self._forget_past()
        return None if frame is None else bytes(frame)

    def _forget_past(self) -> None:
        past = [
            timestamp
            for timestamp, payload in self._packets.items()
            if timestamp_distance(timestamp, self._next) + len(payload) <= 0
        ]
        for timestamp in past:
            del self._packets[timestamp]

    def _restart(self, packet: RtpPacket) -> None:
        self._packets.clear()
        self._newest = packet.timestamp
        self._next = packet.timestamp - self._depth * FRAME & 0xFFFFFFFF
