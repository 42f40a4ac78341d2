"""The journey of a debtor who calls: who, how much, which card, paid.

Each step is a method that says, asks, and names the step after it:

    welcome ─ reference ─ amount ─ ready ─ card number ─ expiry ─ security code ─ confirm
        ─ processing ─ completed
                     └ failed ─ (another card) ─ card number

An agent may have prepared the payment: then `amount` follows `welcome`. A journey that is
suspended goes on at the step where it was; valid card fields stay sealed till then.
"""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from ivr.journey.agreed import Debts, Prepared
from ivr.journey.card_entry import CardEntry
from ivr.journey.charging import STANDING, Cashier, Charge, ChargeEnd
from ivr.journey.conversation import AGENT, Conversation, TooManyFailedAttemptsError
from ivr.journey.line import (
    AgentWantedError,
    CallerHungUpError,
    Recorder,
    SuspendedError,
)
from ivr.journey.questions import Questions
from ivr.journey.sealed_card import Left, SealedCard
from ivr.journey.voice import Spoken
from ivr.keypad.digits import Digits
from ivr.keypad.field import Menu
from ivr.ledger.database import LedgerUnavailableError
from ivr.ledger.debts import Debt
from ivr.ledger.details import EventDetail
from ivr.vocabulary import EntryError, EventType, Result, Step
from payment_gateway.results import Advice, Money

_STILL_WAITING_EVERY = 3.0  # seconds of silence; with the words before it, never over four


