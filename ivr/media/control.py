"""Where RTCP goes: `a=rtcp-mux` (RFC 5761), `a=rtcp` (RFC 3605), no bandwidth (RFC 3556)."""

import re
from dataclasses import dataclass

from ivr.media.address import Address, canonical
from ivr.media.sdp import Description, Media

_RTCP = re.compile(r"([0-9]{1,5})(?:[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+))?", re.ASCII)
_NEVER = re.compile(r"(RS|RR):0", re.ASCII)
_AMBIGUOUS = range(64, 96)
"""Payload types that, with the marker bit, look like RTCP (RFC 5761 §4)."""


@dataclass(frozen=True, slots=True)
class Control:
    """Where the peer wants RTCP; `mux` is together with its RTP."""

    remote: Address
    mux: bool = False


def read_control(
    description: Description, media: Media, remote: Address, payload_types: frozenset[int]
) -> Control | None:
    """Return where RTCP goes for media to `remote`; None when the peer wants none.

    What is malformed, or names another network than that of `remote`, is ignored.
    """
    bandwidths = media.bandwidths or description.bandwidths
    if {match[1] for each in bandwidths if (match := _NEVER.fullmatch(each.strip()))} == {
        "RS",
        "RR",
    }:
        return None
    wants_mux = any(attribute.name.lower() == "rtcp-mux" for attribute in media.attributes)
    if wants_mux and not payload_types.intersection(_AMBIGUOUS):
        return Control(remote, mux=True)
    for attribute in media.attributes:
        if attribute.name.lower() == "rtcp" and attribute.value is not None:
            address = _address(attribute.value, remote)
            if address is not None:
                return Control(address)
    return Control(Address(remote.host, remote.port + 1 if remote.port < 0xFFFF else 0))


def _address(value: str, remote: Address) -> Address | None:
    match = _RTCP.fullmatch(value.strip(" \t"))
    if match is None or not 0 < int(match[1]) <= 0xFFFF:
        return None
    port, network, _, host = match.groups()
    if host is None:
        return Address(remote.host, int(port))
    try:
        address = Address(canonical(host), int(port))
    except ValueError:
        return None
    same_family = (":" in address.host) == (":" in remote.host)
    return address if network.upper() == "IN" and same_family else None
