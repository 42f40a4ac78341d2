"""Guessing passwords, made slow."""

from collections.abc import Hashable
from math import ceil
from typing import NamedTuple

from ivr.clock import Clock

FREE_FOR_ONE = 5
"""Wrong passwords of one user from one source before the first wait."""
FREE_FOR_ALL = 30
"""The same of all users from one source, behind which a whole office may be."""
FORGIVEN_EVERY = 60.0
"""Seconds after which one failure counts no more."""
LONGEST = 300.0
"""Seconds of the longest wait."""
_RECORDS = 20_000


class _Record(NamedTuple):
    failures: float
    at: float
    until: float


_CLEAN = _Record(0, 0, 0)


class Lockout:
    """How long a source waits before it may try to log in again: 1 s, 2 s, 4 s … 5 min.

    A user can be kept out by nobody but who shares the source with them: others'
    failures count for the others. Whether a user exists makes no difference.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order of the last failure.
        self._records: dict[Hashable, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, host: str, user: str) -> float:
        """Return for how many seconds credentials of `user` from `host` are not looked at."""
        until = max(self._records.get(key, _CLEAN).until for key in ((host, user), host))
        return max(0.0, until - self._clock.seconds())

    def failed(self, host: str, user: str) -> None:
        """Count wrong credentials."""
        self._count((host, user), FREE_FOR_ONE)
        self._count(host, FREE_FOR_ALL)

    def succeeded(self, host: str, user: str) -> None:
        """Forgive a user who knows the password."""
        self._records.pop((host, user), None)

    def _count(self, key: Hashable, free: int) -> None:
        now = self._clock.seconds()
        old = self._records.pop(key, _CLEAN)
        failures = 1 + max(0.0, old.failures - (now - old.at) / FORGIVEN_EVERY)
        beyond = ceil(failures) - free
        wait = min(LONGEST, 2.0**beyond) if beyond >= 0 else 0.0
        if len(self._records) >= _RECORDS:
            del self._records[next(iter(self._records))]
        self._records[key] = _Record(failures, now, now + wait)
