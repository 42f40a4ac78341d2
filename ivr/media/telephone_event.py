"""Keys as RTP events (RFC 4733): a receiver that loses none and doubles none.

An event is its SSRC and RTP timestamp, however many of its packets are lost, repeated
or late. It is reported at the first of its packets that arrives, with or without the
marker bit, be it an end packet. What arrives of an event after a newer one has begun
is never reported: the order of the keys is worth more than a key that nobody can place.
"""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ivr.media.g711 import FRAME, RATE
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket, sequence_distance, timestamp_distance

KEYS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 §3.2)."""

_BLOCK = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 0x3F
_LONGEST_SEGMENT = 0xFFFF
_CUT_SHORT = 800
"""Senders end a segment at a packet's length below the longest; this allows 100 ms."""
_LATE_AT_MOST = 10.0
"""No network holds a packet back for so many seconds."""
_MISSED_SEGMENTS = 4
_SOURCES = 4
_BLOCKS = 8


class _Block(NamedTuple):
    """One event of a packet, received at `at` seconds."""

    event: int
    end: bool
    start: int
    duration: int
    sequence: int
    marker: bool
    at: float


class _Event:
    """The newest event of one SSRC: what it takes to know its packets again."""

    __slots__ = (
        "before",
        "duration",
        "ended",
        "event",
        "heard_at",
        "press",
        "sequence",
        "timestamp",
    )

    def __init__(self, block: _Block, press: KeyPress | None) -> None:
        self.event = block.event
        self.timestamp = block.start
        self.sequence = block.sequence
        self.heard_at = block.at
        self.press = press
        self.before = 0
        """Length of the press's earlier segments."""
        self.duration = 0
        self.ended = False
        self.update(block)

    def heard(self, block: _Block) -> None:
        """Note that a packet of this sender came, be it a late one."""
        self.heard_at = block.at
        if sequence_distance(block.sequence, self.sequence) > 0:
            self.sequence = block.sequence

    def update(self, block: _Block) -> None:
        """Learn from one more packet of the event."""
        if block.event != self.event:
            return
        self.duration = max(self.duration, block.duration)
        self.ended = self.ended or block.end
        if self.press is not None:
            self.press.held = (self.before + self.duration) / RATE

    def older_than(self, block: _Block, ahead: int) -> bool:
        """Whether `block`, `ahead` in timestamps, belongs to an event begun after this one.

        Near this event the timestamp tells. Far from it the sender may have started its
        timestamps anew, and the sequence number tells. After a long quiet nothing late
        can come any more, and sequence numbers may have wrapped.
        """
        if block.at - self.heard_at > _LATE_AT_MOST:
            return True
        if abs(ahead) > _LATE_AT_MOST * RATE:
            return sequence_distance(block.sequence, self.sequence) > 0
        return ahead > 0

    def continued_by(self, block: _Block, ahead: int) -> bool:
        """Whether `block` is a new segment of the same long press (§2.5.1.3)."""
        if ahead < 0 or block.event != self.event or block.marker or self.ended:
            return False
        segments, rest = divmod(ahead, _LONGEST_SEGMENT)
        if not rest:
            return segments <= _MISSED_SEGMENTS
        nearly_longest = _LONGEST_SEGMENT - _CUT_SHORT <= ahead < _LONGEST_SEGMENT
        return nearly_longest and 0 <= ahead - self.duration <= RATE

    def continue_with(self, block: _Block, ahead: int) -> None:
        """Begin the next segment."""
        self.before += ahead
        self.timestamp = block.start
        self.duration = 0
        self.update(block)


