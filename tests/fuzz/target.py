"""What is fuzzed, and with what it begins."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Feed = Callable[[bytes], None]
"""Processes one input; raises whatever is wrong."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser or a machine. `make` builds it once for all inputs; `longest` is in bytes."""

    make: Callable[[], Feed]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 4096
