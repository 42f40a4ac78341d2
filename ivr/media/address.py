"""Where a peer is on the network: an IP literal and a port."""

from ipaddress import IPv6Address, ip_address
from typing import NamedTuple


class Address(NamedTuple):
    """An IP literal in canonical form, and a port from 0 to 65535."""

    host: str
    port: int

    @property
    def usable(self) -> bool:
        """Whether packets can be sent there: neither 0.0.0.0 (an old hold) nor port 0."""
        return self.port != 0 and not ip_address(self.host).is_unspecified


def canonical(host: str) -> str:
    """Return an IP literal in its one canonical form; raise `ValueError` for anything else.

    An IPv4 address mapped into IPv6 becomes the IPv4 address it stands for.
    """
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
