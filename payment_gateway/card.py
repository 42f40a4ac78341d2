"""The only object that ever holds card details, and forgets them on request.

What `clear()` reaches is the three buffers the card took over. What it cannot
reach: the short-lived `str` that a library needs to send a number (CPython
frees it, and does not overwrite it), the TLS library's buffers, pages the kernel swapped
out. The process therefore also runs without core dumps, and a card lives no
longer than the attempt it was keyed for.
"""

from types import TracebackType
from typing import NoReturn, Self

NUMBER_LENGTHS = range(12, 20)
CODE_LENGTHS = range(3, 5)
_PIVOT = 50
"""EMV Book 4: years 00 to 49 are 20YY, years 50 to 99 are 19YY."""
_MASK = "Card(****)"


class CardClearedError(Exception):
    """The card was asked for after it had been wiped."""


class Card:
    """A card's number, expiry date and security code, for one attempt.

    Takes over the three buffers (ASCII digits; `expiry` is `b"MMYY"`): who made
    them keeps no reference. Use it as a context manager, or call `clear()`.
    It cannot be printed, compared, hashed, copied or pickled.

    Raise `TypeError` when a buffer is not a `bytearray` and `ValueError` when one
    has the wrong form; the buffers are wiped in both cases, and the message
    carries no digit.
    """

    __slots__ = ("_cleared", "_expiry", "_number", "_security_code")

    def __init__(self, number: bytearray, expiry: bytearray, security_code: bytearray) -> None:
        self._number = number
        self._expiry = expiry
        self._security_code = security_code
        self._cleared = False
        if not all(isinstance(kept, bytearray) for kept in self._buffers()):
            self.clear()
            # What cannot be wiped must at least not stay in this frame.
            del number, expiry, security_code
            self._number = self._expiry = self._security_code = bytearray()
            raise TypeError("a card is made of three bytearrays, which it can wipe")
        fault = self._fault()
        if fault:
            self.clear()
            raise ValueError(fault)

    @property
    def cleared(self) -> bool:
        """Whether the card has been wiped."""
        return self._cleared

    @property
    def expiry_month(self) -> int:
        """1 to 12. Raise `CardClearedError`."""
        self._check_kept()
        return int(self._expiry[:2])

    @property
    def expiry_year(self) -> int:
        """Four digits, by EMV's pivot: 49 is 2049, 50 is 1950. Raise `CardClearedError`."""
        self._check_kept()
        year = int(self._expiry[2:])
        return year + (2000 if year < _PIVOT else 1900)

    def number_text(self) -> str:
        """Return the number, for a request that is built at once. Raise `CardClearedError`.

        The caller keeps the text in no variable that outlives the request.
        """
        self._check_kept()
        return self._number.decode("ascii")

    def security_code_text(self) -> str:
        """Return the security code, under the rules of `number_text`."""
        self._check_kept()
        return self._security_code.decode("ascii")

    def clear(self) -> None:
        """Overwrite every digit with zero bytes, in place. Safe to call twice."""
        self._cleared = True
        for kept in self._buffers():
            if isinstance(kept, bytearray):
                kept[:] = bytes(len(kept))

    def _buffers(self) -> tuple[bytearray, bytearray, bytearray]:
        return self._number, self._expiry, self._security_code

    def _fault(self) -> str | None:
        if not all(_only_digits(kept) for kept in self._buffers()):
            return "card details are ASCII digits"
        if len(self._number) not in NUMBER_LENGTHS:
            return "a card number has 12 to 19 digits"
        if len(self._expiry) != 4:
            return "an expiry date has four digits, MMYY"
        if not 1 <= int(self._expiry[:2]) <= 12:
            return "the month of an expiry date is 01 to 12"
        if len(self._security_code) not in CODE_LENGTHS:
            return "a security code has three or four digits"
        return None

    def _check_kept(self) -> None:
        if self._cleared:
            raise CardClearedError("this card has been wiped")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def __repr__(self) -> str:
        return _MASK

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]  # a hash would be made of the digits

    def __reduce__(self) -> NoReturn:
        raise TypeError("a card is not copied or pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a card is not copied or pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a card is not copied or pickled")


def _only_digits(kept: bytearray) -> bool:
    return all(0x30 <= byte <= 0x39 for byte in kept)
