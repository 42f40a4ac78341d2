"""One ivr node: all parts built, wired, started, drained and stopped."""

import gc
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from ivr.aio import deferred, future
from ivr.calls.cashier import CashDesk
from ivr.calls.commands import CommandReader
from ivr.calls.debtor_call import Surroundings
from ivr.calls.gateways import open_gateway
from ivr.calls.notices import NoticeReader
from ivr.calls.phones import Origin, Phones
from ivr.calls.recovery import Recovery
from ivr.calls.switchboard import Switchboard
from ivr.calls.telephony import (
    Ports,
    guard_of,
    own_address,
    registrar_of,
    resolver_of,
    srtp_of_trunks,
    timers_of,
    trunks_of,
)
from ivr.calls.transfers import Transfers
from ivr.calls.trunk_journal import TrunkJournal
from ivr.clock import at_most
from ivr.faults import place
from ivr.journey.questions import questions
from ivr.ledger.database import Database, open_database
from ivr.ledger.debts import Debt
from ivr.ledger.phones import owner_of_phone
from ivr.ledger.preparations import Preparation, claim
from ivr.ledger.schema import check_schema
from ivr.ledger.writer import LedgerWriter
from ivr.media.key_sources import InBand
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.readers import Readers
from ivr.media.security import SrtpPolicy
from ivr.media.udp import SocketReactor
from ivr.resources import shipped
from ivr.settings import Settings
from ivr.sip.address import Address
from ivr.sip.call import IncomingCall
from ivr.sip.overload import LagMeter
from ivr.sip.registrar import Binding
from ivr.sip.transports import TransportReactor
from ivr.sip.trunk import Trunk
from ivr.sip.ua import UserAgent
from ivr.speech.library import Library
from ivr.speech.spoken import LANGUAGES
from payment_gateway.interface import Gateway

_log = structlog.get_logger(__name__)

_COLLECTOR = (3_000, 5, 80)
"""The collector's thresholds: looks that are short, and one at all calls, which takes tens of
milliseconds in which no prompt is sent, once in some thousand calls."""
_TELL_WITHIN = 0.25
"""Seconds that an agent's phone waits for their page: a ledger that is away stops no call."""
_NOTICES_EVERY = 2.0  # seconds between two looks at the gateway's webhooks


class NodeReactor(SocketReactor, TransportReactor, Protocol):
    """The parts of Twisted's reactor that a node needs."""


@dataclass(frozen=True, slots=True)
class _LedgerDebts:
    """The ledger's debts, awaited from Twisted."""

    ledger: LedgerWriter

    def find(self, reference: str) -> Deferred[Debt | None]:
        return deferred(self.ledger.find_debt(reference))


