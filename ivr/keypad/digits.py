"""The home of keyed digits until a card, or a plain value, takes them."""

from statistics import median
from typing import NoReturn


class SealedError(TypeError):
    """Something tried to copy, pickle or compare sealed digits."""


class Digits:
    """Keys 0-9 in the order they were pressed, never shown by repr, str or format.

    Python keeps copies out of our reach (a key's one-character string is shared by the
    interpreter); what this class holds is zeroed by `clear`.
    """

    __slots__ = ("_buffer", "_gaps")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._gaps: list[float] = []

    def append(self, digit: str, gap: float) -> None:
        """Add one digit, keyed `gap` seconds after the key before it was let go."""
        self._buffer += digit.encode("ascii")
        self._gaps.append(gap)

    def erase(self, count: int) -> None:
        """Zero and drop the last `count` digits."""
        for _ in range(min(count, len(self._buffer))):
            self._buffer[-1] = 0
            self._buffer.pop()
            self._gaps.pop()

    def clear(self) -> None:
        """Zero and drop all digits."""
        self.erase(len(self._buffer))

    def take(self) -> bytearray:
        """Give the digits away; the taker zeroes them. This object is empty afterwards."""
        taken, self._buffer = self._buffer, bytearray()
        self._gaps.clear()
        return taken

    def peek(self) -> bytes:
        """Return a copy for a check that ends before the caller does."""
        return bytes(self._buffer)

    def doubled(self, closer_than: float) -> list[int]:
        """Return the indexes of digits that repeat the one before within that many seconds."""
        return [
            i
            for i in range(1, len(self._buffer))
            if self._buffer[i] == self._buffer[i - 1] and self._gaps[i] < closer_than
        ]

    def usual_gap(self) -> float:
        """Return the median pause between two keys, in seconds; 0.0 below two digits."""
        return median(self._gaps[1:]) if len(self._gaps) > 1 else 0.0

    def __len__(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"<{len(self._buffer)} digits>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise SealedError("digits are not copied or pickled")

    def __eq__(self, _other: object) -> NoReturn:
        raise SealedError("digits are not compared")

    __hash__ = None  # type: ignore[assignment] # as Python does where __eq__ stands alone
