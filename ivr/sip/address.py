"""Where messages come from and go to, and over which transport."""

from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple, Protocol

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061


class Transport(StrEnum):
    """A transport protocol, as the `transport` parameter of a URI names it."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def reliable(self) -> bool:
        """Whether nothing has to be sent twice (RFC 3261 §17)."""
        return self is not Transport.UDP

    @property
    def default_port(self) -> int:
        """The port of a URI or a Via that names none (RFC 3261 §18.2.2, §19.1.2)."""
        return DEFAULT_TLS_PORT if self is Transport.TLS else DEFAULT_PORT


class Address(NamedTuple):
    """An IP address without brackets, a port, and the transport spoken there.

    `flow` is the other end of a connection that is used instead while it is open:
    for a response the one its request came over (RFC 3261 §18.2.2), for a request
    the one its dialog was made over (RFC 5923). The source of a message that came
    over a connection is that other end itself.

    `domain` is the SIP domain that was resolved to this address: the one that a
    TLS peer's certificate must name (RFC 5922); without it the address itself.
    """

    host: str
    port: int
    transport: Transport = Transport.UDP
    flow: tuple[str, int] | None = None
    domain: str = ""

    def in_uri(self) -> str:
        """Return `host:port` as a SIP URI or a Via writes it: IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DatagramSender(Protocol):
    """The transports under a user agent."""

    def send(self, data: bytes, to: Address) -> None:
        """Send one message. Raise OSError when it cannot leave this machine."""


def transport_named(name: str) -> Transport | None:
    """Return the transport of a URI's parameter, None for one that is not spoken here."""
    return _NAMED.get(name.lower())


_NAMED = {transport.value: transport for transport in Transport}


def is_ip(host: str) -> bool:
    """Whether `host`, without brackets, is an IPv4 or IPv6 address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
