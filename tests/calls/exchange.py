"""Calls as telephones see them: SIP bytes in and out, real media sockets, a moved clock."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ivr.calls.cashier import CashDesk
from ivr.calls.debtor_call import Surroundings
from ivr.calls.phones import Origin, Phones
from ivr.calls.switchboard import Switchboard
from ivr.calls.transfers import Claim, Transfers
from ivr.journey.agreed import Debts
from ivr.journey.questions import questions
from ivr.ledger.debts import Debt
from ivr.ledger.events import Event
from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import NoPortLeft, PortPool
from ivr.settings import Settings
from ivr.settings_agents import AgentSettings
from ivr.sip import Request, Response, Trunk
from ivr.vocabulary import EventType, Result
from tests.fakes.speech import FakeLibrary
from tests.sip.wire import Wire, request, status

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
NO_CODEC = OFFER.replace(b"RTP/AVP 8 101", b"RTP/AVP 18").replace(b"a=rtpmap:101 tel", b"a=x:")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Reactor(Clock):
    """A clock that never reads its sockets: keys are handed to the leg directly."""

    def addReader(self, reader: object) -> None:  # noqa: N802
        pass

    def removeReader(self, reader: object) -> None:  # noqa: N802
        pass


class NoDebts:
    def find(self, reference: str) -> Deferred[Debt | None]:
        return succeed(None)


def _no_leg(host: str | None, trunk: Trunk | None) -> MediaLeg:
    raise NoPortLeft


def nobody(clock: Any, agents: AgentSettings | None = None) -> Phones:
    """Return phones of which none is there."""
    return Phones(
        clock=clock,
        agent=cast("Any", None),
        settings=agents or AgentSettings(),
        bindings=lambda _: None,
        open_leg=_no_leg,
        owner_of=lambda _: succeed(None),
    )


def switchboard(
    around: Surroundings,
    open_leg: Callable[[Any], MediaLeg],
    *,
    claim: Claim = lambda *_: succeed(None),
    refers: bool = False,
    to_agents: Collection[str] = (),
) -> Switchboard:
    """Return a switchboard with one payment number, 3000, and codes of 8 digits after 88."""
    languages = {"3000": "fr"}
    return Switchboard(
        around,
        languages,
        Transfers(around.clock, claim, "88", 8, languages),
        open_leg,
        lambda call: Origin(call.caller, call.source, None, refers),
        30,
        "fr",
        ("fr", "en"),
        to_agents,
    )


class Exchange:
    """A switchboard on a wire; keeps the events and the legs."""

    def __init__(self, first_port: int = 39000, ports: int = 4, **more: Any) -> None:
        self.wire = Wire(on_call=self._offered)
        self.events: list[Event] = []
        self.legs: list[MediaLeg] = []
        self.reactor = Reactor()
        self.pool = PortPool(first_port, first_port + 2 * ports - 1)
        self.around = around = Surroundings(
            clock=self.wire.clock,
            now=lambda: NOW,
            events=self,
            debts=self.debts(),
            cash_desk=cast("Any", self.cash_desk()),
            library=FakeLibrary(),
            questions=questions(Settings(), NOW.date),
            phones=self.phones(),
            sealed_for=30,
        )
        self.node = node = MediaNode(
            self.reactor, Playout(self.reactor), self.pool, "127.0.0.1", "127.0.0.1"
        )

        def open_leg(origin: Origin) -> MediaLeg:
            self.legs.append(MediaLeg(node, origin.source.host))
            return self.legs[-1]

        self.switchboard = switchboard(around, open_leg, **more)

    def debts(self) -> Debts:
        return NoDebts()

    def cash_desk(self) -> object:
        return CashDesk(self.wire.clock, cast("Any", None), cast("Any", None), 1, "")

    def phones(self) -> Phones:
        return nobody(self.wire.clock)

    def record(self, event: Event) -> None:
        self.events.append(event)

    def _offered(self, call: Any) -> None:
        self.switchboard.offered(call)

    def invite(self, body: bytes = OFFER, number: str = "3000", **more: Any) -> list[int]:
        return self.wire.statuses(request(uri=f"sip:{number}@127.0.0.1", body=body, **more))

    def connect(self) -> None:
        answered = self.wire.receive(request(uri="sip:3000@127.0.0.1", body=OFFER))[-1]
        self.tag = answered.to.tag
        self.wire.receive(self._in_dialog("ACK", 1))

    def _in_dialog(self, method: str, cseq: int, **more: Any) -> bytes:
        return request(
            method,
            uri="sip:3000@127.0.0.1",
            cseq=cseq,
            to_tag=self.tag,
            branch=f"z9hG4bK{method}{cseq}",
            **more,
        )

    def in_dialog(self, method: str, cseq: int, **more: Any) -> list[Request | Response]:
        return self.wire.receive(self._in_dialog(method, cseq, **more))

    def info(self, cseq: int, kind: bytes, body: bytes) -> int:
        told = self._in_dialog("INFO", cseq, body=body).replace(b"application/sdp", kind)
        return status(self.wire.receive(told)[-1])

    def press(self, keys: str) -> None:
        for key in keys:
            self.legs[-1].on_key(KeyPress(key, 0.0, 0.3))

    def listen(self, seconds: int) -> None:
        for _ in range(50 * seconds):
            self.reactor.advance(0.02)
            self.wire.clock.advance(0.02)

    @property
    def types(self) -> list[EventType]:
        return [event.type for event in self.events]

    @property
    def results(self) -> list[Result | None]:
        return [e.detail.result for e in self.events if e.type is EventType.TRANSACTION_ENDED]
