"""The course of one debtor's call: the journey and agents, in turn, until the transaction ends.

journey ─┬─ ended ──────────────────────────────┬─ the call ends
         ├─ taken back, or 0 ── agent ──────────┤
         └────── handed over ──────┘            └─ or goes back to the agent who prepared it
"""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from ivr.calls.agent_call import AgentCall
from ivr.calls.agent_desk import AgentDesk
from ivr.calls.capture_desk import CaptureDesk
from ivr.calls.journal import Journal
from ivr.calls.phones import Phone
from ivr.calls.visit import Visit, Wish
from ivr.journey.charging import SETTLED
from ivr.journey.conversation import Conversation
from ivr.journey.line import AgentWantedError, CallerHungUpError, SuspendedError
from ivr.journey.payment import PaymentJourney
from ivr.journey.sealed_card import Left
from ivr.ledger.commands import Command
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step

_FIRST_WORDS = {
    Result.CALLER_HUNG_UP: "coming",
    Result.SUCCESS: "paid",
    Result.ALREADY_PAID: "already-paid",
    Result.PENDING: "result-unknown",
}
"""What a debtor hears who is taken back, by what has come of the payment until then."""
_KEYING = (Step.CARD_NUMBER, Step.EXPIRATION_DATE, Step.SECURITY_CODE, Step.CONFIRM)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed before, and what the settings say."""

    phones: tuple[Phone, ...] = ()
    """Who is called for this debtor, in turn."""
    agent_follows: bool = False
    """Whether an agent takes the call when all is said."""
    stays_open: bool = False
    """Whether the transaction may come back with another call."""
    agent_first: bool = False
    """Whether an agent talks to the debtor before the journey does."""
    agent: tuple[AgentCall, str | None] | None = None
    """Who is on the line when it begins, and whose phone that is."""


class Course:
    """One call's course; `run` ends with it. The transaction's end is recorded here, once."""

    def __init__(
        self,
        journal: Journal,
        conversation: Conversation,
        journey: PaymentJourney,
        desk: AgentDesk,
        capture: CaptureDesk,
        terms: Terms,
    ) -> None:
        self.desk = desk
        self.journey = journey
        self.on_moved: Callable[[Left], object] = _wipe
        """Takes what is left of the journey when a PBX has moved the call to an agent."""
        self._capture = capture
        self._journal = journal
        self._conversation = conversation
        self._terms = terms
        self._wish: Wish | None = None
        self._cancelled = False
        self._over = False
        self._closed = False
        self._waits = False
        self._unsaid: Result | None = None
        capture.on_settled = self.close

    async def run(self) -> None:
        """Walk it to its end."""
        try:
            result = await self._walk()
            if result is None:
                self.on_moved(self.journey.leave())
        except CallerHungUpError:
            result = self._result_of(Visit.DEBTOR_LEFT)
        finally:
            self._capture.seal.stop()
            self.journey.wipe()
        self._over = True
        if result is not None:
            self.close(result)

    def close(self, result: Result) -> None:
        """End the transaction, unless it has ended."""
        if self._waits:
            self._unsaid = result
        elif not self._closed:
            self._closed = True
            self._journal.transaction_ended(result)

    def leave_open(self) -> None:
        """Let the transaction go on in another call, which replaces this one."""
        self._closed, self._waits = True, False

    def wait_for_successor(self, *, wait: bool) -> None:
        """Do not end the transaction while another call may yet carry on with it."""
        self._waits = wait
        if not wait and self._unsaid is not None:
            self.close(self._unsaid)

    async def apologise(self) -> None:
        """Tell the debtor of a fault of ours. Raise CallerHungUpError."""
        self._conversation.resume()
        words = self._conversation.voice.prompt("any", "internal-error")
        await self._conversation.say(Step.FAILED, words)

    def debtor_left(self) -> None:
        """Learn that the debtor has hung up."""
        self._conversation.hang_up()
        self.desk.debtor_left()

    def command(self, command: Command) -> CommandOutcome | Deferred[CommandOutcome]:
        """Do what an agent asks, now or as soon as the gateway has answered."""
        match command.type:
            case CommandType.TAKE_BACK:
                return self._take_back(command)
            case CommandType.HAND_OVER:
                return self._hand_over()
            case CommandType.CANCEL:
                return self._cancel()
            case CommandType.START_CAPTURE if not self._closed:
                return self._capture.start(command.data)
            case CommandType.CAPTURE:
                return self._capture.ask(command.data.get("field"))
            case CommandType.COMPLETE:
                return self._capture.complete()
        return CommandOutcome.NOT_NOW

    def _take_back(self, command: Command) -> CommandOutcome:
        if self._over:
            return CommandOutcome.NOT_NOW
        phones = self._phones_for(command)
        if not phones:
            return CommandOutcome.AGENT_UNAVAILABLE
        wish = Wish("taken-back", phones)
        if self.desk.visiting:
            return self.desk.call_again(wish)
        if self._wish is not None or self._cancelled:
            return CommandOutcome.ALREADY
        self._wish = wish
        paying = self._conversation.accompanying
        self._conversation.suspend()
        return CommandOutcome.AFTER_PAYMENT if paying else CommandOutcome.DONE

    def _hand_over(self) -> CommandOutcome:
        if self._wish is None or self.desk.visiting:
            return self.desk.hand_over()
        # Taken back, but the gateway or the ledger is still being asked.
        self._wish = None
        self._conversation.resume()
        return CommandOutcome.DONE

    def _cancel(self) -> CommandOutcome:
        if self._cancelled:
            return CommandOutcome.ALREADY
        paying = self.journey.charging or (
            self._conversation.accompanying and not self.desk.visiting
        )
        if self._over or self._closed or paying or self.journey.standing in SETTLED:
            return CommandOutcome.NOT_NOW
        self._cancelled = True
        if self.desk.visiting:
            self._capture.stop("cancelled")
            self.journey.wipe()
            self.close(Result.CANCELLED_BY_AGENT)
        else:
            self._conversation.suspend()
        return CommandOutcome.DONE

    async def _walk(self) -> Result | None:
        """Return the result; None when the transaction stays open."""
        wish = self._first_wish()
        if wish is None and self.journey.step is not Step.WELCOME:
            await self._go_on()
        while True:
            try:
                if wish is None:
                    return await self._after(await self.journey.run())
            except AgentWantedError:
                wish = Wish("asked-for", self._terms.phones)
            except SuspendedError:
                if self._cancelled:
                    return await self._stop()
                # Before it there is always the wish of whoever has suspended it.
                wish = self._wish or Wish("taken-back", self._terms.phones)
            ended, wish = await self._with_agent(wish), None
            if self.journey.charging:
                # Whoever has left: the gateway's answer is waited for, and told.
                self._conversation.resume()
                continue
            if ended is not Visit.GO_ON:
                return self._result_of(ended)
            if self._closed:
                return await self._good_bye(self.journey.standing)
            await self._go_on()

    def _first_wish(self) -> Wish | None:
        terms = self._terms
        if terms.agent is not None:
            return Wish("called", terms.phones, agent=terms.agent)
        if terms.agent_first and terms.phones:
            return Wish("agent-first", terms.phones, asks=False)
        return None

    async def _with_agent(self, wish: Wish) -> Visit:
        standing = self.journey.standing
        if standing in SETTLED:
            # Shown to the agent before they answer, and to whoever is called back.
            self.close(standing)
        first = _FIRST_WORDS.get(standing, "nothing-charged")
        self._capture.tried = False
        self._capture.seal.start()
        visit = await self.desk.visit(
            wish._replace(first=first),
            may_go_on=lambda: not self._closed,
            must_go_on=lambda: self.journey.charging,
            shielded=self.journey.step in _KEYING,
        )
        self._wish = None
        self._capture.seal.stop()
        return visit

    async def _go_on(self) -> None:
        self._conversation.resume()
        self._journal(EventType.JOURNEY_RESUMED, self.journey.step)
        if self.journey.step is Step.WELCOME:
            return  # Its own first words follow.
        resumed = self._conversation.voice.prompt(Step.AGENT, "resumed")
        # Whoever asks for the call meanwhile suspends it again: the journey sees to that.
        try:
            await self._conversation.say(Step.AGENT, resumed, interruptible=True)
        except SuspendedError:
            return

    async def _after(self, result: Result) -> Result:
        """Give the call back to the agent, where that was agreed."""
        self._over = not self._terms.agent_follows
        if self._terms.agent_follows and result is not Result.CALLER_HUNG_UP:
            self.close(result)
            wish = Wish("afterwards", self._terms.phones, "still-coming")
            visit = await self.desk.visit(wish, may_go_on=lambda: False, shielded=False)
            if visit is Visit.GO_ON:
                await self._good_bye(result)
        return result

    async def _stop(self) -> Result:
        """End it kindly for the debtor, as an agent has asked."""
        self._conversation.resume()
        self.close(Result.CANCELLED_BY_AGENT)
        voice = self._conversation.voice
        await self._conversation.say(Step.CANCELLED, voice.prompt(Step.CANCELLED, "stopped"))
        return Result.CANCELLED_BY_AGENT

    async def _good_bye(self, result: Result) -> Result:
        voice = self._conversation.voice
        await self._conversation.say(Step.AGENT, voice.prompt(Step.AGENT, "good-bye"))
        return result

    def _result_of(self, visit: Visit) -> Result | None:
        standing = self.journey.standing
        if standing in SETTLED or self._capture.tried:
            return standing
        if visit is Visit.MOVED and self._terms.stays_open:
            return None
        with_agent = visit in (Visit.MOVED, Visit.AGENT_LEFT) or self.desk.talked
        return Result.TRANSFERRED_TO_AGENT if with_agent else standing

    def _phones_for(self, command: Command) -> tuple[Phone, ...]:
        """Return whom to call: who asks, and otherwise whoever is called for this debtor."""
        address, owner = command.data.get("phone"), command.data.get("agent")
        if not isinstance(address, str) or not address:
            return self._terms.phones
        asking = Phone.of(address, owner)
        return (asking, *(one for one in self._terms.phones if one.address != address))


def _wipe(left: Left) -> None:
    left.card.wipe()
