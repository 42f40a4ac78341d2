"""Finds memory that is kept from one input to the next."""

import gc
import sys
from collections.abc import Callable

WARM_UP = 4
"""Looks that are not judged: caches and counters fill at first."""


class GrowthError(AssertionError):
    """Inputs leave something behind."""


class Growth:
    """Counts the interpreter's memory blocks now and then.

    After the warm-up each look may find one block for four inputs more than the least that
    was found, and a fixed `slack` for caches that a rare input fills. Raise GrowthError.
    """

    def __init__(
        self,
        every: int,
        slack: int = 4000,
        count: Callable[[], int] = sys.getallocatedblocks,
    ) -> None:
        self._every = every
        self._slack = slack
        self._count = count
        self._runs = 0
        self._looks = 0
        self._least = sys.maxsize

    def after_run(self) -> None:
        """Note that one more input was processed."""
        self._runs += 1
        if self._runs % self._every:
            return
        self._looks += 1
        if self._looks <= WARM_UP:
            return
        gc.collect()
        blocks = self._count()
        if blocks < self._least:
            self._least = blocks
            self._runs = 0
        elif blocks > self._least + self._slack + self._runs // 4:
            raise GrowthError(
                f"{blocks - self._least} blocks more than {self._runs} inputs ago"
            )
