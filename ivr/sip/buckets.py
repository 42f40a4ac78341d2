"""How often something may happen, for each source."""

from typing import NamedTuple

from ivr.clock import Clock

SOURCES = 10_000
"""How many sources are remembered; the one not seen for longest is forgotten first."""


class _Bucket(NamedTuple):
    tokens: float
    at: float


class TokenBuckets:
    """A bucket for each source that holds `burst` tokens and gains `rate` a second."""

    def __init__(self, clock: Clock, rate: float, burst: float, sources: int = SOURCES) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._sources = sources
        # In the order they were last seen.
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, source: str) -> bool:
        """Take a token; False when the bucket of `source` has none."""
        now = self._clock.seconds()
        tokens, at = self._buckets.pop(source, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        left = tokens - 1 if tokens >= 1 else tokens
        if len(self._buckets) >= self._sources:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[source] = _Bucket(left, now)
        return tokens >= 1
