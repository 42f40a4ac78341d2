"""Who may speak to us, by network."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_REMEMBERED = 4096


class AccessList:
    """Networks in CIDR notation, or single addresses, that are allowed or denied.

    What is denied is denied though it is allowed too. Without any allowed network
    everybody else is allowed. An IPv4 address that arrives as IPv6 (`::ffff:…`)
    counts as what it is. Raise ValueError for what is no network.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self._allow = [ip_network(text) for text in allow]
        self._deny = [ip_network(text) for text in deny]
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Whether `host`, an IP address, is allowed. Cheap when asked again."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[host] = self._decide(host)
        return known

    def _decide(self, host: str) -> bool:
        address = unmapped(host)
        if any(address in network for network in self._deny):
            return False
        return not self._allow or any(address in network for network in self._allow)


def unmapped(host: str) -> IPv4Address | IPv6Address:
    """Return the IP address `host`; as IPv4 what arrives as IPv6 (`::ffff:…`)."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
