"""Debts from a CSV file: all of them, or a message that names the line.

The first line names the columns: `reference`, `amount` and, in any order, `currency`,
`debtor`, `creditor`, `letter_date`, `language`. Commas or semicolons separate them.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.debts import NewDebt

_NEEDED: Final = ("reference", "amount")
_COLUMNS: Final = (*_NEEDED, "currency", "debtor", "creditor", "letter_date", "language")
_AMOUNT: Final = re.compile(r"([0-9]{1,9})[.,]([0-9]{2})")
_TWO_DECIMALS: Final = frozenset(
    {"AUD", "BGN", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "MAD", "NOK", "PLN", "RON",
     "SEK", "USD"}
)  # fmt: skip


class DebtsFileError(Exception):
    """The file cannot be loaded; the message names the line and what is wrong with it."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}, line {line}: {why}; nothing was loaded")
        self.line = line


def read_debts(path: Path, currency: str = "EUR") -> list[NewDebt]:
    """Return the debts in a UTF-8 file. `currency` is that of a file without the column.

    Amounts have exactly two decimals (`120.50` or `120,50`), so that cents are never read
    as euros. Raise `DebtsFileError`, and `OSError` when the file cannot be read.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DebtsFileError(path, line, "not UTF-8 text") from None
    if not text.endswith(("\n", "\r")):
        last = text.count("\n") + 1
        raise DebtsFileError(path, last, "the last line does not end: the file may be cut off")
    debts: list[NewDebt] = []
    lines: dict[str, int] = {}
    for line, row in _rows(path, text):
        try:
            debt = _debt(row, currency)
        except ValueError as error:
            raise DebtsFileError(path, line, str(error)) from None
        if debt.reference in lines:
            raise DebtsFileError(
                path, line, f"the reference is on line {lines[debt.reference]} already"
            )
        lines[debt.reference] = line
        debts.append(debt)
    return debts


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row with the number of its last line."""
    header, _, _ = text.partition("\n")
    delimiter = ";" if ";" in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for row in reader:
            if not names:
                names = _header(path, row)
            elif row:
                if len(row) != len(names):
                    raise DebtsFileError(
                        path, reader.line_num, f"{len(row)} fields instead of {len(names)}"
                    )
                yield (
                    reader.line_num,
                    {name: field.strip() for name, field in zip(names, row, strict=True)},
                )
    except csv.Error as error:
        raise DebtsFileError(path, reader.line_num, str(error)) from None


def _header(path: Path, row: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in row]
    for name in _NEEDED:
        if name not in names:
            raise DebtsFileError(path, 1, f"the column {name} is missing")
    for name in names:
        if name not in _COLUMNS:
            raise DebtsFileError(path, 1, f"the column {name!r} is not one of {_COLUMNS}")
    if len(set(names)) != len(names):
        raise DebtsFileError(path, 1, "a column occurs twice")
    return names


def _debt(row: dict[str, str], currency: str) -> NewDebt:
    amount = _AMOUNT.fullmatch(row["amount"])
    if amount is None:
        raise ValueError("amount needs two decimals and no other sign, as 120.50")
    currency = row.get("currency") or currency
    if currency not in _TWO_DECIMALS:
        raise ValueError("currency is not one with two decimals that is known here")
    if any(map(holds_card_number, row.values())):
        raise ValueError("what looks like a card number is in it")
    written = row.get("letter_date") or None
    try:
        letter_date = date.fromisoformat(written) if written else None
    except ValueError:
        raise ValueError("letter_date is a date as 2026-11-30") from None
    return NewDebt(
        reference=row["reference"],
        amount=int(amount[1] + amount[2]),
        currency=currency,
        debtor=row.get("debtor", ""),
        creditor=row.get("creditor", ""),
        letter_date=letter_date,
        language=row.get("language") or None,
    )
