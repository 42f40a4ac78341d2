"""Ledgers with a past, told event by event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from ivr.ledger.append import append, take_turn
from ivr.ledger.database import Database
from ivr.ledger.details import Direction, EventDetail
from ivr.ledger.events import (
    Event,
    call_started,
    transaction_created,
    transaction_ended,
    transaction_identified,
)
from ivr.ledger.tables import debts, payment_attempts
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import AttemptState, EntryError, EventType, Result, Step

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def record(database: Database, *told: Event) -> None:
    """Append events as the writer does."""
    async with database.write() as connection:
        await take_turn(connection)
        await append(connection, "node-1", told)


async def owe(
    database: Database, debt_id: str, amount: int = 12_345, currency: str = "EUR"
) -> None:
    """Load a debt; its reference is the id in capitals."""
    async with database.write() as connection:
        await connection.execute(
            insert(debts).values(
                id=debt_id,
                reference=debt_id.upper(),
                amount=amount,
                currency=currency,
                created_at=NOON,
            )
        )


async def attempt(database: Database, attempt_id: str, **columns: Any) -> None:
    """Keep a payment attempt; it succeeded for 100.00 EUR unless told otherwise."""
    row = {
        "key": attempt_id,
        "call_id": None,
        "node": "node-1",
        "gateway": "sandbox",
        "amount": 10_000,
        "currency": "EUR",
        "state": "succeeded",
        "created_at": NOON,
        **columns,
    }
    async with database.write() as connection:
        await connection.execute(insert(payment_attempts).values(id=attempt_id, **row))


async def charge(
    database: Database,
    teller: "Teller",
    debt_id: str,
    amount: int,
    state: AttemptState = AttemptState.SUCCEEDED,
    currency: str = "EUR",
) -> None:
    """Make a payment attempt with a card ending in 4242, and end it, as an ivr node does."""
    writer = LedgerWriter(database, "node-1", teller.now)
    key = f"{teller.name}-{len(teller.keys)}"
    teller.keys.append(key)
    await writer.begin_attempt(
        transaction_id=teller.transaction,
        debt_id=debt_id,
        call_id=teller.call,
        key=key,
        gateway="sandbox",
        amount=amount,
        currency=currency,
    )
    await writer.finish_attempt(key, state=state, reference="pi_1", brand="visa", last4="4242")


def trunk(kind: EventType, name: str = "carrier") -> Event:
    """Tell of a trunk."""
    return Event(kind, NOON, detail=EventDetail(trunk=name))


@dataclass
class Teller:
    """Tells one call and its transaction; each event is a second after the one before."""

    name: str
    at: datetime = NOON
    told: list[Event] = field(default_factory=list)
    language: str = "fr"
    calling: bool = False
    keys: list[str] = field(default_factory=list)

    @property
    def call(self) -> str:
        return f"call-{self.name}"

    @property
    def transaction(self) -> str:
        return f"tx-{self.name}"

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def call_begins(self, caller: str = "+33140000001") -> "Teller":
        self.calling = True
        self.told.append(
            call_started(
                self.call,
                self.now(),
                direction=Direction.INBOUND,
                caller=caller,
                called="+33800000000",
                sip_call_id=f"{self.name}@phone",
            )
        )
        self.told.append(Event(EventType.CALL_ANSWERED, self.now(), self.call))
        return self

    def begins(self) -> "Teller":
        self.told.append(
            transaction_created(
                self.transaction,
                self.now(),
                call_id=self._call_id(),
                channel="inbound",
                journey="payment",
                language=self.language,
            )
        )
        return self

    def identified(self, debt_id: str, outstanding: int, currency: str = "EUR") -> "Teller":
        self.told.append(
            transaction_identified(
                self.transaction,
                self.now(),
                call_id=self._call_id(),
                debt_id=debt_id,
                outstanding=outstanding,
                currency=currency,
            )
        )
        return self

    def enters(self, step: Step) -> "Teller":
        return self.says(EventType.STEP_ENTERED, step)

    def errs(self, step: Step, error: EntryError, attempt: int = 1) -> "Teller":
        return self.says(EventType.ENTRY_ERROR, step, error=error, attempt=attempt)

    def pays(self, amount: int, currency: str = "EUR", **more: Any) -> "Teller":
        return self.says(
            EventType.PAYMENT_SUCCEEDED,
            Step.PROCESSING,
            amount=amount,
            currency=currency,
            **more,
        )

    def says(self, kind: EventType, step: Step | None = None, **detail: Any) -> "Teller":
        self.told.append(
            Event(
                kind,
                self.now(),
                self._call_id(),
                self.transaction,
                step,
                EventDetail(**detail),
            )
        )
        return self

    def ends(self, result: Result, step: Step = Step.COMPLETED) -> "Teller":
        self.told.append(
            transaction_ended(
                self.transaction,
                self.now(),
                call_id=self._call_id(),
                step=step,
                result=result,
            )
        )
        return self

    def hangs_up(self) -> "Teller":
        self.told.append(
            Event(
                EventType.CALL_ENDED,
                self.now(),
                self.call,
                detail=EventDetail(reason="caller-hung-up"),
            )
        )
        return self

    def _call_id(self) -> str | None:
        return self.call if self.calling else None

    def take(self) -> Sequence[Event]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return told
