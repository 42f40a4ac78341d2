"""A card that is keyed while the agent stays on the line, and charged when the agent says so.

idle ─ start ─ what is to be paid is known ─ the shield is proved ─ capturing ─ complete
  ▲                                                  ▲               │  ▲         │
  │                                                  └─ re-INVITE ───┘  └ declined ┤
  └── not proved, cancelled, handed over, or somebody has left ◄────── else ───────┘
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ivr.calls.agent_desk import AgentDesk
from ivr.calls.seal import Seal
from ivr.clock import Clock
from ivr.faults import place
from ivr.journey.agent_led import AgentLedCapture, Keys
from ivr.journey.agreed import Debts, Prepared
from ivr.journey.charging import SETTLED, Charge, ChargeEnd
from ivr.journey.line import Recorder
from ivr.journey.payment import PaymentJourney
from ivr.journey.questions import Questions
from ivr.journey.sealed_card import FIELDS
from ivr.journey.voice import Voice
from ivr.ledger.debts import Debt
from ivr.ledger.details import EventDetail
from ivr.media.bridge import Bridge
from ivr.media.leak_test import Leak, prove
from ivr.media.leg import MediaLeg
from ivr.vocabulary import CommandOutcome, EventType, Result, Step
from payment_gateway.results import Money

_log = structlog.get_logger(__name__)

_TRIES = 3
"""How often the shield is tried when the call changes during the test."""


class CaptureDesk:
    """What one call needs for a card to be keyed while debtor and agent talk.

    `tried` says whether anything was charged so since the talk began. `on_settled` is called
    with the result when nothing more is to be paid.
    """

    def __init__(
        self,
        clock: Clock,
        desk: AgentDesk,
        journey: PaymentJourney,
        keys: Keys,
        questions: Questions,
        voice: Voice,
        record: Recorder,
        debts: Debts,
        leg: MediaLeg,
        *,
        sealed_for: float,
    ) -> None:
        self.tried = False
        self.on_settled: Callable[[Result], object] = _nothing
        self.seal = Seal(clock, sealed_for, self._wipe)
        self._desk = desk
        self._journey = journey
        self._voice = voice
        self._record = record
        self._debts = debts
        self._leg = leg
        self._starting: Bridge | None = None
        self._proving = False
        self._capture = AgentLedCapture(clock, keys, questions, self._told, journey.card)
        desk.on_talk_over = self.stop

    def start(self, data: Mapping[str, Any]) -> CommandOutcome | Deferred[CommandOutcome]:
        """Begin to capture; `data` may say what is to be paid."""
        if self._starting is not None or self._capture.running:
            return CommandOutcome.ALREADY
        bridge = self._desk.bridge
        if bridge is None or self._journey.charging or self._journey.standing in SETTLED:
            return CommandOutcome.NOT_NOW
        self._starting = bridge
        return Deferred.fromCoroutine(self._start(bridge, data)).addBoth(self._started)

    def ask(self, field: object) -> CommandOutcome:
        """Ask for one field, or for it again."""
        fields = {str(step): step for step in FIELDS}
        step = fields.get(str(field))
        if step is None or not self._capture.running or self._journey.charging:
            return CommandOutcome.NOT_NOW
        self._capture.ask(step)
        return CommandOutcome.DONE

    def complete(self) -> CommandOutcome:
        """Charge the card, if it is complete."""
        if self._journey.charging or self._journey.standing in SETTLED:
            return CommandOutcome.ALREADY
        if not (self._capture.running and self._capture.ready):
            return CommandOutcome.NOT_NOW
        self.tried = True
        self.seal.stop()
        self._record(EventType.STEP_ENTERED, Step.PROCESSING)
        self._journey.charge().addCallback(self._charged)
        return CommandOutcome.DONE

    def stop(self, why: str) -> None:
        """Capture no more; what was valid stays sealed, for the journey to go on with."""
        self._starting = None
        if not self._capture.running:
            return
        self._capture.stop(why)
        if self._journey.step not in _CHARGED:
            self._journey.skip_to_card()

    # Starting:

    async def _start(self, bridge: Bridge, data: Mapping[str, Any]) -> CommandOutcome:
        agreed = await self._agreed(data)
        if agreed is None or self._starting is not bridge:
            return CommandOutcome.NOT_NOW
        if agreed != self._journey.agreed:
            self._journey.agree(agreed)
            self._record(EventType.TRANSACTION_IDENTIFIED, Step.REFERENCE, _told_of(agreed))
        proved = await self._prove(bridge)
        if self._starting is not bridge:
            return CommandOutcome.NOT_NOW
        if not proved:
            return CommandOutcome.SHIELD_UNPROVED
        bridge.on_change = self._changed
        self._capture.start()
        self._journey.skip_to_card()
        self.seal.start()
        self._whisper("shielded")
        return CommandOutcome.DONE

    def _started(self, outcome: Any) -> Any:
        self._starting = None
        return outcome

    async def _agreed(self, data: Mapping[str, Any]) -> Prepared | None:
        """Return what is to be paid, or None when that is not known or cannot be."""
        known = self._journey.agreed
        reference, amount = data.get("reference"), data.get("amount")
        debt: Debt | None = None if known is None else known.debt
        if isinstance(reference, str) and (debt is None or debt.reference != reference):
            known, debt = None, await self._debts.find(reference)
        if debt is None or debt.has_open_attempt or not debt.outstanding:
            return None
        if amount is None:
            return known or Prepared(debt, Money(debt.outstanding, debt.currency))
        right = isinstance(amount, int) and 0 < amount <= debt.outstanding
        if not right or data.get("currency") not in (None, debt.currency):
            return None
        again = known is not None and known.again
        return Prepared(debt, Money(amount, debt.currency), again)

    # The shield:

    async def _prove(self, bridge: Bridge) -> bool:
        agent = self._desk.agent
        if agent is None:
            return False
        bridge.shield(on=True)
        self._proving = True
        try:
            for _ in range(_TRIES):
                proof = await prove(bridge, self._leg, agent.leg)
                if self._desk.bridge is not bridge:
                    return False
                if proof.reason is not Leak.CHANGED:
                    break
        finally:
            self._proving = False
        if proof.proved:
            self._record(EventType.SHIELD_PROVED, Step.AGENT)
            return True
        why = Leak.CHANGED if proof.reason is None else proof.reason
        word = why.name.lower().replace("_", "-")
        self._record(EventType.SHIELD_UNPROVED, Step.AGENT, EventDetail(reason=word))
        self._whisper("not-shielded")
        return False

    def _changed(self) -> None:
        """Prove the shield anew: a leg has negotiated other media."""
        bridge = self._desk.bridge
        if bridge is not None and self._capture.running and not self._proving:
            Deferred.fromCoroutine(self._prove_again(bridge)).addErrback(self._not_proved)

    async def _prove_again(self, bridge: Bridge) -> None:
        if not await self._prove(bridge) and self._desk.bridge is bridge:
            self.stop("shield-unproved")

    def _not_proved(self, failure: Failure) -> None:
        _log.error("shield.test-failed", **place(failure.value))
        self.stop("shield-unproved")

    def _whisper(self, moment: str) -> None:
        bridge, agent = self._desk.bridge, self._desk.agent
        if bridge is not None and agent is not None:
            bridge.whisper(agent.leg, self._voice.prompt(Step.AGENT, moment).clips)

    # The card:

    def _told(self, event: EventType, step: Step, detail: EventDetail | None = None) -> None:
        self._record(event, step, detail)
        if event is EventType.ENTRY_ACCEPTED:
            self.seal.start()

    def _wipe(self) -> None:
        """Forget a card that nobody has gone on with in time."""
        self._journey.wipe()
        if self._capture.running:
            self._capture.ask(Step.CARD_NUMBER)

    def _charged(self, charge: Charge) -> None:
        if not self._desk.talking:
            return  # The journey tells the debtor.
        self._record(EventType.STEP_ENTERED, self._journey.step)
        standing = self._journey.standing
        if charge.end is ChargeEnd.DECLINED and self._capture.running:
            self._journey.skip_to_card()
            self._capture.ask(Step.CARD_NUMBER)
            return
        self.stop("charged" if standing is Result.SUCCESS else "not-charged")
        if standing in SETTLED:
            self.on_settled(standing)


def _told_of(agreed: Prepared) -> EventDetail:
    money = agreed.money
    return EventDetail(debt_id=agreed.debt.id, amount=money.amount, currency=money.currency)


_CHARGED = (Step.PROCESSING, Step.COMPLETED, Step.FAILED)
"""Where the journey goes on to tell how the charge has ended."""


def _nothing(_result: Result) -> None:
    """Nobody wants to know yet."""
