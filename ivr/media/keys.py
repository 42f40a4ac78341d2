"""A key that was pressed.

A key may be a digit of a card: it has no `repr`, is never logged and cannot be pickled.
"""

from typing import NoReturn


class KeyPress:
    """One press of one key: `0` to `9`, `*`, `#`, `A` to `D`.

    `at` is the clock's time in seconds when its first packet came. `gap` is the pause in
    seconds since the key before it was let go, by the sender's own timestamps where they
    tell; infinite for the first key. `held` is for how many seconds the key is known to
    have been down: it grows while packets of the press arrive.
    """

    __slots__ = ("at", "gap", "held", "key")

    def __init__(self, key: str, at: float, gap: float, held: float = 0.0) -> None:
        self.key = key
        self.at = at
        self.gap = gap
        self.held = held

    def __repr__(self) -> str:
        return "<KeyPress>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key press is never copied nor stored")
