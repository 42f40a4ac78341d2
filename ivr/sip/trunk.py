"""A trunk or a PBX, as it is configured: data without behaviour on the network."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import quote as quote_url

from ivr.sip.access import unmapped
from ivr.sip.address import Transport
from ivr.sip.connection import PeerProof
from ivr.sip.digest_client import Credentials
from ivr.sip.grammar import quote
from ivr.sip.uri import SIP_SCHEMES, Uri, parse_uri

_NUMBER = re.compile(r"\+?[0-9*#]+")
_RESERVED = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")


@dataclass(frozen=True, slots=True)
class Trunk:
    """Where calls come from and go to.

    `domain` is a name or an address, with a port perhaps; IPv6 in brackets.
    Times are in seconds. Raise ValueError, naming the field, for what cannot be.
    """

    name: str
    domain: str
    transport: Transport | None = None
    """None: UDP, or what DNS prefers (RFC 3263)."""
    credentials: tuple[Credentials, ...] = ()
    registers: bool = False
    """Whether we register there; the first credentials' user is the address of record."""
    register_expires: int = 600
    outbound_proxy: str = ""
    """A SIP URI that every request goes to first; loose routing is assumed."""
    caller: str = ""
    """The URI of From; the first credentials' user, or our name, without it."""
    caller_name: str = ""
    asserted_identity: str = ""
    """A URI for P-Asserted-Identity (RFC 3325), for peers that trust us."""
    allowed_sources: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whence its calls may come; none: from anywhere with a certificate of `allowed_domains`,
    and without those from nowhere but our own Contact there."""
    allowed_domains: tuple[str, ...] = ()
    """One of which the TLS certificate of whoever calls must name; none: it need not."""
    max_calls: int | None = None
    ping_interval: float = 60.0
    """Between two OPTIONS while the trunk is up; 0 for none. One that is down is not called."""
    follow_redirects: bool = False
    """Whether a call that gets 3xx goes where it says."""
    failover_after: float = 8.0
    """How long a target may be silent before a call tries the next one."""
    answer_within: float = 180.0
    """How long a call may ring."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name: a trunk needs one")
        if "\r" in self.caller_name or "\n" in self.caller_name:
            raise ValueError("caller_name: a line break")
        _uri("domain", f"sip:{self.domain}")
        for field in ("outbound_proxy", "caller", "asserted_identity"):
            text = getattr(self, field)
            if text:
                _uri(field, text)
        if self.registers and not self.credentials:
            raise ValueError("credentials: registering needs a user")
        if self.register_expires < 1 or min(self.failover_after, self.answer_within) <= 0:
            raise ValueError("register_expires, failover_after, answer_within: above 0")
        if self.ping_interval < 0 or (self.max_calls is not None and self.max_calls < 0):
            raise ValueError("ping_interval, max_calls: not below 0")

    @property
    def user(self) -> str:
        """The user of the address of record, "" without credentials."""
        return self.credentials[0].user if self.credentials else ""

    def uri(self, target: str) -> Uri:
        """Return the URI of a telephone number, a user, or a URI as it is.

        A tel URI becomes a SIP URI at this trunk (RFC 3261 §19.1.6). Raise
        MalformedMessageError for a URI that is none.
        """
        scheme, colon, rest = target.partition(":")
        if colon and scheme.lower() in SIP_SCHEMES:
            return parse_uri(target)
        user = rest if colon and scheme.lower() == "tel" else target
        return parse_uri(f"sip:{_escaped(user)}@{self.domain}{_suffix(user)}")

    def home(self) -> Uri:
        """Return the URI of the trunk itself: of its registrar, of its OPTIONS."""
        return parse_uri(f"sip:{self.domain}")

    @property
    def contact_user(self) -> str:
        """The user of our URIs there, escaped."""
        return _escaped(self.user or "solde")

    @property
    def address_of_record(self) -> str:
        """The URI we are known by there (RFC 3261 §10)."""
        return f"sip:{self.contact_user}@{self.home().host}"

    def from_(self, local: str) -> str:
        """Return the value of From, without tag; `local` is our host and port.

        Who has no user there and names no caller calls from here.
        """
        ours = self.address_of_record if self.user else f"sip:{self.contact_user}@{local}"
        uri = self.caller or ours
        return f"{quote(self.caller_name)} <{uri}>" if self.caller_name else f"<{uri}>"

    def allows(self, host: str, proof: PeerProof | None = None) -> bool:
        """Whether its calls may come from the IP address `host`, which proved to be `proof`."""
        if not self.is_proven_by(proof):
            return False
        if not self.allowed_sources:
            return bool(self.allowed_domains)
        address = unmapped(host)
        return any(address in network for network in self.allowed_sources)

    def is_proven_by(self, proof: PeerProof | None) -> bool:
        """Whether a TLS peer may speak for it; anybody may without `allowed_domains`."""
        if not self.allowed_domains:
            return True
        return proof is not None and any(map(proof.proves, self.allowed_domains))


def _uri(field: str, text: str) -> None:
    try:
        uri = parse_uri(text)
    except Exception as error:
        raise ValueError(f"{field}: {error}") from error
    if not (uri.is_sip or uri.scheme == "tel"):
        raise ValueError(f"{field}: no SIP URI")


def _suffix(user: str) -> str:
    return ";user=phone" if user.startswith("+") and _NUMBER.fullmatch(user) else ""


def _escaped(user: str) -> str:
    """Return a user as a URI may have it (RFC 3261 §19.1.2)."""
    return _RESERVED.sub(lambda found: quote_url(found[0], safe=""), user)
