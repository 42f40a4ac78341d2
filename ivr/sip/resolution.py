"""Where a request for a URI goes: transport, address and port (RFC 3263 §4).

NAPTR ──► SRV ──► A, AAAA        no transport and no port given
          SRV ──► A, AAAA        a transport given
                  A, AAAA        a port given
(nothing to look up)             the host is an address
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from ivr.sip.address import Address, Transport, is_ip
from ivr.sip.errors import NameServiceError
from ivr.sip.names import Kind, NameService, Srv
from ivr.sip.uri import Uri

_SERVICES = {
    "SIPS+D2T": Transport.TLS,
    "SIP+D2T": Transport.TCP,
    "SIP+D2U": Transport.UDP,
}
_PREFIXES = {
    Transport.UDP: "_sip._udp.",
    Transport.TCP: "_sip._tcp.",
    Transport.TLS: "_sips._tcp.",
}

ALL = (Transport.UDP, Transport.TCP, Transport.TLS)


class Resolver:
    """Finds the targets of a URI.

    `transports` are those we can use, in the order they are preferred where DNS
    does not say; `kinds` the records of addresses we can send to, the preferred
    first; `below` returns a random number below its argument.
    """

    def __init__(
        self,
        names: NameService,
        *,
        transports: Sequence[Transport] = ALL,
        kinds: Sequence[Kind] = (Kind.A, Kind.AAAA),
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._names = names
        self._transports = tuple(transports)
        self._kinds = tuple(kinds)
        self._below = below

    async def resolve(self, uri: Uri, transport: Transport | None = None) -> list[Address]:
        """Return the targets of `uri`, the one to be tried first at the front.

        `transport` is what our configuration asks for. Raise NameServiceError when
        there is none, with the reason.
        """
        direct = self.numeric(uri, transport)
        if direct is not None:
            return [direct]
        host = (uri.param("maddr") or uri.host).lower()
        wanted = self._wanted(uri, transport)
        if uri.port is not None:
            how = wanted or _default(uri)
            targets = await self._addresses(host, uri.port, how)
        else:
            servers = await self._servers(host, _only_tls(uri), wanted)
            targets = []
            for how, one in servers:
                targets += await self._addresses(one.target, one.port, how, lenient=True)
            if not servers:
                how = wanted or _default(uri)
                targets = await self._addresses(host, how.default_port, how)
        if not targets:
            raise NameServiceError(f"no address for {host}")
        # A certificate must name the domain that was asked for (RFC 5922 §7.2).
        return [
            one._replace(domain=host) if one.transport is Transport.TLS else one
            for one in dict.fromkeys(targets)
        ]

    def numeric(self, uri: Uri, transport: Transport | None = None) -> Address | None:
        """Return the target of a URI whose host is an address, None when it is a name.

        Raise NameServiceError for a URI that is no SIP URI or asks for a transport
        that we have not.
        """
        if not uri.is_sip:
            raise NameServiceError(f"no way to reach a {uri.scheme} URI")
        host = (uri.param("maddr") or uri.host).strip("[]")
        if not is_ip(host):
            return None
        how = self._wanted(uri, transport) or _default(uri)
        return Address(host, uri.port or how.default_port, how)

    def _wanted(self, uri: Uri, configured: Transport | None) -> Transport | None:
        """Return the transport that is not open to choice, None when it is (§4.1)."""
        text = (uri.param("transport") or "").lower()
        wanted = configured
        if text:
            try:
                wanted = Transport(text)
            except ValueError:
                raise NameServiceError("a transport that is not spoken here") from None
        if _only_tls(uri):
            if wanted is Transport.UDP:
                raise NameServiceError("a sips URI over UDP")
            wanted = Transport.TLS
        if wanted is not None and wanted not in self._transports:
            raise NameServiceError(f"{wanted.upper()} is not switched on here")
        return wanted

    async def _servers(
        self, host: str, only_tls: bool, wanted: Transport | None
    ) -> list[tuple[Transport, Srv]]:
        """Return the servers of a domain by NAPTR and SRV, in the order to be tried."""
        found: list[tuple[Transport, Srv]] = []
        if wanted is None:
            for how, name in await self._rules(host, only_tls):
                found += [(how, one) for one in await self._ordered(name)]
            if found:
                return found
        for how in (wanted,) if wanted else self._transports:
            found += [(how, one) for one in await self._ordered(_PREFIXES[how] + host)]
        return found

    async def _rules(self, host: str, only_tls: bool) -> list[tuple[Transport, str]]:
        """Return the SRV names that NAPTR leads to, of transports we have (§4.1)."""
        try:
            answer = await self._names.lookup(Kind.NAPTR, host)
        except NameServiceError:
            # Some name servers choke on NAPTR and know SRV well enough.
            return []
        rules = []
        for one in sorted(answer.naptr, key=lambda rule: (rule.order, rule.preference)):
            how = _SERVICES.get(one.service.upper())
            if how is None or how not in self._transports or one.flags.lower() != "s":
                continue
            if how is Transport.TLS or not only_tls:
                rules.append((how, one.replacement))
        return rules

    async def _ordered(self, name: str) -> list[Srv]:
        """Return SRV records by priority, and at random by weight (RFC 2782)."""
        answer = await self._names.lookup(Kind.SRV, name)
        records = sorted(
            (one for one in answer.srv if one.target and one.port),
            key=lambda one: (one.priority, one.weight),
        )
        ordered = []
        for _, same in groupby(records, key=lambda one: one.priority):
            ordered += self._shuffled(same)
        return ordered

    def _shuffled(self, records: Iterable[Srv]) -> list[Srv]:
        left = list(records)
        ordered = []
        while left:
            drawn = self._below(sum(one.weight for one in left) + 1)
            position = 0
            while drawn > left[position].weight:
                drawn -= left[position].weight
                position += 1
            ordered.append(left.pop(position))
        return ordered

    async def _addresses(
        self, host: str, port: int, how: Transport, *, lenient: bool = False
    ) -> list[Address]:
        if is_ip(host):
            return [Address(host, port, how)]
        found: list[Address] = []
        failure: NameServiceError | None = None
        for kind in self._kinds:
            try:
                answer = await self._names.lookup(kind, host)
            except NameServiceError as error:
                failure = error
            else:
                found += [Address(address, port, how) for address in answer.addresses]
        if failure is not None and not found and not lenient:
            raise failure
        return found


def _only_tls(uri: Uri) -> bool:
    return uri.scheme == "sips"


def _default(uri: Uri) -> Transport:
    return Transport.TLS if _only_tls(uri) else Transport.UDP
