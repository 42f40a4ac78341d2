"""Offer and answer (RFC 3264) for one G.711 stream with keypad events."""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from ivr.media.address import Address, canonical
from ivr.media.g711 import FRAME, RATE, Codec
from ivr.media.payloads import AudioFormat, Payloads, describe_payloads, read_payloads
from ivr.media.sdp import (
    Attribute,
    Connection,
    Description,
    Direction,
    Media,
    Origin,
    SdpError,
)

_PROTOCOL = "RTP/AVP"
_EVENT_TYPE = 101
_EVENT_TYPE_ELSE = 96
_PTIME = Attribute("ptime", str(1000 * FRAME // RATE))


class NotAcceptable(Exception):  # noqa: N818 - named as SIP names it
    """A well-formed description that we cannot serve (answer 488).

    `warning` is the code of RFC 3261 §20.43 that goes with `reason`.
    """

    def __init__(self, warning: int, reason: str) -> None:
        super().__init__(reason)
        self.warning = warning
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on. Directions are ours: `sends` is what we may do."""

    remote: Address
    codec: Codec
    send_audio: int
    receive_audio: int
    send_event: int | None
    receive_event: int | None
    direction: Direction
    ptime: int | None
    """Milliseconds in a packet that the peer would like to get; 20 are always sent."""

    @property
    def sends(self) -> bool:
        """Whether packets may be sent: the peer listens, and says where."""
        return self.direction.sends and self.remote.usable

    @property
    def event_types(self) -> frozenset[int]:
        """Payload types under which keys may come.

        The peer should use the number we gave it, and some use their own.
        """
        types = {self.receive_event, self.send_event} - {self.receive_audio, self.send_audio}
        return frozenset(each for each in types if each is not None)

    @property
    def audio_types(self) -> frozenset[int]:
        """Payload types under which audio may come."""
        return frozenset((self.receive_audio, self.send_audio))


class OurSide:
    """Our half of a session: its address, identity, and the version of what we said."""

    __slots__ = ("_said", "_session_id", "address")

    def __init__(self, address: Address, session_id: int) -> None:
        """`address` is where the peer shall send to; `session_id` should be random."""
        self.address = address
        self._session_id = str(session_id)
        self._said: Description | None = None

    def say(self, description: Description) -> Description:
        """Return `description` numbered: its version rises when it differs (§8)."""
        said = self._said
        version = int(said.origin.version) if said is not None else 1
        numbered = replace(description, origin=self._origin(version))
        if said is not None and numbered != said:
            numbered = replace(description, origin=self._origin(version + 1))
        self._said = numbered
        return numbered

    @property
    def said(self) -> Description | None:
        """Our newest description."""
        return self._said

    @property
    def family(self) -> str:
        """`IP4` or `IP6`."""
        return f"IP{ip_address(self.address.host).version}"

    def describe(self, media: tuple[Media, ...], template: Description | None) -> Description:
        """Return a description of `media` at our address, with the times of `template`."""
        plain = Description(self._origin(1), media=media)
        plain = replace(plain, connection=Connection("IN", self.family, self.address.host))
        return plain if template is None else replace(plain, times=template.times)

    def audio_line(self, payloads: Payloads, direction: Direction) -> Media:
        """Return our `m=audio` line."""
        formats, attributes = describe_payloads(payloads)
        return Media(
            kind="audio",
            port=self.address.port,
            protocol=_PROTOCOL,
            formats=formats,
            attributes=(*attributes, _PTIME, Attribute(direction.value)),
        )

    def _origin(self, version: int) -> Origin:
        return Origin("-", self._session_id, str(version), "IN", self.family, self.address.host)


def answer(offer: Description, ours: OurSide) -> tuple[Description, Negotiated]:
    """Answer `offer` with its first usable audio line, under its payload type numbers.

    Every other line is refused with port 0 (§6). Raise `NotAcceptable`, or `SdpError`
    for an audio line without an address.
    """
    index = _usable_line(offer)
    media = offer.media[index]
    payloads = read_payloads(media)
    chosen = payloads.audio[0]
    remote = _remote(offer, media, ours)
    negotiated = Negotiated(
        remote=remote,
        codec=chosen.codec,
        send_audio=chosen.payload_type,
        receive_audio=chosen.payload_type,
        send_event=payloads.event,
        receive_event=payloads.event,
        direction=_our_direction(offer, media, remote),
        ptime=_ptime(media),
    )
    line = ours.audio_line(Payloads((chosen,), payloads.event), negotiated.direction)
    lines = (line if n == index else _refused(m) for n, m in enumerate(offer.media))
    return ours.say(ours.describe(tuple(lines), offer)), negotiated


def make_offer(ours: OurSide, current: Negotiated | None = None) -> Description:
    """Offer everything we can do; in a session, without moving a line or a number (§8)."""
    event = _EVENT_TYPE
    codecs = list(Codec)
    if current is not None:
        codecs.sort(key=lambda codec: codec is not current.codec)
        if current.receive_event is not None:
            event = current.receive_event
        elif event in current.audio_types:
            event = _EVENT_TYPE_ELSE
    audio = []
    for codec in codecs:
        kept = current is not None and codec is current.codec
        number = current.receive_audio if current and kept else codec.payload_type
        audio.append(AudioFormat(codec, number))
    line = ours.audio_line(Payloads(tuple(audio), event), Direction.SENDRECV)
    said = ours.said
    lines = [line] if said is None else [line if m.port else m for m in said.media]
    return ours.say(ours.describe(tuple(lines), said))


def read_answer(offer: Description, received: Description, ours: OurSide) -> Negotiated:
    """Read the answer to an offer of `make_offer`. Raise `NotAcceptable` or `SdpError`."""
    index = next(n for n, media in enumerate(offer.media) if media.port)
    if len(received.media) <= index:
        raise SdpError("the answer has fewer media lines than the offer")
    media = received.media[index]
    if not media.port:
        raise NotAcceptable(304, "The audio stream was refused")
    _check_line(media)
    offered, answered = read_payloads(offer.media[index]), read_payloads(media)
    numbers = dict(offered.audio)
    chosen = answered.audio[0]
    remote = _remote(received, media, ours)
    with_events = answered.event is not None
    return Negotiated(
        remote=remote,
        codec=chosen.codec,
        send_audio=chosen.payload_type,
        receive_audio=numbers[chosen.codec],
        send_event=answered.event,
        receive_event=offered.event if with_events else None,
        direction=_our_direction(received, media, remote),
        ptime=_ptime(media),
    )


def _usable_line(offer: Description) -> int:
    refusal = NotAcceptable(304, "Media type not available: an audio line is needed")
    for index, media in enumerate(offer.media):
        if media.kind.lower() != "audio" or not media.port:
            continue
        try:
            _check_line(media)
        except NotAcceptable as why:
            refusal = why
        else:
            return index
    raise refusal


def _check_line(media: Media) -> None:
    if media.kind.lower() != "audio":
        raise NotAcceptable(304, "Media type not available: an audio line is needed")
    if media.protocol.upper() != _PROTOCOL:
        reason = f"Incompatible transport protocol: {_PROTOCOL} is needed"
        raise NotAcceptable(302, reason)
    if not read_payloads(media).audio:
        raise NotAcceptable(305, "Incompatible media format: PCMA or PCMU is needed")


def _remote(description: Description, media: Media, ours: OurSide) -> Address:
    connection = media.connection or description.connection
    if connection is None:
        raise SdpError("no c= line for the audio")
    if connection.network.upper() != "IN" or connection.family.upper() not in ("IP4", "IP6"):
        raise NotAcceptable(300, "Incompatible network protocol: IN IP4 or IN IP6 is needed")
    try:
        host = canonical(connection.address)
    except ValueError:
        reason = "Incompatible network address formats: an IP address is needed"
        raise NotAcceptable(301, reason) from None
    address = ip_address(host)
    if f"IP{address.version}" != ours.family:
        raise NotAcceptable(
            301, f"Incompatible network address formats: {ours.family} is needed"
        )
    if address.is_multicast or host == "255.255.255.255":
        raise NotAcceptable(330, "Multicast not available")
    return Address(host, media.port)


def _our_direction(description: Description, media: Media, remote: Address) -> Direction:
    theirs = description.direction(media)
    if remote.usable or not theirs.receives:
        return theirs.mirrored
    # c=0.0.0.0 puts us on hold in the manner of RFC 2543 (RFC 3264 §8.4).
    return Direction.RECVONLY if theirs.sends else Direction.INACTIVE


def _refused(media: Media) -> Media:
    return Media(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats)


def _ptime(media: Media) -> int | None:
    for attribute in media.attributes:
        value = (attribute.value or "").strip(" \t")
        if attribute.name == "ptime" and value.isascii() and value.isdigit():
            return int(value) if len(value) <= 4 else None
    return None
