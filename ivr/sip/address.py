"""Where datagrams come from and go to."""

from ipaddress import ip_address
from typing import NamedTuple, Protocol

DEFAULT_PORT = 5060


class Address(NamedTuple):
    """An IP address without brackets, and a UDP port."""

    host: str
    port: int

    def in_uri(self) -> str:
        """Return `host:port` as a SIP URI or a Via writes it: IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DatagramSender(Protocol):
    """The transport under a user agent."""

    def send(self, data: bytes, to: Address) -> None:
        """Send one datagram. Raise OSError when it cannot leave this machine."""


def is_ip(host: str) -> bool:
    """Whether `host`, without brackets, is an IPv4 or IPv6 address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
