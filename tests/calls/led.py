"""A debtor and an agent who talk, and a card that is keyed and charged meanwhile."""

from typing import Any

from twisted.internet.defer import Deferred, succeed

from ivr.calls.course import Course
from ivr.journey.agreed import Debts
from ivr.journey.charging import Charge, ChargeEnd
from ivr.media.bridge import Bridge
from ivr.media.leak_test import Leak, Proof
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Step
from tests.calls.desk import DEBT, EXPIRY, SECURITY, VISA, Desk
from tests.journey.caller import FakeCashier, FakeDebts

DECLINED = Charge(ChargeEnd.DECLINED)
PAID = Charge(ChargeEnd.SUCCEEDED)
PROVED = Proof(proved=True)
LEAKS = Proof(proved=False, reason=Leak.TONE)
CHANGED = Proof(proved=False, reason=Leak.CHANGED)


class Led(Desk):
    """A desk with a cashier, a debt, and leak tests that end as told (`proofs`), or wait."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.cashier = FakeCashier()
        self.ledger = FakeDebts(DEBT)
        self.proofs: list[Proof | Deferred[Proof]] = []
        self.tests = 0
        super().__init__(*given, **more)

    def debts(self) -> Debts:
        return self.ledger

    def cash_desk(self) -> object:
        return self

    def for_call(self, call_id: str, transaction_id: str) -> FakeCashier:
        return self.cashier

    def prove(self, bridge: Bridge, *_legs: object) -> Deferred[Proof]:
        """Stand in for the leak test, which has tests of its own."""
        assert bridge.shielded
        self.tests += 1
        proof = self.proofs.pop(0) if self.proofs else PROVED
        return proof if isinstance(proof, Deferred) else succeed(proof)

    def talk(self) -> None:
        """Bring the agent into a prepared call."""
        self.transfer_in()
        self.take_back()
        self.agent_answers()

    def asked(self, kind: CommandType, **data: Any) -> list[CommandOutcome]:
        """Ask for something; what comes of it is in the list, once it is known."""
        outcomes: list[CommandOutcome] = []
        done: Any = self.command(kind, **data)
        if isinstance(done, Deferred):
            done.addCallback(outcomes.append)
        else:
            outcomes.append(done)
        self.look()
        return outcomes

    def start(self, **data: Any) -> list[CommandOutcome]:
        return self.asked(CommandType.START_CAPTURE, **data)

    def complete(self) -> CommandOutcome:
        return self.command(CommandType.COMPLETE)

    def ask(self, step: Step) -> CommandOutcome:
        return self.command(CommandType.CAPTURE, field=step.value)

    def cancel(self) -> CommandOutcome:
        return self.command(CommandType.CANCEL)

    def key_card(self, number: str = VISA) -> None:
        self.press(number + EXPIRY + SECURITY)

    def hold_charge(self) -> Deferred[Charge]:
        """Let the gateway take its time; fire what is returned with its answer."""
        self.cashier.waiting = waiting = Deferred[Charge]()
        return waiting

    @property
    def course(self) -> Course:
        [live] = self.switchboard._live
        assert live._course is not None
        return live._course

    @property
    def talking(self) -> bool:
        return self.course.desk.talking

    @property
    def capture_events(self) -> list[str]:
        kinds = ("shield.", "capture.")
        return [
            f"{e.type}:{e.detail.reason}" if e.detail.reason else str(e.type)
            for e in self.events
            if e.type.startswith(kinds)
        ]

    @property
    def wiped(self) -> bool:
        return self.course.journey.card.missing is Step.CARD_NUMBER

    def entered_last(self) -> Step | None:
        return [e.step for e in self.events if e.type is EventType.STEP_ENTERED][-1]

    def command_fails(self) -> list[str]:
        """Start to capture; return the errors that it ends with."""
        errors: list[str] = []
        done: Any = self.command(CommandType.START_CAPTURE, reference="20261234")
        done.addErrback(lambda failure: errors.append(type(failure.value).__name__))
        return errors