class TelephoneEvents:
    """Finds the presses in the telephone-events of one leg. Memory is bounded.

    It outlives re-INVITEs: a press that spans one stays one press.
    """

    __slots__ = ("_events", "_last_press", "_last_ssrc")

    def __init__(self) -> None:
        self._events: dict[int, _Event] = {}
        self._last_ssrc: int | None = None
        self._last_press: KeyPress | None = None

    def receive(self, packet: RtpPacket, at: float) -> list[KeyPress]:
        """Return the presses that begin with `packet`: none or one, rarely more."""
        presses = []
        for block in _blocks(packet, at):
            press = self._receive(packet.ssrc, block)
            if press is not None:
                presses.append(press)
        return presses

    def _receive(self, ssrc: int, block: _Block) -> KeyPress | None:
        event = self._events.get(ssrc) or self._moved(ssrc, block)
        if event is None:
            return self._begin(ssrc, block, self._gap_on_arrival(block))
        ahead = timestamp_distance(block.start, event.timestamp)
        if ahead == 0:
            event.update(block)
        elif event.continued_by(block, ahead):
            event.continue_with(block, ahead)
        elif event.older_than(block, ahead):
            return self._begin(ssrc, block, self._gap(ssrc, event, block, ahead))
        event.heard(block)
        return None

    def _moved(self, ssrc: int, block: _Block) -> _Event | None:
        """Return the newest event when its sender changed its SSRC while the key was down."""
        if self._last_ssrc is None:
            return None
        event = self._events[self._last_ssrc]
        if (event.timestamp, event.event) != (block.start, block.event):
            return None
        event.sequence = block.sequence
        self._remember(ssrc, event)
        return event

    def _begin(self, ssrc: int, block: _Block, gap: float) -> KeyPress | None:
        known = block.event < len(KEYS)
        press = KeyPress(KEYS[block.event], block.at, gap) if known else None
        self._remember(ssrc, _Event(block, press))
        self._last_press = press or self._last_press
        return press

    def _remember(self, ssrc: int, event: _Event) -> None:
        self._events.pop(ssrc, None)
        if len(self._events) >= _SOURCES:
            del self._events[next(iter(self._events))]
        self._events[ssrc] = event
        self._last_ssrc = ssrc

    def _gap(self, ssrc: int, event: _Event, block: _Block, ahead: int) -> float:
        by_timestamps = 0 < ahead <= _LATE_AT_MOST * RATE
        if ssrc != self._last_ssrc or event.press is None or not by_timestamps:
            return self._gap_on_arrival(block)
        return max(0, ahead - event.duration) / RATE

    def _gap_on_arrival(self, block: _Block) -> float:
        last = self._last_press
        return math.inf if last is None else max(0.0, block.at - last.at - last.held)


def _blocks(packet: RtpPacket, received_at: float) -> Iterator[_Block]:
    """Yield the events of a packet: one, or several that follow each other (§2.5.1.5)."""
    start = packet.timestamp
    payload = packet.payload
    whole = len(payload) - len(payload) % _BLOCK.size
    for at in range(0, min(whole, _BLOCKS * _BLOCK.size), _BLOCK.size):
        event, flags, duration = _BLOCK.unpack_from(payload, at)
        if at and not duration:
            return  # Filling, not a further event.
        end = bool(flags & _END)
        yield _Block(
            event=event,
            end=end,
            start=start,
            duration=duration,
            sequence=packet.sequence,
            marker=packet.marker and not at,
            at=received_at,
        )
        if not end:
            return
        start = start + duration & 0xFFFFFFFF


def is_end(packet: RtpPacket) -> bool:
    """Whether `packet` tells that its event, the last one if several, is over."""
    blocks = list(_blocks(packet, 0.0))
    return bool(blocks) and blocks[-1].end


def encode_event(key: str, length: int, *, end: bool, volume: int = 10) -> bytes:
    """Return the payload that tells of `key` held for `length` samples, 65,535 at most.

    `volume` is in dBm0 with its sign dropped.
    """
    return _BLOCK.pack(KEYS.index(key), volume & _VOLUME | (_END if end else 0), length)


def encode_press(
    key: str,
    *,
    payload_type: int,
    ssrc: int,
    sequence: int,
    timestamp: int,
    duration: float = 0.1,
    volume: int = 10,
) -> list[bytes]:
    """Return the RTP packets of one key press of `duration` seconds, to be sent 20 ms apart.

    The first has the marker bit, each next one the length so far, and the last comes
    three times with the end bit (§2.5.1). `volume` is in dBm0 with its sign dropped.
    `sequence` and `timestamp` are those of the first packet; sequence numbers are used
    up one for each packet. Raise `ValueError` for what is not a key.
    """
    event = KEYS.find(key) if len(key) == 1 else -1
    if event < 0:
        raise ValueError("not a key of a telephone")
    lengths = [FRAME * (n + 1) for n in range(max(1, round(duration * RATE / FRAME)))]
    packets: list[bytes] = []

    def add(segment: int, length: int, *, end: bool = False) -> None:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence=sequence + len(packets) & 0xFFFF,
            timestamp=timestamp + segment & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=_BLOCK.pack(event, volume & _VOLUME | (_END if end else 0), length),
            marker=not packets,
        )
        packets.append(packet.pack())

    segment = 0
    for length in lengths:
        if length - segment > _LONGEST_SEGMENT:
            add(segment, _LONGEST_SEGMENT)
            segment += _LONGEST_SEGMENT
        add(segment, length - segment)
    for _ in range(3):
        add(segment, lengths[-1] - segment, end=True)
    return packets
