"""A debtor's call, whoever has made it: its course, its media, its events.

made or offered ─ answered: its course runs ─ hung up, by either
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from twisted.internet.defer import Deferred, ensureDeferred

from ivr.calls.agent_call import AgentCall
from ivr.calls.agent_desk import AgentDesk
from ivr.calls.capture_desk import CaptureDesk
from ivr.calls.cashier import CashDesk
from ivr.calls.course import Course, Terms
from ivr.calls.journal import EventSink, Journal
from ivr.calls.phones import Origin, Phone, Phones
from ivr.calls.seal import LeftJourneys
from ivr.calls.telephone_line import TelephoneLine
from ivr.clock import Clock
from ivr.faults import place
from ivr.journey.agreed import Debts, Prepared
from ivr.journey.conversation import Conversation
from ivr.journey.payment import PaymentJourney
from ivr.journey.questions import Questions
from ivr.journey.sealed_card import Left
from ivr.journey.voice import Library, Voice
from ivr.ledger.commands import Command
from ivr.ledger.details import EventDetail
from ivr.ledger.preparations import Preparation
from ivr.media.info import InfoError, parse_info
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import NotAcceptable
from ivr.media.sdp import SdpError
from ivr.sip.errors import NotAcceptableHereError
from ivr.sip.handler import CallEnd
from ivr.sip.referral import Referral
from ivr.sip.session import Session
from ivr.vocabulary import CommandOutcome, EventType, Result
from payment_gateway.results import Money

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every call of this process shares."""

    clock: Clock
    now: Callable[[], datetime]
    events: EventSink
    debts: Debts
    cash_desk: CashDesk
    library: Library
    questions: Questions
    phones: Phones
    sealed_for: float = 120.0
    left: LeftJourneys = field(init=False)

    def __post_init__(self) -> None:
        """Keep no journey yet."""
        object.__setattr__(self, "left", LeftJourneys(self.clock, self.sealed_for))


@dataclass(frozen=True, slots=True)
class Carried:
    """A transaction that stood before the call that carries it now."""

    transaction_id: str
    prepared: Prepared | None
    phones: tuple[Phone, ...] = ()
    """Whom to call for this debtor, before all others."""
    agent_follows: bool = False
    stays_open: bool = False
    agent_first: bool = False
    """Whether the agent talks to the debtor first, and stays."""

    @classmethod
    def of(cls, found: Preparation) -> "Carried":
        """Return what was prepared."""
        money = Money(found.amount, found.currency)
        phones = (Phone.of(found.agent_phone, found.owner_id),) if found.agent_phone else ()
        return cls(
            found.transaction_id,
            Prepared(found.debt, money, again=found.reused),
            phones,
            agent_follows=found.afterwards == "agent",
            stays_open=True,
            agent_first=found.mode == "stay" and not found.reused,
        )


