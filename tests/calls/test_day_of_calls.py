"""A day of payment calls in accelerated time, with all that a call has: nothing is left.

Signalling goes over a network that loses and repeats; media over real sockets; the callers
end in every way there is.
"""

import gc
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from twisted.internet.defer import Deferred, succeed

from ivr.calls.debtor_call import Surroundings
from ivr.calls.inbound import InboundCall
from ivr.journey.charging import Charge, ChargeEnd
from ivr.journey.questions import questions
from ivr.ledger.debts import Debt
from ivr.ledger.events import Event
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.settings import Settings
from ivr.sip import IncomingCall, Session, TimerPolicy, UserAgent
from ivr.sip.dialog import Dialog
from ivr.vocabulary import EventType, Result, Step
from payment_gateway.card import Card
from payment_gateway.results import Advice, Money
from tests.calls.callers import KEYS, SERVER, Caller, Lines, Plan, Town
from tests.calls.exchange import nobody, switchboard
from tests.fakes.speech import FakeLibrary
from tests.media.harness import ManualReactor

HOUR = 3600.0
PORTS = 6
CALLS = 240
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Debts:
    """One debt that is never paid off."""

    def find(self, reference: str) -> Deferred[Debt | None]:
        if reference != KEYS[Step.REFERENCE]:
            return succeed(None)
        return succeed(
            Debt(
                id="debt",
                reference=reference,
                debtor="",
                creditor="",
                letter_date=None,
                amount=12000,
                currency="EUR",
                outstanding=12000,
                has_open_attempt=False,
                language="fr",
            )
        )


class Till:
    """A cash desk whose gateway takes its time, declines some cards and loses some answers."""

    def __init__(self, reactor: ManualReactor, dice: random.Random) -> None:
        self.running = 0
        self._reactor = reactor
        self._dice = dice

    def for_call(self, call_id: str, transaction_id: str) -> "Till":
        return self

    def charge(self, debt_id: str, money: Money, card: Card) -> Deferred[Charge]:
        with card:
            self.running += 1  # leaving wipes it
        answer: Deferred[Charge] = Deferred()
        ends = [ChargeEnd.SUCCEEDED] * 8 + [ChargeEnd.DECLINED, ChargeEnd.UNKNOWN]
        self._reactor.callLater(self._dice.choice((0.2, 4.0)), self._end, answer, ends)
        return answer

    def _end(self, answer: Deferred[Charge], ends: list[ChargeEnd]) -> None:
        self.running -= 1
        answer.callback(Charge(self._dice.choice(ends), Advice.OTHER_CARD))


class Day:
    """The server's side, as `ivr.calls.node` puts it together, and the town that calls it."""

    def __init__(self, seed: int, loss: float) -> None:
        self.reactor = reactor = ManualReactor()
        self.dice = random.Random(seed)
        self.events: list[Event] = []
        self.pool = _unused_ports()
        self.till = Till(reactor, self.dice)
        self.playout = Playout(reactor, phases=1)
        lines = Lines(reactor, self.dice, loss)
        self.town = Town(reactor, lines)
        node = MediaNode(
            reactor, self.playout, self.pool, "127.0.0.1", "127.0.0.1", silence_after=40.0
        )
        around = Surroundings(
            clock=reactor,
            now=lambda: NOON + timedelta(seconds=reactor.seconds()),
            events=self,
            debts=Debts(),
            cash_desk=cast("Any", self.till),
            library=FakeLibrary(),
            questions=questions(Settings(), NOON.date),
            phones=nobody(reactor),
        )
        self.switchboard = switchboard(around, lambda _: MediaLeg(node, SERVER.host))
        self.agent = UserAgent(
            reactor,
            lines.socket(SERVER),
            local=SERVER,
            on_call=self._offered,
            timers=TimerPolicy(90, 90),
        )
        lines.plug(self.agent)

    def record(self, event: Event) -> None:
        self.events.append(event)
        self.town.heard(event)

    def _offered(self, call: IncomingCall) -> None:
        self.switchboard.offered(call)

    def call(self, number: int) -> None:
        """Let a debtor call, and later the next one."""
        self.town.make(PLANS[number % len(PLANS)](self.dice))
        if number < CALLS:
            # A call in seven minutes, and now and then more at once than there are ports.
            pause = 0.5 if number % 40 < 10 else self.dice.expovariate(1 / 450)
            self.reactor.callLater(pause, self.call, number + 1)

    def run(self) -> None:
        """Let time jump from one event to the next, until nothing waits any more."""
        while calls := self.reactor.calls:
            assert self.reactor.seconds() < 30 * HOUR, [str(one) for one in calls]
            self.reactor.advance(max(0.0, calls[0].getTime() - self.reactor.seconds()))


