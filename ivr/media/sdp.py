"""Session descriptions (RFC 8866): bytes to dataclasses and back.

Lenient about what real peers get wrong (line ends, order of lines, spare blanks, lines
left out), strict about what would be guessed otherwise. Lines that an answer has no use
for (`i=`, `u=`, `e=`, `p=`, `r=`, `z=`, `k=`, unknown letters) are dropped.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_LARGEST = 65_536
_MOST_LINES = 2_000
_MOST_MEDIA = 64
_SHOWN = 60
_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"([A-Za-z])=(.*)", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_BLANKS = re.compile(r"[ \t]+")


class SdpError(Exception):
    """Not a session description; the message names the line and says why (answer 400)."""


class Direction(StrEnum):
    """Which way media flows, seen from the side that describes itself (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the describing side sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the describing side receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> "Direction":
        """The same flow seen from the other side."""
        return _MIRRORED.get(self, self)


_MIRRORED = {
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
}


class Origin(NamedTuple):
    """`o=`: the session's identity and the version of its description, all as text."""

    username: str
    session_id: str
    version: str
    network: str
    family: str
    address: str


class Connection(NamedTuple):
    """`c=`: where media goes; `family` is `IP4` or `IP6` when `network` is `IN`."""

    network: str
    family: str
    address: str


class Attribute(NamedTuple):
    """`a=name` (value None) or `a=name:value`. `repr` hides keys (RFC 4568)."""

    name: str
    value: str | None = None

    def __repr__(self) -> str:
        hidden = self.value is not None and self.name.strip().lower() == "crypto"
        return f"Attribute({self.name!r}, {'…' if hidden else repr(self.value)})"


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    bandwidths: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A whole session description. `times` are the start and stop of each `t=`."""

    origin: Origin
    name: str = "-"
    connection: Connection | None = None
    bandwidths: tuple[str, ...] = ()
    times: tuple[tuple[str, str], ...] = (("0", "0"),)
    attributes: tuple[Attribute, ...] = ()
    media: tuple[Media, ...] = ()

    def direction(self, media: Media) -> Direction:
        """Return the direction of `media`: its own, else the session's, else sendrecv."""
        for attribute in (*media.attributes, *self.attributes):
            if attribute.value is None and attribute.name in _DIRECTIONS:
                return Direction(attribute.name)
        return Direction.SENDRECV


_DIRECTIONS = frozenset(Direction)


def parse(data: bytes) -> Description:
    """Read a session description. Raise `SdpError`, and nothing else, when it is not one."""
    if len(data) > _LARGEST:
        raise SdpError(f"larger than {_LARGEST} octets")
    sections = _sections(list(_lines(data)))
    if len(sections) - 1 > _MOST_MEDIA:
        raise SdpError(f"more than {_MOST_MEDIA} media lines")
    session, *media = sections
    return _session(session, tuple(_media(section) for section in media))


def render(description: Description) -> bytes:
    """Return `description` as it goes into a SIP body."""
    origin = description.origin
    lines = [
        "v=0",
        f"o={' '.join(origin)}",
        f"s={description.name}",
        *_rendered_details(description.connection, description.bandwidths),
        *(f"t={start} {stop}" for start, stop in description.times),
        *_rendered_attributes(description.attributes),
    ]
    for media in description.media:
        count = "" if media.port_count == 1 else f"/{media.port_count}"
        lines.append(
            f"m={media.kind} {media.port}{count} {media.protocol} {' '.join(media.formats)}"
        )
        lines += _rendered_details(media.connection, media.bandwidths)
        lines += _rendered_attributes(media.attributes)
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


_Line = tuple[str, str]


def _lines(data: bytes) -> Iterator[_Line]:
    # A name in Latin-1 is no reason to refuse a call: odd octets survive as surrogates.
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise SdpError("a NUL octet")
    lines = _LINE_END.split(text)
    if len(lines) > _MOST_LINES:
        raise SdpError(f"more than {_MOST_LINES} lines")
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SdpError(f"line {number} is not of the form x=value")
        yield match[1], match[2]


def _sections(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Split the lines into the session's and those of each media."""
    if not lines or lines[0][0] != "v" or lines[0][1].strip(" \t") != "0":
        raise SdpError("does not begin with v=0")
    sections: list[list[_Line]] = [[]]
    for kind, value in lines[1:]:
        if kind == "m":
            sections.append([])
        sections[-1].append((kind, value))
    return sections


def _session(lines: Sequence[_Line], media: tuple[Media, ...]) -> Description:
    origins = [value for kind, value in lines if kind == "o"]
    if len(origins) != 1:
        raise SdpError(f"{len(origins)} o= lines, where one is due")
    return Description(
        origin=_origin(origins[0]),
        name=next((value for kind, value in lines if kind == "s"), "-"),
        connection=_connection(lines),
        bandwidths=_bandwidths(lines),
        times=tuple(_time(value) for kind, value in lines if kind == "t") or (("0", "0"),),
        attributes=_attributes(lines),
        media=media,
    )


def _media(lines: Sequence[_Line]) -> Media:
    value = lines[0][1]
    words = _words(value)
    if len(words) < 4:
        raise SdpError(f"m={_shown(value)}: needs a kind, a port, a protocol and a format")
    kind, port, protocol, *formats = words
    port, _, count = port.partition("/")
    return Media(
        kind=kind,
        port=_number("port", port, 0xFFFF),
        port_count=_number("count of ports", count or "1", 0xFFFF),
        protocol=protocol,
        formats=tuple(formats),
        connection=_connection(lines),
        bandwidths=_bandwidths(lines),
        attributes=_attributes(lines),
    )


def _origin(value: str) -> Origin:
    # A display name with blanks in place of the user name is a common mistake.
    words = _words(value)
    if len(words) < 6:
        raise SdpError(f"o={_shown(value)}: needs six words")
    session_id, version, network, family, address = words[-5:]
    return Origin(" ".join(words[:-5]), session_id, version, network, family, address)


def _connection(lines: Sequence[_Line]) -> Connection | None:
    for kind, value in lines:
        if kind == "c":
            words = _words(value)
            if len(words) != 3:
                raise SdpError(f"c={_shown(value)}: needs three words")
            return Connection(*words)
    return None


def _bandwidths(lines: Sequence[_Line]) -> tuple[str, ...]:
    return tuple(value for kind, value in lines if kind == "b")


def _time(value: str) -> tuple[str, str]:
    words = _words(value)
    if len(words) != 2 or not all(_NUMBER.fullmatch(word) for word in words):
        raise SdpError(f"t={_shown(value)}: needs two numbers")
    return words[0], words[1]


def _attributes(lines: Sequence[_Line]) -> tuple[Attribute, ...]:
    return tuple(_attribute(value) for kind, value in lines if kind == "a")


def _attribute(line: str) -> Attribute:
    name, colon, value = line.partition(":")
    name = name.strip(" \t")
    if not name:
        raise SdpError("a= without a name")
    return Attribute(name, value if colon else None)


def _number(what: str, word: str, largest: int) -> int:
    if not _NUMBER.fullmatch(word) or int(word) > largest:
        raise SdpError(f"{_shown(word)} is not a {what}")
    return int(word)


def _shown(value: str) -> str:
    return ascii(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def _words(value: str) -> list[str]:
    return [word for word in _BLANKS.split(value) if word]


def _rendered_details(
    connection: Connection | None, bandwidths: Sequence[str]
) -> Iterator[str]:
    if connection is not None:
        yield f"c={' '.join(connection)}"
    yield from (f"b={bandwidth}" for bandwidth in bandwidths)


def _rendered_attributes(attributes: Sequence[Attribute]) -> Iterator[str]:
    for name, value in attributes:
        yield f"a={name}" if value is None else f"a={name}:{value}"
