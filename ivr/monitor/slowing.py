"""Slowing of those who guess: after some failures each one more doubles the wait."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from starlette.requests import Request

from ivr.monitor.problems import ProblemError

FREE_OF_SOURCE: Final = 20
LONGEST_OF_SOURCE: Final = timedelta(minutes=1)
"""Less than for a login: an office has many people behind one address."""
_FORGOTTEN: Final = timedelta(minutes=15)
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Tries:
    failures: int
    last: datetime
    free_at: datetime


class Slowing:
    """Counts tries by key. `free` fail without a wait; the longest is `longest`."""

    def __init__(self, now: Callable[[], datetime], *, free: int, longest: timedelta) -> None:
        self._now = now
        self._free = free
        self._longest = longest
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait(self, key: str) -> int:
        """Return the seconds for which a try would come too soon; it counts none."""
        at, before = self._now(), self._tries.get(key)
        if before is None or before.free_at <= before.last:
            return 0
        # A clock that was set back must not lock anybody out for so long.
        if at < before.free_at <= at + self._longest:
            return int((before.free_at - at).total_seconds()) + 1
        return 0

    def enter(self, key: str) -> int:
        """Count a try as failed; return the seconds to wait instead, when it comes too soon.

        It counts before it is known how it ends, so that tries at once are no way around.
        """
        left = self.wait(key)
        if left:
            self._tries.move_to_end(key)
            return left
        at = self._now()
        before = self._tries.pop(key, None)
        known = before is not None and at - before.last < _FORGOTTEN + self._longest
        failures = (before.failures if before is not None and known else 0) + 1
        over = failures - self._free
        wait = timedelta(0)
        if over >= 0:
            # 2 ** 20 seconds are more than any longest wait.
            wait = min(timedelta(seconds=2 ** min(over, 20)), self._longest)
        self._tries[key] = _Tries(failures, at, at + wait)
        if len(self._tries) > _MOST:
            self._tries.popitem(last=False)
        return 0

    def forgive(self, key: str) -> None:
        """Take the last try back: it was none that guesses."""
        tries = self._tries.get(key)
        if tries is not None:
            at = self._now()
            self._tries[key] = _Tries(tries.failures - 1, tries.last, at)

    def forget(self, key: str) -> None:
        """Forget all failures: the right one has come in."""
        self._tries.pop(key, None)


def network_of(host: str) -> str:
    """Return whom an address belongs to: itself, or its /64 with IPv6."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # As a proxy with one socket for both tells it.
        return str(address.ipv4_mapped)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def source_of(request: Request) -> str:
    """Return where a request comes from."""
    return network_of(request.client.host) if request.client is not None else "unknown"


def slowed(wait: int) -> ProblemError:
    """Return the refusal of a try that comes too soon, by so many seconds."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Too many tries: wait {wait} seconds.",
        code="slowed",
        headers={"Retry-After": str(wait)},
    )


class TokenTries:
    """Slows those who guess tokens, by where they come from.

    Only what has failed counts: programs ask much, and at once.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._sources = Slowing(now, free=FREE_OF_SOURCE, longest=LONGEST_OF_SOURCE)

    def check(self, request: Request) -> None:
        """Raise `ProblemError` (429) where a token comes too soon, be it right or wrong."""
        wait = self._sources.wait(source_of(request))
        if wait:
            raise slowed(wait)

    def failed(self, request: Request) -> None:
        """Count a wrong token."""
        self._sources.enter(source_of(request))
