"""Deciding what each new call is, and keeping the live ones."""

from collections.abc import Callable, Collection, Mapping

import structlog
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred

from ivr.calls.debtor_call import Carried, DebtorCall, Surroundings
from ivr.calls.fetched import fetch
from ivr.calls.inbound import InboundCall
from ivr.calls.outbound import call_out
from ivr.calls.phones import Origin
from ivr.calls.transfers import Ticket, Transfers
from ivr.faults import place
from ivr.ledger.commands import Command
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import NotAcceptable
from ivr.media.ports import NoPortLeft
from ivr.media.sdp import SdpError
from ivr.sip.admission import warning
from ivr.sip.call import IncomingCall
from ivr.sip.referral import Referral
from ivr.vocabulary import CommandOutcome, CommandType

_log = structlog.get_logger(__name__)

_AGENT = "solde"  # the warn-agent of RFC 3261 §20.43


class Switchboard:
    """Answers calls to the payment numbers, and those that are transferred to us.

    It refuses all others, saying why.
    """

    def __init__(
        self,
        around: Surroundings,
        languages: Mapping[str, str],
        transfers: Transfers,
        open_leg: Callable[[Origin], MediaLeg],
        origin_of: Callable[[IncomingCall], Origin],
        retry_after: int,
        language: str,
        spoken: Collection[str],
        to_agents: Collection[str] = (),
    ) -> None:
        """`languages` is the language of each payment number, as it is dialled.

        `language` is spoken to whoever calls none of them, unless another one of those that
        are `spoken` was prepared. Who calls one of the numbers `to_agents` talks to an agent
        before all else.
        """
        self._around = around
        self._languages = languages
        self._language = language
        self._spoken = spoken
        self._to_agents = to_agents
        self._transfers = transfers
        self._open_leg = open_leg
        self._origin_of = origin_of
        self._retry_after = retry_after
        self._live: set[DebtorCall] = set()

    def offered(self, call: IncomingCall) -> None:
        """Take or refuse a new call."""
        number = self._languages.get(call.called)
        replaced = self._replaced_by(call)
        tickets = [] if replaced is not None else self._transfers.tickets(call)
        if number is None and replaced is None and not tickets:
            call.reject(404, headers=(warning(_AGENT, "no such payment number"),))
            return
        origin = self._origin_of(call)
        try:
            leg = self._open_leg(origin)
        except NoPortLeft:
            _log.error("call.refused", why="no RTP port is left: media.first_port, last_port")
            call.reject(503, headers=(("Retry-After", str(self._retry_after)),))
            return
        language = number or self._language
        inbound = InboundCall(
            self._around,
            call,
            leg,
            language,
            origin,
            agent_first=call.called in self._to_agents,
        )
        try:
            inbound.ring()
        except (NotAcceptable, SdpError) as why:
            leg.close()
            call.reject(488, headers=(warning(_AGENT, str(why)),))
            return
        self._admit(inbound)
        if tickets:
            ensureDeferred(self._look_up(inbound, call, tickets))
            return
        if replaced is not None:
            replaced.yield_to(inbound, "by-replaces")
        inbound.answer()

    def command(self, command: Command) -> CommandOutcome | Deferred[CommandOutcome]:
        """Do a command, if its call is alive here, or is to be made."""
        if command.type is CommandType.CALL:
            return Deferred.fromCoroutine(call_out(self._around, command, self._admit))
        if command.call_id is None:
            return CommandOutcome.NOT_NOW
        for inbound in self._live:
            if inbound.call_id == command.call_id:
                return inbound.command(command)
        return CommandOutcome.CALL_ENDED

    def hang_up_all(self) -> None:
        """End every call at once."""
        for inbound in list(self._live):
            inbound.hang_up()

    def idle(self) -> Deferred[None]:
        """Fire when every call of now is over."""
        waiting = [self._when_over(inbound) for inbound in self._live]
        return DeferredList(waiting).addCallback(lambda _: None)

    def _admit(self, inbound: DebtorCall) -> None:
        inbound.on_referral = self._referred
        self._live.add(inbound)
        inbound.over.addCallback(lambda _: self._live.discard(inbound))

    def _referred(self, inbound: DebtorCall, referral: Referral) -> None:
        fetch(self._around, inbound, inbound.language, referral, self._admit)

    async def _look_up(
        self, inbound: InboundCall, call: IncomingCall, tickets: list[Ticket]
    ) -> None:
        """Find what was prepared for a call that rings, then answer it in any case."""
        try:
            found = await self._transfers.claim(inbound.call_id, call, tickets)
            if found is not None:
                preparation, how = found
                known = preparation.language in self._spoken
                language = preparation.language if known else None
                inbound.carry(Carried.of(preparation), how, language)
        except Exception as error:  # noqa: BLE001 - whatever happens, the debtor is answered
            _log.error("transfer.failed", call=inbound.call_id, **place(error))
        inbound.answer()

    def _replaced_by(self, call: IncomingCall) -> DebtorCall | None:
        if call.replaces is None:
            return None
        for inbound in self._live:
            if inbound.call is call.replaces:
                return inbound
        return None

    @staticmethod
    def _when_over(inbound: DebtorCall) -> Deferred[None]:
        over: Deferred[None] = Deferred()
        inbound.over.addCallback(over.callback)
        return over
