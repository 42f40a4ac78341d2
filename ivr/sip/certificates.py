"""For whom a certificate may speak in SIP (RFC 5922 §7)."""

from dataclasses import dataclass
from ipaddress import ip_address

from cryptography.x509 import (
    Certificate,
    DNSName,
    ExtensionNotFound,
    IPAddress,
    SubjectAlternativeName,
    UniformResourceIdentifier,
)

from ivr.sip.address import is_ip
from ivr.sip.errors import MalformedMessageError
from ivr.sip.uri import parse_uri


@dataclass(frozen=True, slots=True)
class Peer:
    """Who a TLS peer is, by its certificate.

    `domains` are in lower case; `addresses` are IP addresses.
    """

    domains: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()

    def proves(self, domain: str) -> bool:
        """Whether the peer may speak for a SIP domain or an IP address.

        Wildcards match nothing (§7.2).
        """
        if is_ip(domain):
            return str(ip_address(domain)) in self.addresses
        return domain.lower().rstrip(".") in self.domains


def peer_named_by(certificate: Certificate | None) -> Peer:
    """Return who a verified certificate names; nobody without one.

    The domains are those of `sip:` URIs, and DNS names only without any (§7.1). The
    common name, which says nothing of what it is a name of, does not count.
    """
    if certificate is None:
        return Peer()
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return Peer()
    uris = {_domain(uri) for uri in names.get_values_for_type(UniformResourceIdentifier)}
    domains = {uri for uri in uris if uri} or set(names.get_values_for_type(DNSName))
    return Peer(
        frozenset(domain.lower() for domain in domains),
        frozenset(str(address) for address in names.get_values_for_type(IPAddress)),
    )


def _domain(text: str) -> str:
    """Return the domain a URI speaks for, "" for one of a person or of another scheme."""
    try:
        uri = parse_uri(text)
    except MalformedMessageError:
        return ""
    return uri.host if uri.scheme == "sip" and uri.user is None else ""