class DebtorCall:
    """One call; the SIP call's handler. `over` fires when nothing of it is left to do.

    Whoever makes one sets `call` before anything else is asked of it.
    """

    call: Session

    def __init__(
        self,
        around: Surroundings,
        leg: MediaLeg,
        language: str,
        origin: Origin,
        journal: Journal | None = None,
    ) -> None:
        self.over: Deferred[None] = Deferred()
        self.on_referral: Callable[[DebtorCall, Referral], object] = _refuse
        self._around = around
        self._leg = leg
        self._journal = journal or Journal(around.events, around.now)
        self._language = language
        self._origin = origin
        # A caller whose packets have stopped is gone without a BYE.
        leg.on_silence = self.hang_up
        self._line = TelephoneLine(leg)
        self._carried: Carried | None = None
        self._course: Course | None = None
        self._ended = False
        self._offered = False
        self._why = ""
        """Why it has ended, where a word says more than how."""
        self._agent_first = False
        self._agent: tuple[AgentCall, str | None] | None = None

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return self._origin

    @property
    def language(self) -> str:
        """What is spoken."""
        return self._language

    @property
    def call_id(self) -> str:
        """The call's id in the ledger."""
        return self._journal.call_id

    def carry(self, carried: Carried, how: str, language: str | None = None) -> None:
        """Carry a transaction that stands; call it before `answer`."""
        # Also when the caller has given up meanwhile: then another call may come for it.
        self._journal.transaction_transferred(carried.transaction_id, how)
        self._carried = carried
        self._language = language or self._language

    def yield_to(self, successor: "DebtorCall", how: str) -> bool:
        """Let the call that replaces this one carry on with its transaction, if it has one."""
        course = self._course
        if course is None:
            return False
        carried = self._carried or Carried(self._journal.transaction_id, course.journey.agreed)
        course.leave_open()
        successor.carry(carried, how, self._language)
        return True

    def wait_for_successor(self, *, wait: bool) -> None:
        """Keep the transaction open while another call may carry on with it."""
        if self._course is not None:
            self._course.wait_for_successor(wait=wait)

    def command(self, command: Command) -> CommandOutcome | Deferred[CommandOutcome]:
        """Do what an agent asks of this call."""
        if self._course is None:
            return CommandOutcome.NOT_NOW
        return self._course.command(command)

    def acknowledged(self, body: bytes) -> None:
        """Start to speak: the caller hears us now."""
        if self._offered and not self._follow(body):
            return
        if self._course is None:
            self._begin()

    def referred(self, referral: Referral) -> None:
        """Take the wish that we call somebody else (RFC 3515)."""
        self.on_referral(self, referral)

    def _begin(self) -> None:
        self._journal.call(EventType.CALL_ANSWERED)
        self._open_transaction()
        self._course = course = self._new_course()
        ensureDeferred(self._run(course)).addCallback(self._concluded)

    def _open_transaction(self) -> None:
        if self._carried is None:
            self._journal.transaction_created(self._language)

    def renegotiated(self, body: bytes) -> bytes:
        """Answer a re-INVITE: hold, resume, other payload types, another address."""
        try:
            return self._describe(body)
        except (NotAcceptable, SdpError) as why:
            raise NotAcceptableHereError(str(why)) from None

    def info(self, content_type: str, body: bytes) -> bool:
        """Take a key that comes by INFO instead of in the media; False for anything else."""
        try:
            self._leg.info_key(parse_info(content_type, body))
        except InfoError:
            return False
        return True

    def ended(self, end: CallEnd) -> None:
        """Stop listening; a charge that is under way goes on."""
        self._ended = True
        if self._course is not None:
            self._course.debtor_left()
        self._journal.call_quality(self._leg.quality)
        self._leg.close()
        self._journal.call(EventType.CALL_ENDED, EventDetail(reason=self._why or str(end)))
        if self._course is None:
            self.over.callback(None)

    def hang_up(self) -> None:
        """End the call from our side, now."""
        self.call.hang_up()

    def _follow(self, body: bytes) -> bool:
        """Follow the answer to our offer; hang up and return False where we cannot."""
        try:
            self._leg.accept_answer(body)
        except (NotAcceptable, SdpError) as why:
            _log.warning("call.answer-refused", call=self.call_id, why=str(why))
            self.hang_up()
            return False
        return True

    def _describe(self, offer: bytes) -> bytes:
        """Answer an offer, or make one where the other side left that to us."""
        self._offered = not offer
        return self._leg.answer(offer) if offer else self._leg.offer()

    def _new_course(self) -> Course:
        around, carried = self._around, self._carried
        voice = Voice(around.library, self._language)
        conversation = Conversation(
            around.clock, self._line, voice, self._journal, around.questions.attempts
        )
        terms = self._terms(carried)
        journey = PaymentJourney(
            conversation,
            around.questions,
            around.debts,
            around.cash_desk.for_call(self._journal.call_id, self._journal.transaction_id),
            self._journal,
            prepared=None if carried is None else carried.prepared,
            left=None if carried is None else around.left.take(carried.transaction_id),
            agents=bool(terms.phones),
            agent_follows=terms.agent_follows,
        )
        desk = AgentDesk(
            around.clock,
            conversation,
            self._journal,
            self.call,
            self._leg,
            around.phones,
            self._origin,
            around.questions.without_agent,
        )
        capture = CaptureDesk(
            around.clock,
            desk,
            journey,
            self._line,
            around.questions,
            voice,
            self._journal,
            around.debts,
            self._leg,
            sealed_for=around.sealed_for,
        )
        course = Course(self._journal, conversation, journey, desk, capture, terms)
        course.on_moved = self._left_to_the_pbx
        return course

    def _left_to_the_pbx(self, left: Left) -> None:
        self._around.left.leave(self._journal.transaction_id, left)

    def _terms(self, carried: Carried | None) -> Terms:
        everybody = tuple(map(Phone, self._around.phones.settings.phones))
        if carried is None:
            return Terms(everybody, agent_first=self._agent_first)
        own = {phone.address for phone in carried.phones}
        phones = (*carried.phones, *(one for one in everybody if one.address not in own))
        return Terms(
            phones,
            agent_follows=carried.agent_follows and bool(phones),
            stays_open=carried.stays_open,
            agent_first=carried.agent_first,
            agent=self._agent,
        )

    async def _run(self, course: Course) -> None:
        try:
            await course.run()
        except Exception as error:  # noqa: BLE001 - one call must not take others down
            # By type only: the message, or a local of the traceback, could hold a key.
            _log.error("journey.failed", call=self._journal.call_id, **place(error))
            with suppress(Exception):
                await course.apologise()
            course.close(Result.INTERNAL_ERROR)

    def _concluded(self, _: None) -> None:
        if not self._ended:
            self.call.hang_up()
        self.over.callback(None)


def _refuse(_: DebtorCall, referral: Referral) -> None:
    referral.refuse(603)
