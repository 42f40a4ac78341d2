"""Prompts as ready frames: read once, sent as they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ivr.media.g711 import FRAME, RATE, Codec, Samples, encode

_LONGEST = 600.0
_FRAME_MS = 1000 * FRAME // RATE


class ClipError(Exception):
    """A file is not a clip that can be played; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Audio in 20 ms frames of 160 octets for each codec, and its duration in seconds.

    The last frame is filled with silence; `duration` is that of the audio before it.
    """

    duration: float
    pcma: tuple[bytes, ...] = field(repr=False)
    pcmu: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_samples(cls, samples: Samples) -> Self:
        """Make a clip of 16-bit samples at 8 kHz."""
        padding = -len(samples) % FRAME
        whole = np.concatenate([samples, np.zeros(padding, dtype=np.int16)])
        return cls(
            duration=len(samples) / RATE,
            pcma=_frames(Codec.PCMA, whole),
            pcmu=_frames(Codec.PCMU, whole),
        )

    def frames(self, codec: Codec) -> Sequence[bytes]:
        """Return the frames to send when `codec` was negotiated."""
        return self.pcma if codec is Codec.PCMA else self.pcmu


def silence(ms: int) -> Clip:
    """Return a clip of `ms` milliseconds in which nothing is heard. Its frames are shared."""
    count = -(-ms // _FRAME_MS)
    return Clip(
        duration=ms / 1000,
        pcma=(Codec.PCMA.silence,) * count,
        pcmu=(Codec.PCMU.silence,) * count,
    )


def load_clip(path: Path) -> Clip:
    """Read any WAV that libsndfile reads, of any rate and number of channels.

    Channels are mixed to one and the rate is changed to 8 kHz. An A-law file at 8 kHz
    reaches a PCMA caller bit for bit. Raise `ClipError`.
    """
    try:
        if soundfile.info(path).duration > _LONGEST:
            raise ClipError(f"{path}: longer than {_LONGEST:.0f} seconds")
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise ClipError(f"{path}: {error}") from error
    if not len(audio):
        raise ClipError(f"{path}: no audio in it")
    if not np.isfinite(audio).all():
        raise ClipError(f"{path}: samples that are not numbers")
    return Clip.from_samples(_to_8khz(audio.mean(axis=1), rate))


def _to_8khz(audio: NDArray[np.float32], rate: int) -> Samples:
    if rate != RATE:
        audio = soxr.resample(audio, rate, RATE, quality="VHQ")
    # Full scale is 32,768: float32 holds every sample of 16 bits exactly, both ways.
    return np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)


def _frames(codec: Codec, samples: Samples) -> tuple[bytes, ...]:
    octets = encode(codec, samples)
    return tuple(octets[at : at + FRAME] for at in range(0, len(octets), FRAME))
