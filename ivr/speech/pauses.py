"""The silences between what is said, in milliseconds of whole 20 ms frames.

The fragments of an amount need none: each clip has 20 to 30 ms of its own on both sides.
"""

from ivr.media.clips import Clip, silence

AFTER_LEAD_IN = 160
BETWEEN_DIGITS = 160
AFTER_SENTENCE = 320


def followed_by(clip: Clip, ms: int) -> Clip:
    """Return `clip` with `ms` of silence after its last frame; the frames are shared."""
    pause = silence(ms)
    return Clip(
        duration=len(clip.pcma) / 50 + pause.duration,
        pcma=clip.pcma + pause.pcma,
        pcmu=clip.pcmu + pause.pcmu,
    )