class Node:
    """A running telephone side. Make one with `start`."""

    def __init__(
        self,
        settings: Settings,
        reactor: NodeReactor,
        database: Database,
        ledger: LedgerWriter,
        gateway: Gateway,
        library: Library,
    ) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._gateway = gateway
        zone = ZoneInfo(settings.node.timezone)

        def today() -> date:
            return datetime.now(zone).date()

        self._cash_desk = CashDesk(
            reactor,
            ledger,
            gateway,
            settings.gateway.deadline,
            settings.gateway.statement_suffix,
        )
        self._playout = Playout(reactor)
        trunks = list(trunks_of(settings.sip))
        self._registrar = registrar_of(settings.sip, reactor)
        self._srtp_of_trunks = srtp_of_trunks(settings.sip)
        self._take_back = {one.name: one.take_back for one in settings.sip.trunks}
        self._lag = LagMeter(reactor)
        guard = guard_of(settings.sip, reactor, self._lag)
        ports = Ports(settings.sip, reactor, guard)
        self._transports = ports.transports
        self._agent = UserAgent(
            reactor,
            ports.transports,
            local=ports.addresses[0],
            others=ports.addresses[1:],
            on_call=self._offered,
            registrar=self._registrar,
            max_calls=settings.sip.max_calls,
            follow_maddr=settings.sip.protection.follow_maddr,
            resolver=resolver_of(settings.sip, reactor),
            guard=guard,
            timers=timers_of(settings.sip),
            proof=ports.transports.connections.proof,
            on_line=TrunkJournal(ledger, _now).changed,
        )
        around = Surroundings(
            clock=reactor,
            now=_now,
            events=ledger,
            debts=_LedgerDebts(ledger),
            cash_desk=self._cash_desk,
            library=library,
            questions=questions(settings, today),
            phones=Phones(
                clock=reactor,
                agent=self._agent,
                settings=settings.agents,
                bindings=self._bindings,
                open_leg=self._open_leg_to,
                owner_of=self._owner_of,
                told=lambda: at_most(reactor, _TELL_WITHIN, deferred(ledger.flush())),
                trunk=next((one for one in trunks if one.name == settings.agents.trunk), None),
            ),
            sealed_for=settings.transfer.sealed_for,
        )
        self._left = around.left
        public = settings.sip.public_host or own_address(settings.sip.host)
        self._media = MediaNode(
            reactor=Readers(reactor),
            playout=self._playout,
            ports=PortPool(settings.media.first_port, settings.media.last_port),
            host=settings.sip.host,
            public_host=public,
            in_band=InBand(settings.media.in_band),
            srtp=SrtpPolicy(settings.media.srtp),
            silence_after=settings.media.silence_after,
        )
        languages = {number.number: number.language for number in settings.numbers}
        self._switchboard = Switchboard(
            around,
            languages,
            Transfers(
                reactor,
                self._claim,
                settings.transfer.prefix,
                settings.transfer.code_digits,
                languages,
            ),
            self._open_leg,
            self._origin_of,
            settings.node.retry_after,
            settings.transfer.language,
            library.languages,
            {one.number for one in settings.numbers if one.route == "agent"},
        )
        self._commands = CommandReader(
            database, ledger.node, _now, ledger, self._switchboard.command
        )
        self._recovery = Recovery(
            ledger,
            gateway,
            ledger.node,
            _now,
            self._cash_desk.is_running,
            settings.gateway.inquiry_interval,
        )
        self._notices = NoticeReader(ledger, gateway)
        self._regular = [
            _regularly(reactor, self._recovery.once, settings.gateway.inquiry_interval),
            _regularly(reactor, self._notices.once, _NOTICES_EVERY),
        ]
        ports.transports.attach(self._agent.datagram_received, self._agent.unreachable)
        self._lag.start()
        for trunk in trunks:
            self._agent.trunks.use(trunk)

    @classmethod
    async def start(cls, settings: Settings, reactor: NodeReactor) -> "Node":
        """Open the ledger, the prompts, the gateway and the ports, in that order.

        Raise `LedgerUnavailableError`, `CatalogueError`, `GatewayConfigurationError`,
        `CannotListenError`, `TlsFileError` or, for a trunk, `ValueError`, each saying which
        setting or file to look at.
        """
        database = open_database(settings.ledger_url)
        try:
            await check_schema(database)
            library = Library.load(_prompts(settings), _spoken(settings))
            gateway = open_gateway(settings)
            ledger = LedgerWriter(database, settings.node.name, _now)
            await ledger.close_orphans()
            await ledger.forget_trunks()
            await ledger.start()
            node = cls(settings, reactor, database, ledger, gateway, library)
            node.take_commands()
        except BaseException:
            await database.close()
            raise
        # What stands now stays: the collector need not walk the prompts again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTOR)
        _log.info("ivr.ready", sip=str(node.address), gateway=gateway.name, ledger=database.url)
        return node

    @property
    def address(self) -> Address:
        """Where SIP is listened to."""
        return self._agent.local

    def take_commands(self) -> None:
        """Begin to do what agents ask."""
        self._commands.start()

    async def drain(self) -> None:
        """Refuse new calls, and wait until the live ones have ended."""
        _log.info("ivr.draining", live=self._agent.live_calls)
        self._agent.drain(self._settings.node.retry_after)
        await future(self._agent.trunks.unregister())
        await future(self._agent.when_idle())
        await future(self._switchboard.idle())

    async def stop(self) -> None:
        """End every call at once; what the gateway was asked is waited for and recorded."""
        self._agent.close()
        await future(self._switchboard.idle())
        self._left.wipe()
        await self._commands.close()
        await self._cash_desk.idle()
        for regular in self._regular:
            if regular.running:
                regular.stop()
        self._lag.stop()
        await future(self._transports.close())
        await self._gateway.close()
        await self._ledger.forget_trunks()
        await self._ledger.close()
        await self._database.close()
        told = self._playout.punctuality
        _log.info(
            "ivr.stopped",
            packets=told.packets,
            punctual=round(told.share, 5),
            worst_ms=round(told.worst * 1000, 1),
        )

    def _offered(self, call: IncomingCall) -> None:
        self._switchboard.offered(call)

    def _open_leg(self, origin: Origin) -> MediaLeg:
        return self._open_leg_to(origin.source.host, origin.trunk)

    def _open_leg_to(self, host: str | None, trunk: Trunk | None) -> MediaLeg:
        srtp = None if trunk is None else self._srtp_of_trunks.get(trunk.name)
        return MediaLeg(self._media, host, srtp=srtp)

    def _origin_of(self, call: IncomingCall) -> Origin:
        line = self._agent.trunks.of(call.request, call.source)
        trunk = None if line is None else line.trunk
        own = None if trunk is None else self._take_back.get(trunk.name)
        refers = (own or self._settings.agents.take_back) == "refer"
        return Origin(call.caller, call.source, trunk, refers)

    def _bindings(self, user: str) -> list[Binding] | None:
        if self._registrar is None or user not in {u.name for u in self._settings.sip.users}:
            return None
        return self._registrar.bindings(user)

    def _owner_of(self, phone: str) -> Deferred[str | None]:
        return deferred(owner_of_phone(self._database, phone)).addErrback(_unknown_owner)

    def _claim(
        self, call_id: str, token: str | None, code: str | None
    ) -> Deferred[Preparation | None]:
        return deferred(claim(self._database, _now, call_id=call_id, token=token, code=code))


def _unknown_owner(failure: Failure) -> None:
    _log.warning("agent.owner-unknown", **place(failure.value))


def _spoken(settings: Settings) -> list[str]:
    """Return the languages of the numbers, and those that may be prepared, where recorded."""
    needed = {settings.transfer.language, *(number.language for number in settings.numbers)}
    folder = _prompts(settings)
    return sorted(needed | {one for one in LANGUAGES if (folder / f"{one}.toml").is_file()})


def _now() -> datetime:
    return datetime.now(UTC)


def _prompts(settings: Settings) -> Path:
    return Path(settings.prompts.folder) if settings.prompts.folder else shipped("prompts")


def _regularly(
    reactor: NodeReactor, work: Callable[[], Coroutine[Any, Any, object]], seconds: float
) -> LoopingCall:
    """Begin `work` now and then; a round that is still under way is not overtaken."""
    call = LoopingCall(lambda: deferred(work()))
    call.clock = cast("IReactorTime", reactor)
    call.start(seconds).addErrback(
        lambda failure: _log.error("regular.failed", exc_info=failure.value)
    )
    return call
