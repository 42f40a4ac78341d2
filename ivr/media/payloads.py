"""Which payload types of an audio line mean PCMA, PCMU or telephone-event."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ivr.media.g711 import RATE, Codec
from ivr.media.sdp import Attribute, Media

_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}", re.ASCII)
_RTPMAP = re.compile(
    r"([0-9]{1,3})[ \t]+([^/ \t]+)[ \t]*/[ \t]*([0-9]{1,9})(?:/([0-9]{1,3}))?[ \t]*", re.ASCII
)
_EVENTS = "TELEPHONE-EVENT"
_CODECS = {codec.value: codec for codec in Codec}
_STATIC = {codec.payload_type: codec.value for codec in Codec}


class AudioFormat(NamedTuple):
    """One G.711 format of an `m=` line."""

    codec: Codec
    payload_type: int


@dataclass(frozen=True, slots=True)
class Payloads:
    """What of an audio line we can use, in the order of its formats."""

    audio: tuple[AudioFormat, ...]
    event: int | None
    """The payload type of telephone-event at 8000 Hz, when there is one."""

    @property
    def types(self) -> frozenset[int]:
        """All payload types."""
        events = () if self.event is None else (self.event,)
        return frozenset((*(audio.payload_type for audio in self.audio), *events))


def read_payloads(media: Media) -> Payloads:
    """Read the formats of `media`. What is not understood is left out, never an error."""
    audio: list[AudioFormat] = []
    event: int | None = None
    mapped = dict(_rtpmaps(media))
    for payload_type in _payload_types(media):
        name = mapped.get(payload_type, _STATIC.get(payload_type, ""))
        if name == _EVENTS:
            event = payload_type if event is None else event
        elif name in _CODECS:
            audio.append(AudioFormat(_CODECS[name], payload_type))
    return Payloads(tuple(audio), event)


def describe_payloads(payloads: Payloads) -> tuple[tuple[str, ...], tuple[Attribute, ...]]:
    """Return the formats and attributes that say `payloads` on an `m=` line of ours."""
    formats = [str(payload_type) for _, payload_type in payloads.audio]
    attributes = [
        Attribute("rtpmap", f"{payload_type} {codec}/{RATE}")
        for codec, payload_type in payloads.audio
    ]
    if payloads.event is not None:
        formats.append(str(payloads.event))
        attributes += (
            Attribute("rtpmap", f"{payloads.event} telephone-event/{RATE}"),
            Attribute("fmtp", f"{payloads.event} 0-15"),
        )
    return tuple(formats), tuple(attributes)


def _payload_types(media: Media) -> Iterator[int]:
    for word in dict.fromkeys(media.formats):
        if _PAYLOAD_TYPE.fullmatch(word) and int(word) <= 0x7F:
            yield int(word)


def _rtpmaps(media: Media) -> Iterator[tuple[int, str]]:
    """Yield payload types with their encoding names; an empty name for what we cannot use."""
    for attribute in media.attributes:
        if attribute.name.lower() != "rtpmap" or attribute.value is None:
            continue
        match = _RTPMAP.fullmatch(attribute.value.strip(" \t"))
        if match is None:
            continue
        payload_type, name, rate, channels = match.groups()
        usable = int(rate) == RATE and int(channels or 1) == 1
        yield int(payload_type), name.upper() if usable else ""
