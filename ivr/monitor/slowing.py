"""Slowing of those who guess: after some failures each one more doubles the wait."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

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

    def enter(self, key: str) -> int:
        """Count a try as failed; return the seconds to wait instead, when it comes too soon.

        It counts before it is known how it ends, so that tries at once are no way around.
        """
        at = self._now()
        before = self._tries.pop(key, None)
        # A clock that was set back must not lock anybody out for so long.
        if before is not None and at < before.free_at <= at + self._longest:
            self._tries[key] = before
            return int((before.free_at - at).total_seconds()) + 1
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
