"""A debtor whom we call for an agent: the agent's phone first, then the debtor's.

the agent rings ─ answers: hears whom we call ─ the debtor answers: they talk, as in any call
   └ does not answer                             └ does not: the agent hears so
"""

from collections.abc import Callable

import structlog

from ivr.calls.agent_call import AgentCall, Dial, why_unanswered
from ivr.calls.debtor_call import Carried, DebtorCall, Surroundings
from ivr.calls.journal import Journal
from ivr.calls.phones import Origin, Phone, UnreachableError
from ivr.clock import DelayedCall
from ivr.journey.agreed import Prepared
from ivr.journey.voice import Voice
from ivr.ledger.commands import Command
from ivr.ledger.details import Direction, EventDetail
from ivr.media.leg import MediaLeg
from ivr.sip.errors import CallStateError, MalformedMessageError
from ivr.sip.handler import CallEnd
from ivr.sip.outgoing import OutgoingCall
from ivr.vocabulary import CommandOutcome, EventType, Step
from payment_gateway.results import Money

_log = structlog.get_logger(__name__)

CHANNEL = "outbound-call"
_CALLING_EVERY = 4.0
"""Seconds of silence between two times that an agent hears whom we call."""


class OutboundCall(DebtorCall):
    """The call to the debtor; the agent is on the line already, and belongs to it from now on.

    Its transaction is made when the debtor answers.
    """

    def __init__(
        self,
        around: Surroundings,
        leg: MediaLeg,
        language: str,
        origin: Origin,
        journal: Journal,
        agent: AgentCall,
        carried: Carried,
    ) -> None:
        super().__init__(around, leg, language, origin, journal)
        self._carried = carried
        self._agent = (agent, carried.phones[0].owner)
        self._waiting = agent
        self._voice = Voice(around.library, language)
        self._dialled: OutgoingCall | None = None
        self._patience: DelayedCall | None = None
        self._answered = False

    def dial(self, number: str, dial: Dial) -> None:
        """Call. Raise `UnreachableError`."""
        agent = self._waiting
        try:
            self.call = self._dialled = dial(self._leg.offer(), self)
        except (MalformedMessageError, CallStateError, ValueError):
            raise UnreachableError("unreachable") from None
        self._journal.call_started(
            caller=self._phone,
            called=number,
            sip_call_id=self._dialled.id,
            direction=Direction.OUTBOUND,
        )
        clock, ring_for = self._around.clock, self._around.phones.settings.ring_for
        self._patience = clock.callLater(ring_for, self.hang_up)
        agent.on_end = self.hang_up
        self._say_calling()

    # The user agent calls:

    def ringing(self) -> None:
        """Let it ring: the agent hears whom we call."""

    def early_media(self, body: bytes) -> None:
        """Pass over what is heard before the answer."""

    def answered(self, body: bytes) -> None:
        """Join the two."""
        self._stop_waiting()
        if not self._follow(body):
            return
        self._answered = True
        self._waiting.leg.stop()
        self._begin()

    def ended(self, end: CallEnd) -> None:
        """Tell the agent why nobody has answered."""
        self._stop_waiting()
        if not self._answered:
            self._answered = True
            live = self._waiting.live
            self._why = why_unanswered(self._dialled) if live else "agent-hung-up"
            self.tell_agent("debtor-busy" if self._why == "busy" else "debtor-unreached")
        super().ended(end)

    def tell_agent(self, moment: str) -> None:
        """Say last words to the agent."""
        agent = self._waiting
        agent.on_end = lambda: None
        words = agent.leg.play(self._voice.prompt(Step.AGENT, moment).clips)
        words.finished.addCallback(lambda _: agent.hang_up())

    # Inside:

    @property
    def _phone(self) -> str:
        return "" if self._carried is None else self._carried.phones[0].address

    def _open_transaction(self) -> None:
        self._journal.transaction_created(self._language, CHANNEL)
        prepared = None if self._carried is None else self._carried.prepared
        if prepared is not None:
            money = prepared.money
            told = EventDetail(
                debt_id=prepared.debt.id, amount=money.amount, currency=money.currency
            )
            self._journal(EventType.TRANSACTION_IDENTIFIED, Step.REFERENCE, told)

    def _say_calling(self) -> None:
        if self._answered or not self._waiting.live:
            return
        heard = self._waiting.leg.play(self._voice.prompt(Step.AGENT, "calling").clips)
        clock = self._around.clock
        heard.finished.addCallback(
            lambda whole: whole and clock.callLater(_CALLING_EVERY, self._say_calling)
        )

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None


async def call_out(
    around: Surroundings, command: Command, admit: Callable[[DebtorCall], object]
) -> CommandOutcome:
    """Do a `call`: return once the debtor is called, or why not."""
    data = {name: str(told) for name, told in command.data.items()}
    number, phone = data["number"], Phone.of(data["phone"], command.data.get("agent"))
    prepared = await _prepared(around, command)
    phones = around.phones
    owner = phone.owner or await phones.owner_of(phone.address)
    here = Origin("", phones.agent.local, phones.trunk)
    try:
        leg, dial = phones.line_to(number, here)
    except UnreachableError as why:
        _log.warning("call.not-made", why=str(why))
        return CommandOutcome.NOT_NOW
    origin = Origin(number, here.source, here.trunk)
    try:
        agent = phones.ring(phone.address, origin)
        why_not = await agent.settled
    except UnreachableError as why:
        why_not = str(why)
    if why_not or not agent.live:
        _log.info("agent.unavailable", why=why_not)
        leg.close()
        return CommandOutcome.AGENT_UNAVAILABLE
    carried = Carried(data["transaction"], prepared, (Phone(phone.address, owner),))
    journal = Journal(around.events, around.now, data["call"], carried.transaction_id)
    outbound = OutboundCall(around, leg, data["language"], origin, journal, agent, carried)
    try:
        outbound.dial(number, dial)
    except UnreachableError:
        leg.close()
        outbound.tell_agent("debtor-unreached")
        return CommandOutcome.NOT_NOW
    admit(outbound)
    return CommandOutcome.DONE


async def _prepared(around: Surroundings, command: Command) -> Prepared | None:
    """Return what is to be paid, where the command says so and it is still owed."""
    reference, amount = command.data.get("reference"), command.data.get("amount")
    debt = await around.debts.find(reference) if isinstance(reference, str) else None
    if debt is None or debt.has_open_attempt or not debt.outstanding:
        return None
    due = amount if isinstance(amount, int) else debt.outstanding
    return Prepared(debt, Money(min(due, debt.outstanding), debt.currency))
