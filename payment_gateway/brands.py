"""Which brand a card number belongs to, while it is being keyed.

Ranges are those the networks publish: Visa 4; Mastercard 51-55 and 2221-2720
(Mastercard Rules); Maestro 50, 56-58 and the rest of 6; American Express 34
and 37; JCB 3528-3589; Diners 300-305, 3095, 36, 38-39; Discover 6011, 644-649,
65; UnionPay 62 and 8100-8171. `cartes-bancaires` are the French cards that
carry no international brand; a co-badged card begins like the Visa or Mastercard
that it also is, and only the gateway can tell that it is co-badged.
"""

from dataclasses import dataclass

from stdnum import luhn

_WIDTH = 6


@dataclass(frozen=True, slots=True)
class Brand:
    """A card brand, and the shape of its numbers."""

    name: str
    lengths: tuple[int, ...]
    """Allowed lengths of the number, ascending."""
    security_code_length: int = 3
    usual_length: int | None = 16
    """A valid number this long needs no `#`. `None`: lengths vary, wait for the caller."""


VISA = Brand("visa", (16, 19))
MASTERCARD = Brand("mastercard", (16,))
CARTES_BANCAIRES = Brand("cartes-bancaires", (16, 17, 18, 19))
AMEX = Brand("amex", (15,), security_code_length=4, usual_length=15)
DINERS = Brand("diners", (14, 16, 19), usual_length=14)
DISCOVER = Brand("discover", (16, 19))
JCB = Brand("jcb", (16, 17, 18, 19))
UNIONPAY = Brand("unionpay", (16, 17, 18, 19), usual_length=None)
MAESTRO = Brand("maestro", tuple(range(12, 20)), usual_length=None)

# The first match wins: the narrow ranges stand before the wide ones they lie in.
_RANGES: tuple[tuple[Brand, str], ...] = (
    (CARTES_BANCAIRES, "507589-507590 507593-507594 507597 560408 561202-561206 561241"),
    (CARTES_BANCAIRES, "561243-561244 561250 561254 561256-561258 581700-581707 581715"),
    (CARTES_BANCAIRES, "581722 581724 581733 581736-581751 581756 581762 581766 581769"),
    (CARTES_BANCAIRES, "581773 581777-581787 581790-581791 581797 585502-585505"),
    (CARTES_BANCAIRES, "585577-585582"),
    (VISA, "4"),
    (MASTERCARD, "51-55 2221-2720"),
    (AMEX, "34 37"),
    (DINERS, "300-305 3095 36 38-39"),
    (JCB, "3528-3589"),
    (DISCOVER, "6011 644-649 65"),
    (UNIONPAY, "62 8100-8171"),
    (MAESTRO, "50 56-58 6"),
)


def _spread(brand: Brand, ranges: str) -> list[tuple[int, int, Brand]]:
    spread = []
    for part in ranges.split():
        low, _, high = part.partition("-")
        spread.append(
            (int(low.ljust(_WIDTH, "0")), int((high or low).ljust(_WIDTH, "9")), brand)
        )
    return spread


_TABLE = [row for brand, ranges in _RANGES for row in _spread(brand, ranges)]
_EDGES = sorted({edge for low, high, _ in _TABLE for edge in (low, high + 1)})

BRANDS: tuple[Brand, ...] = tuple(dict.fromkeys(brand for brand, _ in _RANGES))


def candidates(prefix: bytes | bytearray | str) -> frozenset[Brand]:
    """Return the brands a number that begins with these digits can still have.

    Empty when it can have none: the caller has keyed something else than a card
    number, or a brand that is not known here. Raise `ValueError` for anything but digits.
    """
    head = prefix if isinstance(prefix, str) else prefix.decode("ascii", "replace")
    if not (head == "" or (head.isascii() and head.isdigit())):
        raise ValueError("the beginning of a card number is digits")
    low = int(head[:_WIDTH].ljust(_WIDTH, "0"))
    high = int(head[:_WIDTH].ljust(_WIDTH, "9"))
    # Between two edges of the table the brand is the same, so one point of each is enough.
    points = [low, *(edge for edge in _EDGES if low < edge <= high)]
    return frozenset(brand for point in points if (brand := _brand_at(point)) is not None)


def identify(prefix: bytes | bytearray | str) -> Brand | None:
    """Return the brand as soon as only one is possible, else `None`.

    Works on a growing prefix: `b"4"` is Visa, `b"60"` is not known yet.
    """
    possible = candidates(prefix)
    return next(iter(possible)) if len(possible) == 1 else None


def luhn_valid(number: bytes | bytearray) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1 annex B). `False` for a non-digit."""
    return bool(luhn.is_valid(number.decode("ascii", "replace")))


def _brand_at(point: int) -> Brand | None:
    return next((brand for low, high, brand in _TABLE if low <= point <= high), None)
