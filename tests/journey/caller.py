"""A caller in the payment journey, who presses keys on a moved clock."""

from datetime import date
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ivr.journey.charging import Charge, ChargeEnd
from ivr.journey.conversation import Conversation
from ivr.journey.line import SuspendedError
from ivr.journey.payment import PaymentJourney
from ivr.journey.questions import questions
from ivr.journey.voice import Voice
from ivr.ledger.database import LedgerUnavailableError
from ivr.ledger.debts import Debt
from ivr.ledger.details import EventDetail
from ivr.settings import Settings
from ivr.vocabulary import EntryError, EventType, Result, Step
from payment_gateway.card import Card
from payment_gateway.results import Money
from tests.fakes.line import FakeLine
from tests.fakes.speech import FakeLibrary

TODAY = date(2026, 11, 21)
VISA, EXPIRY, CODE, REFERENCE = "4242424242424242", "1230", "123", "20261234"
DEBT = Debt(
    id="debt",
    reference=REFERENCE,
    debtor="",
    creditor="",
    letter_date=None,
    amount=12345,
    currency="EUR",
    language="fr",
    outstanding=12345,
    has_open_attempt=False,
)


class FakeCashier:
    """Ends charges as told; keeps of each card only whether it was whole."""

    def __init__(self) -> None:
        self.ends: list[Charge] = []
        self.charged: list[tuple[str, Money, tuple[str, int, int, str]]] = []
        self.waiting: Deferred[Charge] | None = None

    def charge(self, debt_id: str, money: Money, card: Card) -> Deferred[Charge]:
        with card:
            seen = (
                card.number_text(),
                card.expiry_month,
                card.expiry_year,
                card.security_code_text(),
            )
        self.charged.append((debt_id, money, seen))
        if self.waiting is not None:
            return self.waiting
        return succeed(self.ends.pop(0) if self.ends else Charge(ChargeEnd.SUCCEEDED))


class FakeDebts:
    """One debt; or a ledger that cannot be read."""

    def __init__(self, debt: Debt = DEBT) -> None:
        self.debt = debt
        self.broken = False
        self.gate: Deferred[Debt | None] | None = None

    def find(self, reference: str) -> Deferred[Debt | None]:
        if self.broken:
            raise LedgerUnavailableError("no disk")
        if self.gate is not None:
            return self.gate
        return succeed(self.debt if reference == self.debt.reference else None)


class Caller:
    """A caller in a journey."""

    def __init__(self, debt: Debt = DEBT, **more: Any) -> None:
        self.clock = Clock()
        self.line = FakeLine(self.clock)
        self.library = FakeLibrary()
        self.cashier = FakeCashier()
        self.debts = FakeDebts(debt)
        self.events: list[tuple[EventType, Step, EventDetail]] = []
        self.result: Result | None = None
        asked = questions(Settings(), lambda: TODAY)
        self.conversation = Conversation(
            self.clock, self.line, Voice(self.library, "fr"), self.record, asked.attempts
        )
        self.journey = PaymentJourney(
            self.conversation, asked, self.debts, self.cashier, self.record, **more
        )
        self.suspended: list[SuspendedError] = []
        self.run()

    def run(self) -> None:
        ensureDeferred(self.journey.run()).addCallbacks(self._end, self._stopped)

    def record(self, event: EventType, step: Step, detail: EventDetail | None = None) -> None:
        self.events.append((event, step, detail or EventDetail()))

    def _end(self, result: Result) -> None:
        self.result = result

    def _stopped(self, failure: Failure) -> None:
        assert isinstance(failure.value, SuspendedError)
        self.suspended.append(failure.value)

    def press(self, keys: str, gap: float = 0.2) -> "Caller":
        for key in keys:
            self.clock.advance(gap)
            self.line.on_key(key, gap)
        return self

    def listen(self) -> "Caller":
        """Hear what is being said to its end."""
        while self.line.speaking():
            self.clock.advance(0.5)
        return self

    def wait(self, seconds: float) -> "Caller":
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
        return self

    def to_confirmation(self) -> "Caller":
        return self.press(REFERENCE).press("1").press("#").press(VISA).press(EXPIRY).press(CODE)

    @property
    def steps(self) -> list[Step]:
        return [step for event, step, _ in self.events if event is EventType.STEP_ENTERED]

    def at(self) -> Step:
        return self.steps[-1]

    @property
    def said(self) -> list[str]:
        return [
            d.prompt for e, _, d in self.events if e is EventType.PROMPT_PLAYED and d.prompt
        ]

    @property
    def errors(self) -> list[tuple[Step, EntryError]]:
        return [
            (step, d.error)
            for e, step, d in self.events
            if e is EventType.ENTRY_ERROR and d.error
        ]
