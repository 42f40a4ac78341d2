"""G.711 A-law and µ-law by table; samples are 16-bit, of which 13 or 14 bits count.

ITU-T G.711 tables 1 and 2. A code word is a sign, a segment of three bits and a step
of four; A-law inverts every other bit on the line, µ-law all of them.
"""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE = 8000
"""Samples in a second."""

FRAME = 160
"""Samples, and octets, in 20 ms."""

Samples: TypeAlias = NDArray[np.int16]


class Codec(StrEnum):
    """The two laws, named as in an SDP `rtpmap`."""

    PCMA = "PCMA"
    PCMU = "PCMU"

    @property
    def payload_type(self) -> int:
        """The static RTP payload type (RFC 3551 table 4)."""
        return 8 if self is Codec.PCMA else 0

    @property
    def silence(self) -> bytes:
        """A frame of 20 ms in which nothing is heard."""
        return _SILENCE[self]


def encode(codec: Codec, samples: Samples) -> bytes:
    """Return one octet for each 16-bit sample."""
    return _ENCODE[codec][samples.astype(np.int16, copy=False).view(np.uint16)].tobytes()


def encode_all(codec: Codec, samples: Samples) -> NDArray[np.uint8]:
    """Return one octet for each 16-bit sample, in the same shape."""
    octets: NDArray[np.uint8] = _ENCODE[codec][samples.view(np.uint16)]
    return octets


def recode(octets: bytes, source: Codec, target: Codec) -> bytes:
    """Return what is coded as `source` in the code of `target`."""
    return octets if source is target else octets.translate(_RECODE[target])


def mix(codec: Codec, octets: bytes, others: bytes) -> bytes:
    """Return the sum of two sounds of one length, clipped where it overloads."""
    both = decode(codec, octets).astype(np.int32) + decode(codec, others)
    return encode(codec, np.clip(both, -32768, 32767).astype(np.int16))


def decode(codec: Codec, octets: bytes) -> Samples:
    """Return one 16-bit sample for each octet."""
    return _DECODE[codec][np.frombuffer(octets, dtype=np.uint8)]


def _magnitudes(dropped_bits: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return magnitude and sign of all 65,536 samples, in the order of their bit patterns."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = samples < 0
    # One's complement: the decision values of G.711 lie the same way on both sides of zero.
    return np.where(negative, ~samples, samples) >> dropped_bits, negative


def _bit_lengths(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.frexp(values)[1].astype(np.int32)


def _alaw_encoder() -> NDArray[np.uint8]:
    magnitude, negative = _magnitudes(4)
    segment = np.maximum(_bit_lengths(magnitude) - 4, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    sign = np.where(negative, 0x00, 0x80)
    code: NDArray[np.uint8] = ((sign | segment << 4 | step) ^ 0x55).astype(np.uint8)
    return code


def _alaw_decoder() -> Samples:
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 0x07, code & 0x0F
    middle = 2 * step + 1 + np.where(segment > 0, 32, 0)
    value = middle << np.maximum(segment - 1, 0) << 3
    samples: Samples = np.where(code & 0x80, value, -value).astype(np.int16)
    return samples


_ULAW_BIAS = 33


def _ulaw_encoder() -> NDArray[np.uint8]:
    magnitude, negative = _magnitudes(2)
    biased = np.minimum(magnitude + _ULAW_BIAS, 0x1FFF)
    segment = _bit_lengths(biased) - 6
    step = biased >> (segment + 1) & 0x0F
    sign = np.where(negative, 0x80, 0x00)
    code: NDArray[np.uint8] = (~(sign | segment << 4 | step) & 0xFF).astype(np.uint8)
    return code


def _ulaw_decoder() -> Samples:
    code = ~np.arange(256) & 0xFF
    segment, step = code >> 4 & 0x07, code & 0x0F
    value = (((2 * step + _ULAW_BIAS) << segment) - _ULAW_BIAS) << 2
    return np.where(code & 0x80, -value, value).astype(np.int16)


_ENCODE = {Codec.PCMA: _alaw_encoder(), Codec.PCMU: _ulaw_encoder()}
_DECODE = {Codec.PCMA: _alaw_decoder(), Codec.PCMU: _ulaw_decoder()}
_RECODE = {
    Codec.PCMA: encode(Codec.PCMA, _DECODE[Codec.PCMU]),
    Codec.PCMU: encode(Codec.PCMU, _DECODE[Codec.PCMA]),
}
"""By target; the source is the other law."""
_SILENCE = {codec: encode(codec, np.zeros(FRAME, dtype=np.int16)) for codec in Codec}
