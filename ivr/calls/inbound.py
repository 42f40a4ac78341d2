"""A debtor's call to a dedicated payment number, from its INVITE to its last event.

offered ─ ringing ─ answered ─ acknowledged: the journey runs ─ hung up, by either
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog
from twisted.internet.defer import Deferred, ensureDeferred

from ivr.calls.cashier import CashDesk
from ivr.calls.journal import EventSink, Journal
from ivr.calls.telephone_line import TelephoneLine
from ivr.clock import Clock
from ivr.faults import place
from ivr.journey.conversation import Conversation
from ivr.journey.payment import Debts, PaymentJourney
from ivr.journey.questions import Questions
from ivr.journey.voice import Library, Voice
from ivr.ledger.details import EventDetail
from ivr.media.info import InfoError, parse_info
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import NotAcceptable
from ivr.media.sdp import SdpError
from ivr.sip.call import IncomingCall
from ivr.sip.errors import NotAcceptableHereError
from ivr.sip.handler import CallEnd
from ivr.vocabulary import EventType, Result, Step

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


class InboundCall:
    """One call; the SIP call's handler. `over` fires when nothing of it is left to do."""

    def __init__(
        self, around: Surroundings, call: IncomingCall, leg: MediaLeg, language: str
    ) -> None:
        self.over: Deferred[None] = Deferred()
        self._around = around
        self._call = call
        self._leg = leg
        self._journal = Journal(around.events, around.now)
        self._language = language
        self._line = TelephoneLine(leg)
        # A caller whose packets have stopped is gone without a BYE.
        leg.on_silence = self.hang_up
        self._conversation = Conversation(
            around.clock,
            self._line,
            Voice(around.library, language),
            self._journal,
            around.questions.attempts,
        )
        self._ended = False
        self._offered = False
        self._running = False

    def answer(self) -> None:
        """Ring and answer. Raise `NotAcceptable` when no codec is shared."""
        body = self._describe(self._call.offer)
        self._journal.call_started(
            caller=self._call.caller, called=self._call.called, sip_call_id=self._call.id
        )
        self._call.handler = self
        self._call.ring()
        self._call.answer(body)

    def acknowledged(self, body: bytes) -> None:
        """Start to speak: the caller hears us now."""
        try:
            if self._offered:
                self._leg.accept_answer(body)
        except (NotAcceptable, SdpError) as why:
            _log.warning("call.answer-refused", call=self._journal.call_id, why=str(why))
            self._call.hang_up()
            return
        if self._running:
            return
        self._running = True
        self._journal.call(EventType.CALL_ANSWERED)
        self._journal.transaction_created(self._language)
        journey = PaymentJourney(
            self._conversation,
            self._around.questions,
            self._around.debts,
            self._around.cash_desk.for_call(
                self._journal.call_id, self._journal.transaction_id
            ),
            self._journal,
        )
        ensureDeferred(self._run(journey)).addCallback(self._concluded)

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
        self._conversation.hang_up()
        self._journal.call_quality(self._leg.quality)
        self._leg.close()
        self._journal.call(EventType.CALL_ENDED, EventDetail(reason=str(end)))
        if not self._running:
            self.over.callback(None)

    def hang_up(self) -> None:
        """End the call from our side, now."""
        self._call.hang_up()

    def _describe(self, offer: bytes) -> bytes:
        """Answer an offer, or make one where the other side left that to us."""
        self._offered = not offer
        return self._leg.answer(offer) if offer else self._leg.offer()

    async def _run(self, journey: PaymentJourney) -> Result:
        try:
            return await journey.run()
        except Exception as error:  # noqa: BLE001 - one call must not take others down
            # By type only: the message, or a local of the traceback, could hold a key.
            _log.error("journey.failed", call=self._journal.call_id, **place(error))
        with suppress(Exception):
            await self._conversation.say(
                Step.FAILED, self._conversation.voice.prompt("any", "internal-error")
            )
        return Result.INTERNAL_ERROR

    def _concluded(self, result: Result) -> None:
        self._journal.transaction_ended(result)
        if not self._ended:
            self._call.hang_up()
        self.over.callback(None)
