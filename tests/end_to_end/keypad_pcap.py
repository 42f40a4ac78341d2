"""Capture files of a caller who presses keys, for SIPp's `play_pcap_audio` to send.

Each file is one RTP stream (RFC 3550): G.711 audio every 20 ms and each key as a
telephone-event (RFC 4733 §2.5): one packet per 20 ms of the press, then the end packet three
times. An `Impairment` does to the event packets what networks do, reproducibly.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

KEYS: Final = "0123456789*#ABCD"
INTERVAL_MS: Final = 20
SAMPLES: Final = 160
END_PACKETS: Final = 3
MIN_GAP_MS: Final = 60
"""Shorter gaps would let a delayed end packet arrive after the next key's first packet."""

_VOLUME = 10
_END = 0x80
_MARKER = 0x80
_ALAW_SILENCE, _ULAW_SILENCE = 0xD5, 0xFF


@dataclass(frozen=True, slots=True)
class Impairment:
    """The shares (0 to 1) of telephone-event packets that a network spoils.

    First and end packets are not spared; at least one packet of each key arrives, and no
    key overtakes the one before it, so a receiver that follows RFC 4733 can still be exact.
    """

    lost: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet and when it leaves, in milliseconds from the start of the capture."""

    at: float
    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    payload: bytes
    key: int | None = None
    """Which key press of the script (counted from 0) the packet is of; `None` for audio."""

    def to_bytes(self, ssrc: int) -> bytes:
        """Return the packet as RFC 3550 §5.1 lays it out."""
        return (
            struct.pack(
                "!BBHII",
                0x80,
                (_MARKER if self.marker else 0) | self.payload_type,
                self.sequence & 0xFFFF,
                self.timestamp & 0xFFFFFFFF,
                ssrc,
            )
            + self.payload
        )


def keypad_pcap(
    path: Path,
    script: Sequence[tuple[float, str]],
    *,
    codec_pt: int = 8,
    event_pt: int = 101,
    press_ms: int = 100,
    gap_ms: int = 80,
    impairment: Impairment | None = None,
    audio: bool = True,
    tail_ms: int = 0,
    seed: int = 0,
) -> Path:
    """Write to `path` a capture in which the keys of `script` are pressed, and return `path`.

    `script` holds (seconds from the start, keys): the first of those keys goes down then, and
    each next one `gap_ms` after the one before was let go. Without `audio` only one audio
    packet, at the start (SIPp counts time from the first packet), and the events are sent.
    `tail_ms` of audio follow the last key. `seed` chooses SSRC, sequence and timestamp.
    Raise ValueError when groups overlap, a key is unknown, or a time is not possible.
    """
    packets = key_packets(
        script,
        codec_pt=codec_pt,
        event_pt=event_pt,
        press_ms=press_ms,
        gap_ms=gap_ms,
        audio=audio,
        tail_ms=tail_ms,
        seed=seed,
    )
    if impairment is not None:
        packets = impaired(packets, impairment)
    ssrc = random.Random(seed).getrandbits(32)
    path.write_bytes(b"".join(_capture(packets, ssrc)))
    return path


def key_packets(
    script: Sequence[tuple[float, str]],
    *,
    codec_pt: int = 8,
    event_pt: int = 101,
    press_ms: int = 100,
    gap_ms: int = 80,
    audio: bool = True,
    tail_ms: int = 0,
    seed: int = 0,
) -> list[Packet]:
    """Return the packets of `script` in the order they leave (see `keypad_pcap`)."""
    starts = _key_starts(script, press_ms, gap_ms)
    numbers = random.Random(seed)
    first_sequence, first_timestamp = numbers.getrandbits(16), numbers.getrandbits(32)
    press = press_ms // INTERVAL_MS
    last = (starts[-1][0] + press + END_PACKETS if starts else 0) + tail_ms // INTERVAL_MS
    packets: list[Packet] = []
    silence = bytes([_ALAW_SILENCE if codec_pt == 8 else _ULAW_SILENCE]) * SAMPLES
    keyed = {
        start + tick: (index, key, tick + 1)
        for index, (start, key) in enumerate(starts)
        for tick in range(press + END_PACKETS - 1)
    }
    for tick in range(last + 1):
        sequence = first_sequence + len(packets)
        if tick in keyed:
            index, key, reached = keyed[tick]
            packets.append(
                Packet(
                    at=tick * INTERVAL_MS,
                    sequence=sequence,
                    timestamp=first_timestamp + starts[index][0] * SAMPLES,
                    payload_type=event_pt,
                    marker=reached == 1,
                    payload=struct.pack(
                        "!BBH",
                        KEYS.index(key),
                        (_END if reached >= press else 0) | _VOLUME,
                        min(reached, press) * SAMPLES,
                    ),
                    key=index,
                )
            )
        elif audio or tick == 0:
            packets.append(
                Packet(
                    at=tick * INTERVAL_MS,
                    sequence=sequence,
                    timestamp=first_timestamp + tick * SAMPLES,
                    payload_type=codec_pt,
                    marker=tick == 0,
                    payload=silence,
                )
            )
    return packets


def impaired(packets: Sequence[Packet], impairment: Impairment) -> list[Packet]:
    """Return `packets` as they would arrive: lost, repeated and out of order as asked."""
    chance = random.Random(impairment.seed)
    survives = {
        chance.choice([p.sequence for p in packets if p.key == key])
        for key in {p.key for p in packets} - {None}
    }
    arrived: list[Packet] = []
    for packet in packets:
        if packet.key is None:
            arrived.append(packet)
            continue
        if chance.random() < impairment.lost and packet.sequence not in survives:
            continue
        late = chance.random() < impairment.reordered
        # One to just under two intervals: behind the next packet, never behind the next key.
        delayed = replace(packet, at=packet.at + chance.uniform(21, 39)) if late else packet
        arrived.append(delayed)
        if chance.random() < impairment.repeated:
            arrived.append(replace(delayed, at=delayed.at + chance.uniform(0, 0.9)))
    return sorted(arrived, key=lambda packet: packet.at)


def _key_starts(
    script: Sequence[tuple[float, str]], press_ms: int, gap_ms: int
) -> list[tuple[int, str]]:
    """Return (tick at which it goes down, key) for each key of `script`."""
    if press_ms < INTERVAL_MS or press_ms % INTERVAL_MS:
        raise ValueError(f"press_ms must be a multiple of {INTERVAL_MS}, not {press_ms}")
    if gap_ms < MIN_GAP_MS or gap_ms % INTERVAL_MS:
        raise ValueError(
            f"gap_ms must be a multiple of {INTERVAL_MS}, at least {MIN_GAP_MS}, not {gap_ms}"
        )
    starts: list[tuple[int, str]] = []
    free = 0
    for seconds, keys in script:
        tick = round(seconds * 1000 / INTERVAL_MS)
        if tick < free:
            raise ValueError(
                f"keys at {seconds} s begin before the keys before them have ended"
            )
        for key in keys:
            if key not in KEYS:
                raise ValueError(f"{key!r} is not on a keypad")
            starts.append((tick, key))
            tick += (press_ms + gap_ms) // INTERVAL_MS
        free = max(free, tick)
    return starts


def _capture(packets: Sequence[Packet], ssrc: int) -> Iterator[bytes]:
    """Yield a libpcap file: Ethernet, IPv4 and UDP, microseconds, big endian."""
    yield struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for packet in packets:
        rtp = packet.to_bytes(ssrc)
        udp = struct.pack("!HHHH", 40000, 40000, 8 + len(rtp), 0) + rtp
        loopback = bytes((127, 0, 0, 1))
        ip = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, loopback, loopback
        )
        frame = bytes(12) + b"\x08\x00" + ip + udp
        microseconds = round(packet.at * 1000)
        yield struct.pack(
            "!IIII", microseconds // 1_000_000, microseconds % 1_000_000, len(frame), len(frame)
        )
        yield frame
