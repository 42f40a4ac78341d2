"""How fast this caller keys, so that a slow one is not cut off."""

_LENGTHEN = 2.5
_AT_MOST = 3.0


class Rhythm:
    """The longest pause the caller made inside a field so far (seconds)."""

    __slots__ = ("_longest",)

    def __init__(self) -> None:
        self._longest = 0.0

    def heard(self, gap: float) -> None:
        """Note a pause between two digits of one field."""
        self._longest = max(self._longest, gap)

    def pause(self, standard: float) -> float:
        """Return the silence that ends a field: `standard`, longer for a slow caller."""
        return min(max(standard, self._longest * _LENGTHEN), standard * _AT_MOST)
