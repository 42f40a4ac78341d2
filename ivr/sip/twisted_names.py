"""Names looked up with `twisted.names`.

Chosen over dnspython: that one runs on asyncio or trio and tells its own time,
while this one takes the reactor that is passed in, sockets, timers and all. Each
query leaves from a new random port with a random id, and goes over TCP when its
answer is cut off.
"""

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import defer, error
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DomainError

from ivr.sip.errors import NameServiceError
from ivr.sip.names import NEGATIVE_TTL, Answer, Kind, Naptr, Srv

TIMEOUTS = (1, 2, 4)
"""Seconds each name server is waited for, from one round to the next."""
RESOLV_CONF = Path("/etc/resolv.conf")
_TYPES = {Kind.NAPTR: dns.NAPTR, Kind.SRV: dns.SRV, Kind.A: dns.A, Kind.AAAA: dns.AAAA}


class TwistedNames:
    """A `NameService` that asks the name servers at `servers`, pairs of host and port."""

    def __init__(self, reactor: Any, servers: Sequence[tuple[str, int]]) -> None:
        make: Any = client.Resolver
        self._resolver = make(servers=list(servers), timeout=TIMEOUTS, reactor=reactor)

    async def lookup(self, kind: Kind, name: str) -> Answer:
        """As `NameService.lookup`."""
        query = dns.Query(name.encode("idna"), _TYPES[kind], dns.IN)
        try:
            answers, _, _ = await self._resolver.query(query)
        except DNSNameError:
            return Answer()
        except (
            DomainError,
            DNSQueryTimeoutError,
            defer.TimeoutError,
            error.ConnectError,
            error.ConnectionLost,
            OSError,
        ) as failure:
            raise NameServiceError(f"{kind} of {name}: {type(failure).__name__}") from failure
        return _answer(answers, kind)


def name_servers(path: Path = RESOLV_CONF) -> list[tuple[str, int]]:
    """Return the name servers that resolv.conf(5) names, the local one without any."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    fields = [line.split() for line in lines]
    found = [one[1] for one in fields if len(one) > 1 and one[0] == "nameserver"]
    return [(host, dns.PORT) for host in found] or [("127.0.0.1", dns.PORT)]


def _answer(records: Iterable[Any], kind: Kind) -> Answer:
    """Return what is in an answer; the aliases in it were followed by the name server."""
    fitting = [one for one in records if one.type == _TYPES[kind]]
    if not fitting:
        return Answer()
    ttl = min((one.ttl for one in records), default=NEGATIVE_TTL)
    payloads = [one.payload for one in fitting]
    if kind is Kind.NAPTR:
        return Answer(ttl, naptr=tuple(map(_naptr, payloads)))
    if kind is Kind.SRV:
        return Answer(ttl, srv=tuple(map(_srv, payloads)))
    return Answer(
        ttl,
        addresses=tuple(one.dottedQuad() if kind is Kind.A else _ipv6(one) for one in payloads),
    )


def _naptr(payload: Any) -> Naptr:
    return Naptr(
        payload.order,
        payload.preference,
        payload.flags.string.decode("ascii", "replace"),
        payload.service.string.decode("ascii", "replace"),
        _text(payload.replacement),
    )


def _srv(payload: Any) -> Srv:
    return Srv(payload.priority, payload.weight, payload.port, _text(payload.target))


def _ipv6(payload: Any) -> str:
    return socket.inet_ntop(socket.AF_INET6, payload.address)


def _text(name: Any) -> str:
    return str(name.name.decode("ascii", "replace").rstrip("."))
