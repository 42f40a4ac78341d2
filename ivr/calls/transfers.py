"""Calls that a PBX transfers here: which prepared transaction each one is.

A token or a code is looked up while the call rings. Guessing is slowed: whoever has often been
wrong rings for longer, and at last is not looked up at all.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

import structlog
from twisted.internet.defer import Deferred

from ivr.clock import Clock
from ivr.ledger.database import LedgerUnavailableError
from ivr.ledger.preparations import Preparation
from ivr.sip.call import IncomingCall
from ivr.sip.errors import MalformedMessageError
from ivr.sip.lockout import Lockout

_log = structlog.get_logger(__name__)

HEADER = "X-Solde-Transaction"
_USER = re.compile(r"t-([a-p]{32})")
_TOKEN = re.compile(r"[a-p]{32}")
_RINGS_AT_MOST = 20.0
"""Seconds: longer than that nobody waits, and nothing is looked up."""


class Ticket(NamedTuple):
    """What an INVITE shows of a prepared transaction: a token or a code, and where it stood."""

    how: str
    token: str | None = None
    code: str | None = None

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Ticket({self.how})"


Claim = Callable[[str, str | None, str | None], Deferred[Preparation | None]]
"""Gives a transaction to a call: its id, a token, a code. May fail as the ledger does."""


class Transfers:
    """Finds what was prepared for each call.

    A called number is a code behind `prefix` when `digits` follow, unless it is one of
    `numbers`.
    """

    def __init__(
        self, clock: Clock, claim: Claim, prefix: str, digits: int, numbers: Collection[str]
    ) -> None:
        self._clock = clock
        self._claim = claim
        self._code = re.compile(rf"\+?{prefix}([0-9]{{{digits}}})")
        self._numbers = numbers
        self._lockout = Lockout(clock)

    def tickets(self, call: IncomingCall) -> list[Ticket]:
        """Return all that `call` shows, the surest sign first."""
        found: dict[tuple[str | None, str | None], Ticket] = {}
        for ticket in self._shown(call):
            found.setdefault((ticket.token, ticket.code), ticket)
        return list(found.values())

    async def claim(
        self, call_id: str, call: IncomingCall, tickets: list[Ticket]
    ) -> tuple[Preparation, str] | None:
        """Return what was prepared for `call`, and by which sign, or None. Never raise."""
        host, caller = call.source.host, call.caller
        wait = self._lockout.wait(host, caller)
        if wait > _RINGS_AT_MOST:
            _log.warning("transfer.not-looked-up", host=host, wait=round(wait))
            return None
        if wait:
            later: Deferred[None] = Deferred()
            self._clock.callLater(wait, later.callback, None)
            await later
        for ticket in tickets:
            try:
                found = await self._claim(call_id, ticket.token, ticket.code)
            except LedgerUnavailableError as error:
                _log.error("transfer.not-looked-up", why=str(error))
                return None
            if found is not None:
                self._lockout.succeeded(host, caller)
                return found, ticket.how
        self._lockout.failed(host, caller)
        _log.warning("transfer.unknown", host=host, by=[ticket.how for ticket in tickets])
        return None

    def _shown(self, call: IncomingCall) -> list[Ticket]:
        called = [call.called, call.to.uri.called]
        shown = [
            Ticket("by-uri", token=match[1])
            for user in called
            if (match := _USER.fullmatch(user.lower()))
        ]
        shown += [
            Ticket("by-number", code=match[1])
            for number in called
            if number not in self._numbers and (match := self._code.fullmatch(number))
        ]
        if match := _TOKEN.search(call.details.header(HEADER).lower()):
            shown.append(Ticket("by-header", token=match[0]))
        try:
            told = [one.text for one in call.details.user_to_user]
        except MalformedMessageError:
            return shown
        # A PBX may put a protocol discriminator before the data.
        shown += [
            Ticket("by-user-to-user", token=match[0])
            for text in told
            if (match := _TOKEN.search(text.lower()))
        ]
        return shown
