"""RTP packets (RFC 3550 §5.1): bytes to fields and back."""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

HEADER = struct.Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""

VERSION = 0x80
MARKER = 0x80
_PADDING = 0x20
_EXTENSION = 0x10
_EXTENSION_HEADER = struct.Struct("!HH")


class Extension(NamedTuple):
    """A header extension (§5.3.1); `data` is a multiple of four octets."""

    profile: int
    data: bytes


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet. `repr` hides the payload: it may be a key of a card.

    Nobody changes one. To have it frozen would cost each packet 2 µs.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = field(repr=False)
    marker: bool = False
    csrc: tuple[int, ...] = ()
    extension: Extension | None = None
    padding: int = 0
    """Octets of padding, the one that counts them included; 0 for none."""

    def pack(self) -> bytes:
        """Return the packet as it goes on the wire."""
        flags = VERSION | len(self.csrc)
        if self.padding:
            flags |= _PADDING
        if self.extension is not None:
            flags |= _EXTENSION
        parts = [
            HEADER.pack(
                flags,
                self.payload_type | (MARKER if self.marker else 0),
                self.sequence,
                self.timestamp,
                self.ssrc,
            ),
            struct.pack(f"!{len(self.csrc)}I", *self.csrc),
        ]
        if self.extension is not None:
            profile, data = self.extension
            parts += (_EXTENSION_HEADER.pack(profile, len(data) // 4), data)
        parts.append(self.payload)
        if self.padding:
            parts.append(bytes(self.padding - 1) + bytes([self.padding]))
        return b"".join(parts)


def unpack(datagram: bytes) -> RtpPacket | None:
    """Return the packet in `datagram`, or None when it is not well-formed RTP version 2."""
    if len(datagram) < HEADER.size:
        return None
    flags, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    if flags == VERSION:
        payload = datagram[HEADER.size :]
        return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, payload, second >= MARKER)
    if flags & 0xC0 != VERSION:
        return None
    start = HEADER.size
    end = len(datagram)
    csrc: tuple[int, ...] = ()
    if count := flags & 0x0F:
        if start + 4 * count > end:
            return None
        csrc = struct.unpack_from(f"!{count}I", datagram, start)
        start += 4 * count
    extension = None
    if flags & _EXTENSION:
        extension = _extension(datagram, start)
        if extension is None:
            return None
        start += _EXTENSION_HEADER.size + len(extension.data)
    padding = 0
    if flags & _PADDING:
        padding = datagram[-1]
        if not 1 <= padding <= end - start:
            return None
        end -= padding
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=datagram[start:end],
        marker=bool(second & MARKER),
        csrc=csrc,
        extension=extension,
        padding=padding,
    )


def _extension(datagram: bytes, start: int) -> Extension | None:
    body = start + _EXTENSION_HEADER.size
    if body > len(datagram):
        return None
    profile, words = _EXTENSION_HEADER.unpack_from(datagram, start)
    data = datagram[body : body + 4 * words]
    return Extension(profile, data) if len(data) == 4 * words else None


def sequence_distance(newer: int, older: int) -> int:
    """Return how far sequence number `newer` is ahead of `older`, over the wrap (16 bits)."""
    return (newer - older + 0x8000 & 0xFFFF) - 0x8000


def timestamp_distance(newer: int, older: int) -> int:
    """Return how far timestamp `newer` is ahead of `older`, over the wrap (32 bits)."""
    return (newer - older + 0x80000000 & 0xFFFFFFFF) - 0x80000000
