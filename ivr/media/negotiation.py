"""Offer and answer (RFC 3264) for one G.711 stream with keypad events."""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from ivr.media.address import Address, canonical
from ivr.media.control import Control, read_control
from ivr.media.g711 import FRAME, RATE, Codec
from ivr.media.payloads import AudioFormat, Payloads, describe_payloads, read_payloads
from ivr.media.refusal import NotAcceptable
from ivr.media.sdes import read_cryptos
from ivr.media.sdp import (
    Attribute,
    Connection,
    Description,
    Direction,
    Media,
    Origin,
    SdpError,
)
from ivr.media.security import (
    Security,
    SrtpPolicy,
    answer_crypto,
    check_offered,
    offer_crypto,
    offer_protocol,
    read_answered_crypto,
)

__all__ = ["Negotiated", "NotAcceptable", "OurSide", "answer", "make_offer", "read_answer"]

_EVENT_TYPE = 101
_EVENT_TYPE_ELSE = 96
_PTIME = Attribute("ptime", str(1000 * FRAME // RATE))
_MUX = Attribute("rtcp-mux")
_NO_AUDIO = "Media type not available: an audio line is needed"


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
    control: Control | None = None
    """Where RTCP goes; None when there is none."""
    security: Security | None = None
    """The keys of SRTP; None when in the clear."""

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

    __slots__ = ("_said", "_session_id", "address", "srtp")

    def __init__(
        self, address: Address, session_id: int, srtp: SrtpPolicy = SrtpPolicy.OFF
    ) -> None:
        """`address` is where the peer shall send to; `session_id` should be random."""
        self.address = address
        self.srtp = srtp
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

    def audio_line(
        self,
        payloads: Payloads,
        direction: Direction,
        protocol: str,
        extra: tuple[Attribute, ...],
    ) -> Media:
        """Return our `m=audio` line; `extra` are attributes of transport and keys."""
        formats, attributes = describe_payloads(payloads)
        return Media(
            kind="audio",
            port=self.address.port,
            protocol=protocol,
            formats=formats,
            attributes=(*attributes, _PTIME, *extra, Attribute(direction.value)),
        )

    def _origin(self, version: int) -> Origin:
        return Origin("-", self._session_id, str(version), "IN", self.family, self.address.host)


def answer(
    offer: Description, ours: OurSide, current: Negotiated | None = None
) -> tuple[Description, Negotiated]:
    """Answer `offer` with its first usable audio line, under its payload type numbers.

    A line with keys is preferred. Every other line is refused with port 0 (§6).
    `current` is what was agreed before. Raise `NotAcceptable`, or `SdpError` for an audio
    line without an address.
    """
    before = None if current is None else current.security
    index = _usable_line(offer, ours.srtp, before)
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
        control=read_control(offer, media, remote, payloads.types),
        security=answer_crypto(media, ours.srtp, before),
    )
    line = ours.audio_line(
        Payloads((chosen,), payloads.event),
        negotiated.direction,
        media.protocol.upper(),
        _mux(negotiated) + (negotiated.security.attributes if negotiated.security else ()),
    )
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
    line = ours.audio_line(
        Payloads(tuple(audio), event),
        Direction.SENDRECV,
        offer_protocol(ours.srtp, None if current is None else current.security),
        (_MUX, *offer_crypto(ours.srtp)),
    )
    said = ours.said
    lines = [line] if said is None else [line if m.port else m for m in said.media]
    return ours.say(ours.describe(tuple(lines), said))


def read_answer(
    offer: Description,
    received: Description,
    ours: OurSide,
    current: Negotiated | None = None,
) -> Negotiated:
    """Read the answer to an offer of `make_offer`. Raise `NotAcceptable` or `SdpError`."""
    index = next(n for n, media in enumerate(offer.media) if media.port)
    if len(received.media) <= index:
        raise SdpError("the answer has fewer media lines than the offer")
    media = received.media[index]
    if not media.port:
        raise NotAcceptable(304, "The audio stream was refused")
    security = read_answered_crypto(
        offer.media[index], media, ours.srtp, None if current is None else current.security
    )
    _check_formats(media)
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
        control=read_control(received, media, remote, offered.types | answered.types),
        security=security,
    )


def _usable_line(offer: Description, srtp: SrtpPolicy, before: Security | None) -> int:
    refusal = NotAcceptable(304, _NO_AUDIO)
    usable: list[int] = []
    for index, media in enumerate(offer.media):
        if media.kind.lower() != "audio" or not media.port:
            continue
        try:
            check_offered(media, srtp, before)
            _check_formats(media)
        except NotAcceptable as why:
            refusal = why
        else:
            usable.append(index)
    if not usable:
        raise refusal
    with_keys = (
        n for n in usable if srtp is not SrtpPolicy.OFF and read_cryptos(offer.media[n])
    )
    return next(with_keys, usable[0])


def _check_formats(media: Media) -> None:
    if media.kind.lower() != "audio":
        raise NotAcceptable(304, _NO_AUDIO)
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


def _mux(negotiated: Negotiated) -> tuple[Attribute, ...]:
    return (_MUX,) if negotiated.control is not None and negotiated.control.mux else ()


def _ptime(media: Media) -> int | None:
    for attribute in media.attributes:
        value = (attribute.value or "").strip(" \t")
        if attribute.name == "ptime" and value.isascii() and value.isdigit():
            return int(value) if len(value) <= 4 else None
    return None