STEPS = [step for step in KEYS if step is not Step.REFERENCE]
PLANS: list[Callable[[random.Random], Plan]] = [
    lambda _: Plan("paid"),
    lambda _: Plan("paid"),
    lambda dice: Plan("hung up", dice.choice([*Step]), Caller.hang_up),
    lambda dice: Plan("hung up", dice.choice(STEPS), Caller.hang_up),
    lambda _: Plan("hung up while it is charged", Step.PROCESSING, Caller.hang_up),
    lambda _: Plan("cancelled", None, Caller.hang_up),
    lambda _: Plan("no such number", number="999"),
    lambda _: Plan("no shared codec", codec="18"),
    lambda _: Plan("says nothing", keys={}),
    lambda _: Plan("declines", keys={**KEYS, Step.CONFIRM: "3"}),
    lambda _: Plan("wrong again and again", keys={Step.REFERENCE: "99999999" * 3}),
    lambda dice: Plan("media stop", dice.choice(STEPS), Caller.fall_silent),
    lambda dice: Plan("held", dice.choice(STEPS), Caller.hold),
    lambda dice: Plan("vanishes on hold", dice.choice(STEPS), Caller.vanish),
    lambda _: Plan("vanishes before the answer", None, Caller.lose_network_at_once),
    lambda dice: Plan("transfers", dice.choice(STEPS), Caller.transfer),
    lambda dice: Plan("taken over", dice.choice(STEPS), Caller.move),
]


@pytest.mark.parametrize(("seed", "loss"), [(1, 0.05)])
def test_nothing_is_left_of_a_day(seed: int, loss: float) -> None:
    gc.collect()
    files = _open_files()
    with capture_logs() as logs:
        day = Day(seed, loss)
        day.call(0)
        day.run()

    town = day.town
    assert day.reactor.seconds() > 20 * HOUR
    _no_errors(logs)
    for agent in (day.agent, town.agent):
        idle: list[None] = []
        agent.when_idle().addCallback(idle.append)
        assert idle == [None]
        assert agent.live_calls == 0
        assert agent._sessions._by_dialog == {}
        assert len(agent._servers) == len(agent._clients) == agent._servers.held == 0
    over: list[None] = []
    day.switchboard.idle().addCallback(over.append)
    assert over == [None]
    assert not day.switchboard._live
    assert day.till.running == 0
    assert len(day.pool) == PORTS
    assert len(day.playout) == 0
    assert day.reactor.readers == []
    assert day.reactor.getDelayedCalls() == []
    assert {len(caller.ends) for caller in town.callers} == {1}
    assert _open_files() == files
    _all_happened(day)

    events = Counter(event.type for event in day.events)
    assert events[EventType.CALL_STARTED] == events[EventType.CALL_ENDED]
    assert events[EventType.TRANSACTION_CREATED] == events[EventType.TRANSACTION_ENDED]
    town.callers.clear()
    del day, town, agent
    gc.collect()
    kinds = (Dialog, Session, MediaLeg, InboundCall, Caller)
    assert [type(one) for one in gc.get_objects() if isinstance(one, kinds)] == []


def _all_happened(day: Day) -> None:
    """Check that all endings were met, or the day proves nothing."""
    reasons = Counter(e.detail.reason for e in day.events if e.type is EventType.CALL_ENDED)
    results = Counter(
        e.detail.result for e in day.events if e.type is EventType.TRANSACTION_ENDED
    )
    refused = Counter(
        caller.call.outcome.status
        for caller in day.town.callers
        if caller.call.outcome is not None
    )
    for reason in (
        *("hung-up-by-us", "hung-up-by-peer"),
        *("ack-timeout", "replaced", "session-expired"),
    ):
        assert reasons[reason] > 0, (reason, reasons)
    for result in (
        *(Result.SUCCESS, Result.CALLER_HUNG_UP, Result.TOO_MANY_FAILED_ATTEMPTS),
        *(Result.CALLER_DECLINED, Result.PENDING),
    ):
        assert results[result] > 0, (result, results)
    for status in (200, 404, 487, 488, 503):
        assert refused[status] > 0, (status, refused)
    transfers = [end for caller in day.town.callers for end in caller.transfers]
    assert {str(one.end) for one in transfers} == {"refused"}


def _no_errors(logs: list[Any]) -> None:
    """Check that nothing was wrong but the lack of ports."""
    errors = [one for one in logs if one["log_level"] in ("error", "critical")]
    assert [one for one in errors if one["event"] != "call.refused"] == []


def _unused_ports() -> PortPool:
    """Find ports that nobody else has, below those that the system gives to any socket."""
    # Two runs at once shall not begin at the same place.
    for first in range(31000 + os.getpid() % 64 * 2 * PORTS, 32000, 2 * PORTS):
        with ExitStack() as probes, suppress(OSError):
            for port in range(first, first + 2 * PORTS):
                probe = probes.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                probe.bind((SERVER.host, port))
            return PortPool(first, first + 2 * PORTS - 1)
    raise AssertionError("no ports are free")


def _open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())
