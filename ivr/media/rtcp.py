"""RTCP packets (RFC 3550 §6): bytes to dataclasses and back."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_SENDER = 200
_RECEIVER = 201
_SOURCES = 202
_GOODBYE = 203
_TYPES = range(192, 224)
"""Second octets that mean RTCP on a port shared with RTP (RFC 5761 §4)."""

_HEADER = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER_INFO = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_VERSION = 0x80
_PADDING = 0x20
_COUNT = 0x1F
_CNAME = 1

FIRST_TYPES = frozenset((_SENDER & 0x7F, _RECEIVER & 0x7F))
"""How a compound packet begins, read as an RTP payload type."""


class ReportBlock(NamedTuple):
    """What a receiver tells of one source (§6.4.1); numbers as on the wire."""

    ssrc: int
    fraction: int
    """Share lost since the last report, in 256ths."""
    lost: int
    """Lost since the beginning; from -2**23 to 2**23 - 1, negative with duplicates."""
    highest: int
    """Highest sequence number, extended by the count of its wraps."""
    jitter: int
    """In timestamp units."""
    last_report: int
    """The middle 32 bits of the NTP time of the last sender report; 0 for none."""
    delay: int
    """Since that report came, in 65536ths of a second."""


class SenderInfo(NamedTuple):
    """What a sender tells of itself; `ntp` has its seconds in the upper 32 bits."""

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """SR, or RR where `sender` is None."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceNames:
    """SDES, reduced to the CNAME of each source; empty where none was told."""

    names: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""


@dataclass(frozen=True, slots=True)
class OtherPacket:
    """APP, feedback, extended reports: passed over."""

    kind: int
    count: int
    body: bytes = field(repr=False)


Packet = Report | SourceNames | Goodbye | OtherPacket


class _Malformed(Exception):  # noqa: N818 - it never leaves this module
    """Not what the RFC says."""


def is_control(datagram: bytes) -> bool:
    """Whether a datagram on a port for both is RTCP rather than RTP."""
    return len(datagram) > 1 and datagram[1] in _TYPES


def pack(packets: Sequence[Packet]) -> bytes:
    """Return the compound packet; the first should be a report."""
    return b"".join(map(_packed, packets))


def unpack(datagram: bytes) -> tuple[Packet, ...] | None:
    """Return the packets of a compound packet, or None when it is not well-formed (§A.2).

    It begins with SR or RR, its lengths add up, and only its last packet is padded.
    """
    try:
        packets = tuple(_packets(datagram))
    except _Malformed:
        return None
    return packets if packets and isinstance(packets[0], Report) else None


def _packed(packet: Packet) -> bytes:
    match packet:
        case Report(ssrc, sender, blocks):
            kind = _RECEIVER if sender is None else _SENDER
            info = b"" if sender is None else _SENDER_INFO.pack(*sender)
            rows = b"".join(map(_packed_block, blocks))
            return _framed(kind, len(blocks), _WORD.pack(ssrc) + info + rows)
        case SourceNames(names):
            chunks = b"".join(_packed_chunk(ssrc, name) for ssrc, name in names)
            return _framed(_SOURCES, len(names), chunks)
        case Goodbye(ssrcs, reason):
            body = struct.pack(f"!{len(ssrcs)}I", *ssrcs)
            if reason:
                body += bytes([len(reason)]) + reason
            return _framed(_GOODBYE, len(ssrcs), _to_words(body))
        case OtherPacket(kind, count, body):
            return _framed(kind, count, body)


def _framed(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body


def _packed_block(block: ReportBlock) -> bytes:
    return _BLOCK.pack(
        block.ssrc,
        block.fraction << 24 | block.lost & 0xFFFFFF,
        block.highest,
        block.jitter,
        block.last_report,
        block.delay,
    )


def _packed_chunk(ssrc: int, name: bytes) -> bytes:
    items = bytes([_CNAME, len(name)]) + name if name else b""
    return _to_words(_WORD.pack(ssrc) + items + b"\0")


def _to_words(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _packets(datagram: bytes) -> Iterator[Packet]:
    start = 0
    while start < len(datagram):
        if start + _HEADER.size > len(datagram):
            raise _Malformed
        flags, kind, words = _HEADER.unpack_from(datagram, start)
        end = start + _HEADER.size + 4 * words
        if flags & 0xC0 != _VERSION or end > len(datagram):
            raise _Malformed
        body = datagram[start + _HEADER.size : end]
        if flags & _PADDING:
            body = _without_padding(body, last=end == len(datagram), first=not start)
        yield _read(kind, flags & _COUNT, body)
        start = end


def _without_padding(body: bytes, *, last: bool, first: bool) -> bytes:
    size = body[-1] if body else 0
    if first or not last or not size or size % 4 or size > len(body):
        raise _Malformed
    return body[:-size]


def _read(kind: int, count: int, body: bytes) -> Packet:
    if kind == _SENDER:
        if len(body) < _WORD.size + _SENDER_INFO.size:
            raise _Malformed
        info = SenderInfo._make(_SENDER_INFO.unpack_from(body, _WORD.size))
        return Report(_word(body), info, _blocks(body, _WORD.size + _SENDER_INFO.size, count))
    if kind == _RECEIVER:
        return Report(_word(body), None, _blocks(body, _WORD.size, count))
    if kind == _SOURCES:
        return SourceNames(tuple(_chunks(body, count)))
    if kind == _GOODBYE:
        return _goodbye(body, count)
    if kind not in _TYPES:
        raise _Malformed
    return OtherPacket(kind, count, body)


def _word(body: bytes, start: int = 0) -> int:
    if start + _WORD.size > len(body):
        raise _Malformed
    word: int = _WORD.unpack_from(body, start)[0]
    return word


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    # What follows the blocks is an extension of a profile that we do not know (§6.4.3).
    if start + count * _BLOCK.size > len(body):
        raise _Malformed
    blocks = []
    for n in range(count):
        ssrc, loss, *rest = _BLOCK.unpack_from(body, start + n * _BLOCK.size)
        lost = (loss & 0xFFFFFF ^ 0x800000) - 0x800000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, *rest))
    return tuple(blocks)


def _chunks(body: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(count):
        ssrc = _word(body, at)
        at += _WORD.size
        name = b""
        while True:
            if at >= len(body):
                raise _Malformed
            kind = body[at]
            if not kind:
                break
            if at + 1 >= len(body) or at + 2 + body[at + 1] > len(body):
                raise _Malformed
            end = at + 2 + body[at + 1]
            if kind == _CNAME:
                name = body[at + 2 : end]
            at = end
        at += 4 - at % 4
        if at > len(body):
            raise _Malformed
        yield ssrc, name


def _goodbye(body: bytes, count: int) -> Goodbye:
    ssrcs = tuple(_word(body, 4 * n) for n in range(count))
    rest = body[4 * count :]
    if not rest:
        return Goodbye(ssrcs)
    size = rest[0]
    if 1 + size > len(rest):
        raise _Malformed
    return Goodbye(ssrcs, rest[1 : 1 + size])
