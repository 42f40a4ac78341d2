"""The memory of the remote gateway that the sandbox plays: a small SQLite file.

It outlives the process, SIGKILL included (a write-ahead log is in the kernel's
hands once a transaction is committed; only a power cut can lose it, which a
sandbox may). Of a card it keeps the brand and the last four digits.
"""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from payment_gateway.interface import (
    GatewayConfigurationError,
    KeyReusedError,
    RequestRefusedError,
)
from payment_gateway.results import (
    Advice,
    CardSummary,
    DeclineCode,
    Money,
    Outcome,
    Result,
)

_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, result TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS payments (
    reference TEXT PRIMARY KEY, key TEXT NOT NULL, currency TEXT NOT NULL,
    authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL DEFAULT 0,
    voided INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS stored_cards (
    token TEXT PRIMARY KEY, brand TEXT NOT NULL, last4 TEXT NOT NULL, refusal TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a key was used for; the same key must ask for the same again."""

    verb: str
    amount: int = 0
    currency: str = ""
    about: str = ""
    """The payment or stored card it is about."""
    brand: str = ""
    last4: str = ""


@dataclass(frozen=True, slots=True)
class StoredCard:
    """A card the sandbox keeps, without its number."""

    brand: str
    last4: str
    refusal: str | None


class SandboxBook:
    """Answers by idempotency key, and the money that moved.

    Raise `GatewayConfigurationError` when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise GatewayConfigurationError(
                f"gateway.sandbox.book cannot be opened as a SQLite file: {error}"
            ) from None

    def answer(
        self, key: str, asked: Asked, decide: Callable[[], Result]
    ) -> tuple[Result, bool]:
        """Return the key's answer and whether it is new.

        `decide` is called, inside one transaction, only for a key never seen.
        Raise `KeyReusedError`, and whatever `decide` raises: nothing is kept then.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT asked, result FROM answers WHERE key = ?", (key,)
            ).fetchone()
            words = json.dumps(asdict(asked))
            if row is not None:
                if row[0] != words:
                    raise KeyReusedError(
                        "sandbox: this key has asked for something else before"
                    )
                return read_result(row[1]), False
            result = decide()
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?)", (key, words, write_result(result))
            )
            return result, True

    def find(self, key: str) -> Result | None:
        """Return the answer of a key, if it was ever used."""
        row = self._db.execute("SELECT result FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else read_result(row[0])

    def open_payment(self, key: str, money: Money, *, captured: bool) -> str:
        """Note an approved payment and return its reference. Call it from `decide`."""
        reference = f"sbx_{_unique()}"
        self._db.execute(
            "INSERT INTO payments (reference, key, currency, authorized, captured) "
            "VALUES (?, ?, ?, ?, ?)",
            (reference, key, money.currency, money.amount, money.amount if captured else 0),
        )
        return reference

    def capture(self, reference: str, money: Money) -> None:
        """Take an authorised amount. Raise `RequestRefusedError`."""
        self._change(
            "UPDATE payments SET captured = :amount WHERE reference = :reference AND "
            "captured = 0 AND voided = 0 AND currency = :currency AND authorized >= :amount",
            reference,
            money,
        )

    def void(self, reference: str) -> None:
        """Give an authorised amount back. Raise `RequestRefusedError`."""
        self._change(
            "UPDATE payments SET voided = 1 WHERE reference = :reference AND captured = 0 "
            "AND voided = 0",
            reference,
            None,
        )

    def refund(self, reference: str, money: Money) -> None:
        """Pay back no more than was taken. Raise `RequestRefusedError`."""
        self._change(
            "UPDATE payments SET refunded = refunded + :amount WHERE reference = :reference "
            "AND currency = :currency AND captured - refunded >= :amount",
            reference,
            money,
        )

    def charges(self) -> tuple[tuple[str, Money], ...]:
        """Return key and amount of every payment whose money was taken, oldest first."""
        rows = self._db.execute(
            "SELECT key, captured, currency FROM payments WHERE captured > 0 ORDER BY rowid"
        )
        return tuple((key, Money(amount, currency)) for key, amount, currency in rows)

    def keep_card(self, card: StoredCard) -> str:
        """Keep a card and return its token. Call it from `decide`."""
        token = f"sbx_card_{_unique()}"
        self._db.execute(
            "INSERT INTO stored_cards VALUES (?, ?, ?, ?)",
            (token, card.brand, card.last4, card.refusal),
        )
        return token

    def stored_card(self, token: str) -> StoredCard:
        """Return a kept card. Raise `RequestRefusedError`."""
        row = self._db.execute(
            "SELECT brand, last4, refusal FROM stored_cards WHERE token = ?", (token,)
        ).fetchone()
        if row is None:
            raise RequestRefusedError("sandbox: no such stored card")
        return StoredCard(*row)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _change(self, statement: str, reference: str, money: Money | None) -> None:
        values = {
            "reference": reference,
            "amount": money.amount if money else 0,
            "currency": money.currency if money else "",
        }
        if self._db.execute(statement, values).rowcount != 1:
            raise RequestRefusedError(
                "sandbox: no such payment, or its state and amount do not allow that"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _unique() -> str:
    """Return 32 letters: digits among them could look like a card number."""
    return uuid.uuid4().hex.translate(_LETTERS)


def write_result(result: Result) -> str:
    """Return a result as JSON."""
    return json.dumps(asdict(result))


def read_result(text: str) -> Result:
    """Return the result that `write_result` wrote."""
    values = json.loads(text)
    amount, card, code, advice = (values[name] for name in ("amount", "card", "code", "advice"))
    return Result(
        outcome=Outcome(values["outcome"]),
        reference=values["reference"],
        amount=Money(**amount) if amount else None,
        code=DeclineCode(code) if code else None,
        advice=Advice(advice) if advice else None,
        card=CardSummary(**{**card, "networks": tuple(card["networks"])}) if card else None,
        stored=values["stored"],
        raw=values["raw"],
    )
