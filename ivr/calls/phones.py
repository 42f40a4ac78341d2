"""Where agents are reached: a user of our registrar, a SIP URI, or a number over a trunk."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from ivr.calls.agent_call import AgentCall, Dial
from ivr.clock import Clock
from ivr.media.leg import MediaLeg
from ivr.media.ports import NoPortLeft
from ivr.settings_agents import AgentSettings
from ivr.sip.address import Address
from ivr.sip.errors import CallStateError, MalformedMessageError
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.outgoing_handler import OutgoingHandler
from ivr.sip.registrar import Binding
from ivr.sip.trunk import Trunk
from ivr.sip.uri import SIP_SCHEMES, parse_uri

_ID = re.compile("[a-p]{32}")
_NUMBER = re.compile(r"\+?[0-9]{1,20}")


class UnreachableError(Exception):
    """This phone cannot be called now; the message is a word that says why."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone, and the user whose it is where that is known."""

    address: str
    owner: str | None = None
    """An id, as events have it; programs that own a transaction have none."""

    @classmethod
    def of(cls, address: str, owner: object) -> "Phone":
        """Return a phone of somebody who may be no person."""
        known = isinstance(owner, str) and _ID.fullmatch(owner) is not None
        return cls(address, str(owner) if known else None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the debtor's call came from."""

    caller: str
    source: Address
    trunk: Trunk | None = None
    refers: bool = False
    """Whether that side is asked to send the call on, before we call ourselves."""


def _at_once() -> Deferred[None]:
    return succeed(None)


class Caller(Protocol):
    """The part of `UserAgent` that makes calls."""

    @property
    def local(self) -> Address:
        """The address others reach us at."""

    def call(
        self,
        target: str,
        offer: bytes,
        *,
        handler: OutgoingHandler,
        trunk: Trunk | None = None,
        caller: str = "",
        hop: Address | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> OutgoingCall:
        """As `UserAgent.call`."""


@dataclass(frozen=True, slots=True)
class Phones:
    """What calls agents.

    `bindings` are where a user is registered, None for who is no user of ours; `open_leg`
    opens media towards a host, over a trunk perhaps; `trunk` is what numbers are called over.
    """

    clock: Clock
    agent: Caller
    settings: AgentSettings
    bindings: Callable[[str], list[Binding] | None]
    open_leg: Callable[[str | None, Trunk | None], MediaLeg]
    owner_of: Callable[[str], Deferred[str | None]]
    """Whose a phone is; never fails."""
    told: Callable[[], Deferred[None]] = _at_once
    """Fires when the agents' pages can know all that has happened so far; never fails."""
    trunk: Trunk | None = None

    def ring(self, phone: str, origin: Origin) -> AgentCall:
        """Call an agent's phone. Raise `UnreachableError`."""
        leg, dial = self.line_to(phone, origin)
        calling = AgentCall(self.clock, leg, self.settings.ring_for)
        try:
            calling.place(dial)
        except (MalformedMessageError, CallStateError, ValueError):
            raise UnreachableError("unreachable") from None
        return calling

    def line_to(self, phone: str, origin: Origin) -> tuple[MediaLeg, Dial]:
        """Return media towards a phone, and what calls it. Raise `UnreachableError`."""
        target, hop, trunk = self._target(phone, origin)
        try:
            leg = self.open_leg(None if hop is None else hop.host, trunk)
        except (NoPortLeft, OSError):
            raise UnreachableError("no-line") from None

        def dial(offer: bytes, handler: OutgoingHandler) -> OutgoingCall:
            caller = "" if trunk is not None else self._shown(origin.caller)
            return self.agent.call(
                target, offer, handler=handler, trunk=trunk, caller=caller, hop=hop
            )

        return leg, dial

    def refer_to(self, phone: str, origin: Origin) -> str | None:
        """Return the URI that the debtor's side is asked to call; None where we must call."""
        if not origin.refers or self.bindings(phone) is not None:
            return None
        trunk = self._trunk(origin)
        try:
            if trunk is not None:
                return trunk.uri(phone).text
            if _is_uri(phone):
                return parse_uri(phone).text
            return parse_uri(f"sip:{phone}@{origin.source.in_uri()}").text
        except MalformedMessageError:
            return None

    def _target(self, phone: str, origin: Origin) -> tuple[str, Address | None, Trunk | None]:
        bindings = self.bindings(phone)
        if bindings is not None:
            if not bindings:
                raise UnreachableError("not-registered")
            return bindings[0].uri.text, bindings[0].source, None
        if _is_uri(phone):
            return phone, None, self.trunk
        trunk = self._trunk(origin)
        if trunk is None:
            raise UnreachableError("no-trunk")
        return phone, None, trunk

    def _trunk(self, origin: Origin) -> Trunk | None:
        return self.trunk or origin.trunk

    def _shown(self, caller: str) -> str:
        """Return the debtor's number as From, so that the agent's telephone shows it."""
        if _NUMBER.fullmatch(caller) is None:
            return ""
        return f"<sip:{caller}@{self.agent.local.in_uri()}>"


def _is_uri(phone: str) -> bool:
    return phone.partition(":")[0].lower() in SIP_SCHEMES
