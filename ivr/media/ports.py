"""RTP ports: even, one for each leg, the one above it left to RTCP (RFC 3550 §11)."""

from collections import deque


class NoPortLeft(Exception):  # noqa: N818 - it says what is the matter
    """Every port of the configured range is in use (answer 503)."""


class PortPool:
    """The even ports from `first` to `last`, given out in turn.

    A port that was closed comes back last, so that packets of an ended call do not meet
    the next one.
    """

    __slots__ = ("_free", "_range")

    def __init__(self, first: int, last: int) -> None:
        """Raise `ValueError` when no even port lies in the range."""
        self._range = range(first + first % 2, last + 1, 2)
        if not self._range or first < 1 or last > 0xFFFF:
            raise ValueError(f"no even port from {first} to {last}")
        self._free = deque(self._range)

    def __len__(self) -> int:
        """How many ports are free."""
        return len(self._free)

    def take(self) -> int:
        """Take the port that has been free longest. Raise `NoPortLeft`."""
        try:
            return self._free.popleft()
        except IndexError:
            first, last = self._range[0], self._range[-1]
            raise NoPortLeft(f"all RTP ports from {first} to {last} are in use") from None

    def give_back(self, port: int) -> None:
        """Make a taken port free again."""
        self._free.append(port)
