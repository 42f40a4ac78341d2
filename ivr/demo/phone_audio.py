"""What a telephone sends when a key is pressed, and what its owner heard.

Times are ticks of 20 ms, 160 samples at 8 kHz, the packet interval of G.711 (RFC 3551 §4.2).
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

KEYS: Final = "0123456789*#ABCD"
RATE: Final = 8000
TICK_MS: Final = 20
TICK_SAMPLES: Final = RATE * TICK_MS // 1000

_END_PACKETS = 3
_END_BIT = 0x80
_VOLUME = 10
_LOW_HZ = dict(
    zip("123A456B789C*0#D", [697] * 4 + [770] * 4 + [852] * 4 + [941] * 4, strict=True)
)
_HIGH_HZ = dict(zip("123A456B789C*0#D", [1209, 1336, 1477, 1633] * 4, strict=True))
_TONE_AMPLITUDE = 127 * 10 ** (-9 / 20)
_STREAM_JUMP = 2 * RATE
"""A stream this far from its time of arrival has begun anew."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one 20 ms tick of a key press sends: an event packet, or audio (`event` is None)."""

    event: bytes | None = None
    key_goes_down: bool = False
    last: bool = False
    """Nothing of the keys is left to send after this tick."""


def as_events(keys: str, press_ms: int, gap_ms: int) -> Iterator[Tick]:
    """Yield the ticks that press `keys` as telephone-events (RFC 4733 §2.5.1).

    One packet a tick while the key is down, the one that ends it three times. Raise ValueError
    for a key that no keypad has or a time that does not fit.
    """
    press, gap = _ticks(keys, press_ms, gap_ms)
    for index, key in enumerate(keys):
        for tick in range(press + gap):
            reached = min(tick + 1, press)
            end = _END_BIT if tick + 1 >= press else 0
            event = struct.pack("!BBH", KEYS.index(key), end | _VOLUME, reached * TICK_SAMPLES)
            yield Tick(
                event=event if tick < press + _END_PACKETS - 1 else None,
                key_goes_down=tick == 0,
                last=index == len(keys) - 1 and tick == press + gap - 1,
            )


def as_tones(keys: str, press_ms: int, gap_ms: int) -> tuple[list[Tick], bytes]:
    """Return the ticks that press `keys` in-band, and their sound in 8-bit unsigned samples.

    The frequencies are those of ITU-T Q.23, each at −9 dBFS. Raises as `as_events` does.
    """
    press, gap = _ticks(keys, press_ms, gap_ms)
    time = np.arange(press * TICK_SAMPLES) / RATE
    sound = []
    for key in keys:
        tone = sum(np.sin(2 * np.pi * hertz[key] * time) for hertz in (_LOW_HZ, _HIGH_HZ))
        sound.append(np.rint(128 + _TONE_AMPLITUDE * tone).astype(np.uint8).tobytes())
        sound.append(b"\x80" * (gap * TICK_SAMPLES))
    ticks = [
        Tick(
            key_goes_down=tick % (press + gap) == 0, last=tick == len(keys) * (press + gap) - 1
        )
        for tick in range(len(keys) * (press + gap))
    ]
    return ticks, b"".join(sound)


def _ticks(keys: str, press_ms: int, gap_ms: int) -> tuple[int, int]:
    """Return press and gap in ticks. The refusals never quote `keys`: they may be a card's."""
    if not keys or set(keys) - set(KEYS):
        raise ValueError(f"keys must be one or more of {KEYS}")
    press, gap = round(press_ms / TICK_MS), round(gap_ms / TICK_MS)
    if press < 1:
        raise ValueError(f"press_ms must be at least {TICK_MS}")
    if gap < _END_PACKETS - 1:
        raise ValueError(f"gap_ms must be at least {(_END_PACKETS - 1) * TICK_MS}")
    return press, gap


@dataclass(frozen=True, slots=True)
class _Received:
    position: int
    codec: str
    payload: bytes


class Heard:
    """The sound that arrived, each packet where its RTP timestamp puts it.

    A stream starts where its first packet arrived; a new SSRC or a jump in time starts another.
    Nothing received is silence.
    """

    def __init__(self, began: float) -> None:
        """Begin at `began`, a time in seconds of the clock that `add` will be given."""
        self._began = began
        self._received: list[_Received] = []
        self._ssrc: int | None = None
        self._offset = 0

    def add(self, at: float, ssrc: int, timestamp: int, codec: str, payload: bytes) -> None:
        """Take a packet that arrived `at`; `codec` is libsndfile's subtype, ULAW or ALAW."""
        arrived = max(0, round((at - self._began) * RATE))
        position = self._signed(timestamp - self._offset)
        if ssrc != self._ssrc or abs(position - arrived) > _STREAM_JUMP:
            self._ssrc = ssrc
            self._offset = timestamp - arrived
            position = arrived
        self._received.append(_Received(position, codec, payload))

    def write(self, path: Path, ended: float) -> float:
        """Write a 16-bit WAV file that lasts until `ended`; return its length in seconds."""
        received = [packet for packet in self._received if packet.position >= 0]
        last = max((packet.position + len(packet.payload) for packet in received), default=0)
        sound = np.zeros(max(last, round((ended - self._began) * RATE)), dtype=np.int16)
        for codec in {packet.codec for packet in received}:
            packets = [packet for packet in received if packet.codec == codec]
            decoded = _decode(b"".join(packet.payload for packet in packets), codec)
            taken = 0
            for packet in packets:
                size = len(packet.payload)
                sound[packet.position : packet.position + size] = decoded[taken : taken + size]
                taken += size
        soundfile.write(path, sound, RATE, format="WAV", subtype="PCM_16")
        return len(sound) / RATE

    @staticmethod
    def _signed(difference: int) -> int:
        """Return a difference of 32-bit timestamps that may have wrapped."""
        return (difference + 2**31) % 2**32 - 2**31


def _decode(payload: bytes, codec: str) -> npt.NDArray[np.int16]:
    """Return G.711 as linear samples: decoded by libsndfile, not by the server's tables."""
    samples, _ = soundfile.read(
        io.BytesIO(payload),
        dtype="int16",
        samplerate=RATE,
        channels=1,
        format="RAW",
        subtype=codec,
    )
    decoded: npt.NDArray[np.int16] = samples
    return decoded
