"""Bringing an agent to a debtor: by a REFER to the PBX, or by a bridge to the agent's phone.

calling ─ talking ─┬─ handed over: the journey goes on
 │ │ └ moved       └─ the agent has hung up ─┐
 │ └ not reached ────────────────────────────┴─ asking ─ 1: the journey goes on
 └──────────────────────────── 2: again ───────────┘
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import structlog
from twisted.internet.defer import Deferred, ensureDeferred

from ivr.calls.agent_call import AgentCall
from ivr.calls.phones import Origin, Phones, UnreachableError
from ivr.calls.visit import Visit, Wish
from ivr.clock import Clock
from ivr.journey.conversation import Conversation, TooManyFailedAttemptsError
from ivr.journey.line import Recorder, SuspendedError
from ivr.keypad.field import Menu
from ivr.ledger.details import EventDetail
from ivr.media.bridge import Bridge
from ivr.media.leg import MediaLeg, MediaStateError
from ivr.sip.errors import CallStateError
from ivr.sip.transfer import TransferEnd, TransferResult
from ivr.vocabulary import CommandOutcome, EventType, Step

_log = structlog.get_logger(__name__)


def _nothing(_why: str) -> None:
    """Nobody wants to know yet."""


_STILL_COMING_EVERY = 6.0
_REFER_LINGERS = 5.0
"""Seconds longer than a phone may ring, in which the PBX may still tell how it went."""


class _At(StrEnum):
    AWAY = "away"
    CALLING = "calling"
    REFERRING = "referring"
    TALKING = "talking"
    ASKING = "asking"


class Transferable(Protocol):
    """The debtor's call as far as it can be transferred (`ivr.sip.Session`)."""

    def transfer(self, target: str, *, wait: float) -> Deferred[TransferResult]:
        """Ask the other side to call `target` instead. Raise CallStateError."""


