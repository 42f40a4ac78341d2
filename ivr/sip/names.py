"""What is asked of DNS, and a cache of the answers (RFC 1035, RFC 2308, RFC 8767)."""

from collections.abc import Awaitable
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog

from ivr.clock import Clock
from ivr.sip.errors import NameServiceError

log = structlog.get_logger()

NEGATIVE_TTL = 60
"""Seconds "there is no such record" is believed."""
_LONGEST_TTL = 24 * 3600
_ENTRIES = 1024


class Kind(StrEnum):
    """The types of records that are asked for."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


class Naptr(NamedTuple):
    """A rule (RFC 3403 §4.1); names are without the last dot."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """A server (RFC 2782); `target` is "" when the service is decidedly not there."""

    priority: int
    weight: int
    port: int
    target: str


class Answer(NamedTuple):
    """What a name has. `addresses` are texts; `ttl` is in seconds."""

    ttl: int = NEGATIVE_TTL
    naptr: tuple[Naptr, ...] = ()
    srv: tuple[Srv, ...] = ()
    addresses: tuple[str, ...] = ()


class NameService(Protocol):
    """Looks names up."""

    def lookup(self, kind: Kind, name: str) -> Awaitable[Answer]:
        """Return the records of `name`, none when there are none.

        Raise NameServiceError when nobody could say.
        """


class CachedNames:
    """Remembers what `names` answered, as long as the answer says.

    An answer that is too old is still better than none: it is used while the
    name servers do not answer (RFC 8767).
    """

    def __init__(self, clock: Clock, names: NameService) -> None:
        self._clock = clock
        self._names = names
        self._known: dict[tuple[Kind, str], tuple[float, Answer]] = {}

    async def lookup(self, kind: Kind, name: str) -> Answer:
        """As `NameService.lookup`."""
        key = (kind, name.lower().rstrip("."))
        known = self._known.get(key)
        if known is not None and known[0] > self._clock.seconds():
            return known[1]
        try:
            answer = await self._names.lookup(*key)
        except NameServiceError as error:
            if known is None:
                raise
            log.warning("dns-answer-is-old", kind=kind, error=str(error))
            return known[1]
        if len(self._known) >= _ENTRIES:
            del self._known[next(iter(self._known))]
        self._known.pop(key, None)
        until = self._clock.seconds() + min(answer.ttl, _LONGEST_TTL)
        self._known[key] = (until, answer)
        return answer
