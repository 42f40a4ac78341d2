"""G.711 against the Recommendation's own tables of decision values, and libsndfile."""

import io

import numpy as np
import pytest
import soundfile

from ivr.media.g711 import Codec, decode, encode

# ITU-T G.711 tables 1a and 2a, column "decision value number n": where each segment begins,
# and how far apart the decision values of it are. Units: 1/4096 and 1/8159 of full scale.
ALAW_SEGMENTS = [
    (0, 2),
    (32, 2),
    (64, 4),
    (128, 8),
    (256, 16),
    (512, 32),
    (1024, 64),
    (2048, 128),
]
ULAW_SEGMENTS = [
    (0, 2),
    (31, 4),
    (95, 8),
    (223, 16),
    (479, 32),
    (991, 64),
    (2015, 128),
    (4063, 256),
]


def decision_values(codec: Codec) -> list[int]:
    """The 128 lower bounds of the positive intervals, as the Recommendation counts them."""
    if codec is Codec.PCMA:
        return [start + step * n for start, step in ALAW_SEGMENTS for n in range(16)]
    first = [0, *(1 + 2 * n for n in range(15))]
    rest = [start + step * n for start, step in ULAW_SEGMENTS[1:] for n in range(16)]
    return first + rest


def interval(codec: Codec, sample: int) -> int:
    """The number of the interval that a 16-bit sample falls in, found by comparing."""
    magnitude = sample if sample >= 0 else -sample - 1
    scaled = magnitude // 8 if codec is Codec.PCMA else magnitude // 4
    bounds = decision_values(codec)
    return max(n for n in range(128) if bounds[n] <= scaled)


def line_code(codec: Codec, sample: int) -> int:
    """The octet of a sample: sign and interval, then the inversions of the line."""
    positive = 0x80 if sample >= 0 else 0
    if codec is Codec.PCMA:
        return (positive | interval(codec, sample)) ^ 0x55
    return positive | (127 - interval(codec, sample))


@pytest.mark.parametrize("codec", Codec)
def test_every_decision_value_and_its_neighbours_encode_as_the_tables_say(codec: Codec) -> None:
    scale = 8 if codec is Codec.PCMA else 4
    edges = {bound * scale + d for bound in decision_values(codec) for d in (-1, 0, 1)}
    samples = sorted({s for e in edges for s in (e, -e, -e - 1)} | {-32768, 32767})
    samples = [s for s in samples if -32768 <= s <= 32767]
    encoded = encode(codec, np.array(samples, dtype=np.int16))
    assert list(encoded) == [line_code(codec, sample) for sample in samples]


def test_the_ends_and_the_middle_of_the_scale_are_those_of_the_recommendation() -> None:
    samples = np.array([0, -1, 32767, -32768], dtype=np.int16)
    assert encode(Codec.PCMA, samples) == bytes([0xD5, 0x55, 0xAA, 0x2A])
    assert encode(Codec.PCMU, samples) == bytes([0xFF, 0x7F, 0x80, 0x00])


def test_decoded_values_lie_in_the_middle_of_their_interval() -> None:
    alaw = [*decision_values(Codec.PCMA), 4096]
    decoded = decode(Codec.PCMA, bytes((0x80 | n) ^ 0x55 for n in range(128)))
    assert list(decoded) == [8 * (alaw[n] + alaw[n + 1]) // 2 for n in range(128)]
    ulaw = [*decision_values(Codec.PCMU), 8159]
    decoded = decode(Codec.PCMU, bytes(0xFF - n for n in range(128)))
    assert list(decoded) == [0] + [4 * (ulaw[n] + ulaw[n + 1]) // 2 for n in range(1, 128)]


@pytest.mark.parametrize("codec", Codec)
def test_every_code_word_survives_decoding_and_encoding(codec: Codec) -> None:
    words = bytes(range(256))
    again = bytearray(encode(codec, decode(codec, words)))
    if codec is Codec.PCMU:
        assert again[0x7F] == 0xFF  # Minus zero and zero are one sample.
        again[0x7F] = 0x7F
    assert bytes(again) == words


@pytest.mark.parametrize(("codec", "subtype"), [(Codec.PCMA, "ALAW"), (Codec.PCMU, "ULAW")])
def test_libsndfile_decodes_the_same(codec: Codec, subtype: str) -> None:
    words = bytes(range(256))
    theirs, _ = soundfile.read(
        io.BytesIO(words),
        dtype="int16",
        format="RAW",
        subtype=subtype,
        samplerate=8000,
        channels=1,
    )
    assert list(decode(codec, words)) == list(theirs)


@pytest.mark.parametrize(("codec", "octet"), [(Codec.PCMA, 0xD5), (Codec.PCMU, 0xFF)])
def test_silence_is_the_octet_that_phones_expect(codec: Codec, octet: int) -> None:
    assert codec.silence == bytes([octet]) * 160