class AgentDesk:
    """What one debtor's call needs of agents; one visit at a time.

    `bridge` and `agent` are there while they talk; `talked` until the journey goes on.
    `on_talk_over` is called with why, while the bridge still stands.
    """

    def __init__(
        self,
        clock: Clock,
        conversation: Conversation,
        record: Recorder,
        call: Transferable,
        leg: MediaLeg,
        phones: Phones,
        origin: Origin,
        menu: Menu,
    ) -> None:
        self.bridge: Bridge | None = None
        self.agent: AgentCall | None = None
        self.talked = False
        self.on_talk_over: Callable[[str], object] = _nothing
        self._clock = clock
        self._conversation = conversation
        self._record = record
        self._call = call
        self._leg = leg
        self._phones = phones
        self._origin = origin
        self._menu = menu
        self._at = _At.AWAY
        self._gone = False
        self._handed_over = False
        self._again: Wish | None = None
        self._stop_talk: Deferred[str] | None = None
        self._pause: Deferred[None] | None = None

    @property
    def visiting(self) -> bool:
        """Whether an agent is there, is called, or was missed and is asked about."""
        return self._at is not _At.AWAY

    @property
    def talking(self) -> bool:
        """Whether debtor and agent hear each other."""
        return self._at is _At.TALKING

    async def visit(
        self,
        wish: Wish,
        *,
        may_go_on: Callable[[], bool],
        must_go_on: Callable[[], bool] = lambda: False,
        shielded: bool,
    ) -> Visit:
        """Bring an agent; return how it ended. Raise CallerHungUpError.

        `may_go_on`: whether the debtor may choose to go on without one; `must_go_on`: whether
        there is no choice, since the gateway is being asked. `shielded`: the agent hears no
        key, because the debtor may still be keying a card.
        """
        if self._gone:
            return Visit.DEBTOR_LEFT
        self._handed_over, self._again, self.talked = False, None, False
        self._conversation.resume()
        self._at = _At.CALLING
        self._record(EventType.STEP_ENTERED, Step.AGENT)
        try:
            visit = await self._visit(wish, may_go_on, must_go_on, shielded=shielded)
            self.talked = self.talked and visit is not Visit.GO_ON
            return visit
        finally:
            self._at = _At.AWAY

    def call_again(self, wish: Wish) -> CommandOutcome:
        """Call an agent whom the debtor missed; nothing changes while one comes."""
        if self._at is not _At.ASKING:
            return CommandOutcome.ALREADY
        self._again = wish
        self._conversation.suspend()
        return CommandOutcome.DONE

    def hand_over(self) -> CommandOutcome:
        """Let the journey go on: the agent's call is ended."""
        if self._at is _At.REFERRING:
            return CommandOutcome.NOT_NOW
        if self._at is _At.AWAY or self._handed_over:
            return CommandOutcome.ALREADY
        self._handed_over = True
        if self._at is _At.ASKING:
            self._conversation.suspend()
        self._leave("handed-over")
        return CommandOutcome.DONE

    def debtor_left(self) -> None:
        """Give up: the debtor has hung up. A PBX that moves the call may yet tell so."""
        self._gone = True
        self._leave("debtor-hung-up")

    async def _visit(
        self,
        wish: Wish,
        may_go_on: Callable[[], bool],
        must_go_on: Callable[[], bool],
        *,
        shielded: bool,
    ) -> Visit:
        first, wait = wish.first, 0.0
        while True:
            self._at = _At.CALLING
            reached = self._present(wish) or await self._call_in(wish, first, wait)
            if reached is Visit.MOVED:
                return Visit.MOVED
            if isinstance(reached, AgentCall):
                await self._talk(reached, shielded=shielded)
            if self._gone:
                return Visit.DEBTOR_LEFT
            if self._handed_over or must_go_on():
                return Visit.GO_ON
            if reached is None and not wish.asks:
                await self._say("help", "agent-unavailable")
                return Visit.GO_ON
            if not may_go_on():
                return await self._end("good-bye" if self.talked else "not-now")
            missed = reached is None
            chosen = await self._ask("unavailable" if missed else "left", wish)
            if isinstance(chosen, Visit):
                return chosen
            first = "still-coming" if chosen is wish else "coming"
            wait = self._phones.settings.retry_after if missed and chosen is wish else 0.0
            wish = chosen._replace(asks=True, agent=None)

    def _present(self, wish: Wish) -> AgentCall | None:
        """Return the agent who is on the line already."""
        if wish.agent is None:
            return None
        self.agent, owner = wish.agent
        self._record(EventType.AGENT_CONNECTED, Step.AGENT, EventDetail(agent=owner))
        return self.agent

    async def _call_in(self, wish: Wish, first: str, wait: float) -> "AgentCall | Visit | None":
        """Talk to the debtor while agents are called."""
        voice = self._conversation.voice
        return await self._conversation.accompany(
            Step.AGENT,
            ensureDeferred(self._reach(wish, wait)),
            voice.prompt(Step.AGENT, first),
            voice.prompt(Step.AGENT, "still-coming"),
            _STILL_COMING_EVERY,
            interrupted=True,
        )

    async def _ask(self, question: str, wish: Wish) -> Visit | Wish:
        """Let the debtor choose what to do without an agent: how it ends, or who is called."""
        self._at = _At.ASKING
        prompt = self._conversation.voice.prompt(Step.AGENT, question)
        try:
            key = await self._conversation.choose(self._menu, prompt)
        except TooManyFailedAttemptsError:
            return await self._end("good-bye")
        except SuspendedError:
            self._conversation.resume()
            again, self._again = self._again, None
            return Visit.GO_ON if again is None else again
        return Visit.GO_ON if key == "1" else wish

    async def _end(self, moment: str) -> Visit:
        await self._say(Step.AGENT, moment)
        return Visit.AGENT_LEFT if self.talked else Visit.NOBODY

    async def _say(self, step: Step | str, moment: str) -> None:
        words = self._conversation.voice.prompt(step, moment)
        await self._conversation.say(Step.AGENT, words)

    async def _reach(self, wish: Wish, wait: float) -> AgentCall | Visit | None:
        """Try the phones in turn; return None when nobody answers or nobody is wanted."""
        if wait:
            await self._pass_time(wait)
        if self._is_unwanted():
            return None
        self._record(EventType.AGENT_WANTED, Step.AGENT, EventDetail(reason=wish.reason))
        for phone in wish.phones:
            owner = phone.owner or await self._phones.owner_of(phone.address)
            if self._is_unwanted():
                return None
            told = EventDetail(agent=owner)
            self._record(EventType.AGENT_RINGING, Step.AGENT, told)
            # Who takes the call has seen on their page whom it is about.
            await self._phones.told()
            if self._is_unwanted():
                return None
            target = self._phones.refer_to(phone.address, self._origin)
            if target is not None and await self._refer(target):
                self._record(EventType.AGENT_CONNECTED, Step.AGENT, told)
                return Visit.MOVED
            if self._is_unwanted():
                return None
            why = await self._ring(phone.address)
            if not why:
                if not self._is_unwanted():
                    self._record(EventType.AGENT_CONNECTED, Step.AGENT, told)
                return self.agent
            unavailable = EventDetail(agent=owner, reason=why)
            self._record(EventType.AGENT_UNAVAILABLE, Step.AGENT, unavailable)
        return None

    async def _pass_time(self, seconds: float) -> None:
        """Wait, unless something ends the waiting."""
        self._pause = pause = Deferred[None]()
        timer = self._clock.callLater(seconds, pause.callback, None)
        await pause
        self._pause = None
        if timer.active():
            timer.cancel()

    async def _refer(self, target: str) -> bool:
        """Ask the other side to call `target`; return whether the call has moved there."""
        self._at = _At.REFERRING
        try:
            ring_for = self._phones.settings.ring_for
            result = await self._call.transfer(target, wait=ring_for + _REFER_LINGERS)
        except (CallStateError, ValueError) as why:
            _log.warning("agent.not-referred", why=str(why))
            return False
        finally:
            self._at = _At.CALLING
        _log.info("agent.referred", end=str(result.end), status=result.status)
        # A PBX may hang up on us as soon as it has the call, and tell nothing more.
        moved_untold = self._gone and result.end is TransferEnd.UNTOLD
        return result.succeeded or moved_untold

    async def _ring(self, phone: str) -> str:
        """Call a phone; return why it was not answered, "" when it was."""
        try:
            self.agent = self._phones.ring(phone, self._origin)
        except UnreachableError as error:
            return str(error)
        why = await self.agent.settled
        if why:
            self.agent = None
        return why

    async def _talk(self, agent: AgentCall, *, shielded: bool) -> None:
        """Join the two until one of them has had enough."""
        why = "debtor-hung-up" if self._gone else "handed-over" if self._handed_over else ""
        try:
            if not why:
                why = await self._joined(agent, shielded=shielded)
        finally:
            self.agent = self.bridge = self._stop_talk = None
            agent.on_end = lambda: None
            agent.hang_up()
            self._conversation.resume()
        if self.talked:
            self._record(EventType.AGENT_LEFT, Step.AGENT, EventDetail(reason=why))

    async def _joined(self, agent: AgentCall, *, shielded: bool) -> str:
        if not agent.live:
            return "agent-hung-up"
        try:
            bridge = Bridge(self._leg, agent.leg, keys=False)
        except MediaStateError:
            return "debtor-hung-up"
        bridge.shield(on=shielded or self._keys_sound())
        self.bridge, self.talked, self._at = bridge, True, _At.TALKING
        # Nothing that is pressed while they talk is an answer to us.
        self._conversation.suspend()
        over: Deferred[str] = Deferred()
        self._stop_talk = over
        agent.on_end = lambda: self._leave("agent-hung-up")
        why = "failed"
        try:
            why = await over
            return why
        finally:
            self.on_talk_over(why)
            bridge.close()

    def _keys_sound(self) -> bool:
        """Whether the debtor's keys come as tones, which only a shield keeps from the agent."""
        return self._leg.negotiated is None or not self._leg.negotiated.event_types

    def _leave(self, why: str) -> None:
        """End what goes on with the agent."""
        if self._stop_talk is not None:
            if not self._stop_talk.called:
                self._stop_talk.callback(why)
        elif self._pause is not None:
            self._pause.callback(None)
        elif self.agent is not None:
            self.agent.hang_up()

    def _is_unwanted(self) -> bool:
        return self._gone or self._handed_over
