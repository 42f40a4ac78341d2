"""What pyVoIP's phone hears and says: its RTP, with the keys that it cannot send."""

import contextlib
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from pyVoIP import RTP

from ivr.demo.phone_audio import TICK_MS, TICK_SAMPLES, Heard, Tick, as_events, as_tones
from ivr.demo.phone_desk import report

_TICK_SECONDS: Final = TICK_MS / 1000
_MARKER: Final = 0x80
_SUBTYPES: Final = {RTP.PayloadType.PCMU: "ULAW", RTP.PayloadType.PCMA: "ALAW"}


class Sound(RTP.RTPClient):
    """pyVoIP's RTP with telephone-events going out and every packet kept that comes in."""

    def __init__(self, *args: Any, heard: Heard) -> None:
        super().__init__(*args)
        self._heard = heard
        self._plan: deque[Tick] = deque()
        self._keys_down = 0
        self._event_timestamp = 0
        self.events_heard = 0
        """Packets of keys that came from the far end."""
        self._event_types = [
            number for number, kind in self.assoc.items() if kind is RTP.PayloadType.EVENT
        ]

    def press(self, keys: str, press_ms: int, gap_ms: int, tones: str) -> None:
        """Press `keys` after those still to be sent. Raise ValueError as `as_events` does."""
        ticks: Iterable[Tick]
        if tones == "in-band":
            ticks, sound = as_tones(keys, press_ms, gap_ms)
            self.write(sound)
        elif self._event_types:
            ticks = as_events(keys, press_ms, gap_ms)
        else:
            raise ValueError("the far end took no telephone-event")
        self._plan.extend(ticks)

    def stop(self) -> None:
        """Close the sockets; report how many keys were sent if the call ends among them."""
        super().stop()
        if self._plan:
            self._plan.clear()
            report("keys-sent", count=self._keys_down)

    def trans(self) -> None:
        """Send one packet each tick: an event while a key is down, else pyVoIP's audio.

        Replaces pyVoIP's loop, which can only send audio and whose sequence number and
        timestamp raise OverflowError where they should wrap (RFC 3550 §5.1).
        """
        due = time.monotonic()
        while self.NSD:
            tick = self._plan.popleft() if self._plan else Tick()
            with contextlib.suppress(OSError):  # the far end has gone, or the socket is closed
                self.sout.sendto(self._packet(tick), (self.outIP, self.outPort))
            self.outSequence = (self.outSequence + 1) & 0xFFFF
            self.outTimestamp = (self.outTimestamp + TICK_SAMPLES) & 0xFFFFFFFF
            if tick.last:
                report("keys-sent", count=self._keys_down)
                self._keys_down = 0
            due = max(due + _TICK_SECONDS, time.monotonic() - _TICK_SECONDS)
            time.sleep(max(0.0, due - time.monotonic()))

    def _packet(self, tick: Tick) -> bytes:
        """Return the RTP packet of `tick` (RFC 3550 §5.1, RFC 4733 §2.2)."""
        payload_type, timestamp = int(self.preference), self.outTimestamp
        if tick.key_goes_down:
            self._keys_down += 1
            self._event_timestamp = timestamp
        if tick.event is None:
            payload = self.encode_packet(self.pmout.read())
        else:
            payload, timestamp = tick.event, self._event_timestamp
            payload_type = self._event_types[0] | (_MARKER if tick.key_goes_down else 0)
        return (
            bytes((0x80, payload_type))
            + self.outSequence.to_bytes(2, "big")
            + timestamp.to_bytes(4, "big")
            + self.outSSRC.to_bytes(4, "big")
            + payload
        )

    def parse_packet(self, packet: bytes) -> None:
        """Keep the G.711 of `packet` as it came, in place of pyVoIP's 8-bit decoding."""
        if len(packet) < 12:
            return
        message = RTP.RTPMessage(packet, self.assoc)
        if message.payload_type is RTP.PayloadType.EVENT:
            self.events_heard += 1
        codec = _SUBTYPES.get(message.payload_type)
        if codec is not None:
            self._heard.add(
                time.monotonic(), message.SSRC, message.timestamp, codec, message.payload
            )