class PaymentJourney:
    """One debtor's way to having paid. `run` returns how it ended.

    One that was `left` goes on there. `agents` says whether a key leads to one;
    `agent_follows`, whether one takes the call when all is said.
    """

    def __init__(
        self,
        conversation: Conversation,
        questions: Questions,
        debts: Debts,
        cashier: Cashier,
        record: Recorder,
        *,
        prepared: Prepared | None = None,
        left: Left | None = None,
        agents: bool = False,
        agent_follows: bool = False,
    ) -> None:
        self._conversation = conversation
        self._voice = conversation.voice
        self._questions = questions
        self._debts = debts
        self._cashier = cashier
        self._record = record
        step, card = left or Left(Step.WELCOME, SealedCard())
        self._card = CardEntry(conversation, questions, card)
        self._prepared = prepared
        self._agents = agents
        self._agent_follows = agent_follows
        self._debt = None if prepared is None else prepared.debt
        self._charging: Deferred[Charge] | None = None
        self._charge: Charge | None = None
        self._standing = Result.CALLER_HUNG_UP
        self._step = step
        self._steps: dict[Step, Callable[[], Awaitable[Step | Result]]] = {
            Step.WELCOME: self._welcome,
            Step.REFERENCE: self._reference,
            Step.AMOUNT: self._amount,
            Step.READY: self._ready,
            Step.CARD_NUMBER: self._card_number,
            Step.EXPIRATION_DATE: self._expiration_date,
            Step.SECURITY_CODE: self._security_code,
            Step.CONFIRM: self._confirm,
            Step.PROCESSING: self._processing,
            Step.COMPLETED: self._completed,
            Step.FAILED: self._failed,
            Step.CANCELLED: self._cancelled,
        }

    @property
    def standing(self) -> Result:
        """How it has ended for a debtor who hangs up now."""
        return self._standing

    @property
    def step(self) -> Step:
        """The step it is at, or goes on at."""
        return self._step

    @property
    def agreed(self) -> Prepared | None:
        """Whose debt it is about, and what is to be paid of it; None until that is known."""
        return None if self._debt is None else Prepared(self._debt, self._money)

    @property
    def card(self) -> SealedCard:
        """The card as far as it has been keyed."""
        return self._card.card

    @property
    def charging(self) -> bool:
        """Whether the gateway is being asked."""
        return self._charging is not None

    def agree(self, agreed: Prepared) -> None:
        """Take what an agent and the debtor have agreed on: no reference is asked for."""
        self._prepared, self._debt = agreed, agreed.debt

    def leave(self) -> Left:
        """Give away where it is and what was keyed: another call goes on with it."""
        card, self._card.card = self._card.card, SealedCard()
        if self._step is Step.FAILED:
            return Left(Step.CARD_NUMBER, card)
        return Left(self._step if self._step in _AGREED else Step.WELCOME, card)

    def skip_to_card(self) -> None:
        """Go on at the first card field that is missing: an agent has led the debtor there."""
        self._step = self._card.card.missing or Step.CONFIRM

    def charge(self) -> Deferred[Charge]:
        """Charge the complete card, once. Whoever runs the journey meanwhile waits for it."""
        assert self._debt is not None  # noqa: S101 - no step before `reference` leads here
        self._step = Step.PROCESSING
        card = self._card.card.take()
        self._charging = self._cashier.charge(self._debt.id, self._money, card)
        return self._charging.addCallback(self._charged)

    async def run(self) -> Result:
        """Walk the steps until one ends the journey, the debtor hangs up, or gives up.

        Raise `SuspendedError` when the conversation was suspended, `AgentWantedError` when the
        debtor wants to speak to somebody: run it again to go on, `wipe` it otherwise.
        """
        self._standing = STANDING[self._charge.end] if self._charge else Result.CALLER_HUNG_UP
        if self._step in _AFTER_NUMBER and Step.CARD_NUMBER not in self._card.card:
            self._step = Step.CARD_NUMBER
        try:
            result = await self._walk()
        except CallerHungUpError:
            result = self._standing
        except SuspendedError:
            raise
        except BaseException:
            self.wipe()
            raise
        self.wipe()
        return result

    def wipe(self) -> None:
        """Zero what was keyed of the card: it is asked for again."""
        self._card.card.wipe()

    async def _walk(self) -> Result:
        step: Step | Result = self._step
        while isinstance(step, Step):
            self._step = step
            self._record(EventType.STEP_ENTERED, step)
            try:
                step = await self._steps[step]()
            except TooManyFailedAttemptsError:
                step = await self._end(
                    Result.TOO_MANY_FAILED_ATTEMPTS, Step.FAILED, "too-many-attempts"
                )
            except LedgerUnavailableError:
                step = await self._end(Result.INTERNAL_ERROR, Step.FAILED, "ledger-unavailable")
        return step

    async def _welcome(self) -> Step | Result:
        prepared = self._prepared
        if prepared is None:
            greeting = self._voice.prompt(Step.WELCOME, "greeting")
        elif prepared.again:
            greeting = self._voice.prompt(Step.AGENT, "resumed")
        else:
            greeting = self._voice.prompt(Step.WELCOME, "handed-over")
        await self._conversation.say(Step.WELCOME, greeting, interruptible=True)
        return Step.REFERENCE if prepared is None else await self._owed(prepared.debt)

    async def _reference(self) -> Step | Result:
        self._debt = debt = await self._conversation.enter(
            self._questions.reference,
            self._voice.prompt(Step.REFERENCE, "ask"),
            accept=self._look_up,
        )
        self._record(
            EventType.TRANSACTION_IDENTIFIED,
            Step.REFERENCE,
            EventDetail(debt_id=debt.id, amount=debt.outstanding, currency=debt.currency),
        )
        return await self._owed(debt)

    async def _owed(self, debt: Debt) -> Step | Result:
        if not self._money.amount:
            return await self._end(Result.ALREADY_PAID, Step.AMOUNT, "already-paid")
        if debt.has_open_attempt:
            return await self._end(Result.PENDING, Step.AMOUNT, "in-progress")
        return Step.AMOUNT

    async def _look_up(self, digits: Digits) -> Debt | EntryError:
        debt = await self._debts.find(digits.take().decode("ascii"))
        return debt or EntryError.REFERENCE_UNKNOWN

    async def _amount(self) -> Step:
        lead = self._voice.prompt(Step.AMOUNT, "lead-in")
        ask = self._voice.prompt(Step.AMOUNT, "confirm")
        await self._menu(self._questions.amount, lead, self._voice.amount(self._money), ask)
        return Step.READY

    async def _ready(self) -> Step:
        await self._menu(self._questions.ready, self._voice.prompt(Step.READY, "ask"))
        return Step.CARD_NUMBER

    async def _card_number(self) -> Step:
        await self._card.ask_number()
        return Step.EXPIRATION_DATE

    async def _expiration_date(self) -> Step:
        await self._card.ask_expiry()
        return Step.SECURITY_CODE

    async def _security_code(self) -> Step:
        await self._card.ask_security_code()
        return Step.CONFIRM

    async def _confirm(self) -> Step:
        # What is confirmed must have been heard: no key pressed ahead counts here.
        self._conversation.forget_ahead()
        key = await self._menu(
            self._questions.confirm,
            self._voice.prompt(Step.CONFIRM, "lead"),
            self._voice.amount(self._money, final=False),
            self._voice.prompt(Step.CONFIRM, "with"),
            self._voice.brand(self._card.card.brand_name),
            self._voice.prompt(Step.CONFIRM, "ask"),
        )
        if key == "1":
            return Step.PROCESSING
        self._card.card.wipe()
        return Step.CARD_NUMBER if key == "2" else Step.CANCELLED

    async def _processing(self) -> Step:
        await self._conversation.accompany(
            Step.PROCESSING,
            self._charging or self.charge(),
            self._voice.prompt(Step.PROCESSING, "wait"),
            self._voice.prompt(Step.PROCESSING, "still-waiting"),
            _STILL_WAITING_EVERY,
        )
        return self._step

    def _charged(self, charge: Charge) -> Charge:
        self._charging, self._charge = None, charge
        self._standing = STANDING[charge.end]
        self._step = Step.COMPLETED if charge.end is ChargeEnd.SUCCEEDED else Step.FAILED
        return charge

    async def _completed(self) -> Result:
        await self._conversation.say(
            Step.COMPLETED,
            self._voice.prompt(Step.COMPLETED, "thanks"),
            self._voice.amount(self._money),
            self._voice.prompt(*_LAST_WORDS[self._agent_follows]),
        )
        return Result.SUCCESS

    async def _failed(self) -> Step | Result:
        assert self._charge is not None  # noqa: S101 - only `processing` leads here
        if self._charge.end is not ChargeEnd.DECLINED:
            moment = _FAILED_MOMENT[self._charge.end]
            return await self._end(self._standing, Step.FAILED, moment)
        advice = self._charge.advice or Advice.OTHER_CARD
        why = self._voice.prompt(Step.FAILED, str(advice))
        if advice is Advice.STOP:
            follows = (self._voice.prompt(Step.AGENT, "next"),) if self._agent_follows else ()
            await self._conversation.say(Step.FAILED, why, *follows)
            return Result.CARD_DECLINED
        retry = self._voice.prompt(Step.FAILED, "retry")
        key = await self._menu(self._questions.another_card, why, retry)
        if key == "1":
            return Step.CARD_NUMBER
        return await self._end(Result.CARD_DECLINED, Step.CANCELLED, "stopped")

    async def _cancelled(self) -> Result:
        return await self._end(Result.CALLER_DECLINED, Step.CANCELLED, "stopped")

    async def _menu(self, menu: Menu, *question: Spoken) -> str:
        """Choose a key; 0 leads to an agent, or says that none can be reached from here."""
        while True:
            key = await self._conversation.choose(menu, *question)
            if key != AGENT:
                return key
            if self._agents:
                raise AgentWantedError
            await self._conversation.say(
                menu.step, self._voice.prompt("help", "agent-unavailable")
            )

    async def _end(self, result: Result, step: Step, moment: str) -> Result:
        """Say how it has ended; that holds for who hangs up at once, too."""
        self._standing = result
        words: tuple[Step, str] = (step, moment)
        if self._agent_follows:
            words = (Step.AGENT, _BEFORE_AGENT.get(moment, "nothing-charged"))
        await self._conversation.say(step, self._voice.prompt(*words))
        return result

    @property
    def _money(self) -> Money:
        assert self._debt is not None  # noqa: S101 - no step before `reference` speaks of money
        if self._prepared is not None:
            return self._prepared.money
        return Money(self._debt.outstanding, self._debt.currency)


_AFTER_NUMBER = (Step.EXPIRATION_DATE, Step.SECURITY_CODE, Step.CONFIRM)
_AGREED = (Step.READY, Step.CARD_NUMBER, *_AFTER_NUMBER)
"""Where the amount has been heard and confirmed."""
_LAST_WORDS = {False: (Step.COMPLETED, "good-bye"), True: (Step.AGENT, "next")}
_BEFORE_AGENT = {
    "unknown": "result-unknown",
    "in-progress": "result-unknown",
    "already-paid": "already-paid",
}
"""What is said of an end in place of words that end with good-bye."""
_FAILED_MOMENT = {
    ChargeEnd.UNKNOWN: "unknown",
    ChargeEnd.NOT_CHARGED: "not-charged",
    ChargeEnd.ALREADY_PAID: "already-paid",
    ChargeEnd.IN_PROGRESS: "unknown",
    ChargeEnd.LEDGER_UNAVAILABLE: "ledger-unavailable",
}
