"""A day of calls between two user agents, in accelerated time.

The network loses, repeats and reorders, and the calls do anything at any time:
whatever meets whatever, nothing is left of it.
"""

import gc
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs
from twisted.internet.task import Clock

from ivr.sip import (
    Address,
    CallEnd,
    CallStateError,
    IncomingCall,
    NotAcceptableHereError,
    Session,
    UserAgent,
    parse_uri,
)
from ivr.sip.dialog import Dialog
from ivr.sip.referral import Referral
from ivr.sip.session_timer import TimerPolicy
from ivr.sip.transfer import TransferResult

HOUR = 3600.0


class Network:
    """Carries datagrams between user agents, late, twice or not at all."""

    def __init__(self, clock: Clock, dice: random.Random, loss: float) -> None:
        self.carried = 0
        self._clock = clock
        self._dice = dice
        self._loss = loss
        self._agents: dict[Address, UserAgent] = {}

    def plug(self, agent: UserAgent) -> None:
        self._agents[agent.local] = agent

    def socket(self, local: Address) -> Any:
        class Socket:
            @staticmethod
            def send(data: bytes, to: Address) -> None:
                self._carry(data, local, to)

        return Socket()

    def _carry(self, data: bytes, source: Address, to: Address) -> None:
        while self._dice.random() >= self._loss:
            self.carried += 1
            delay = self._dice.choice((0.01, 0.05, 0.3, 1.2))
            self._clock.callLater(delay, self._agents[to].datagram_received, data, source)
            if self._dice.random() < 0.97:
                return


class Party:
    """The application's side of one call, on either end: does anything at any time."""

    def __init__(self, side: "Side") -> None:
        self.side = side
        self.call: Session | None = None
        self.ends: list[CallEnd] = []
        self.referral: Referral | None = None

    def take(self, call: Session) -> None:
        self.call = call
        self.side.live.append(self)

    # As a handler:

    def ringing(self) -> None:
        pass

    def early_media(self, body: bytes) -> None:
        pass

    def answered(self, body: bytes) -> None:
        self._up()
        if self.referral is not None:
            self.referral.finish(200)

    def acknowledged(self, body: bytes) -> None:
        if "up" not in self.__dict__:
            self._up()

    def renegotiated(self, body: bytes) -> bytes:
        if self.side.dice.random() < 0.1:
            raise NotAcceptableHereError("no")
        return b"answer" if body else b"offer"

    def refreshed(self, body: bytes) -> None:
        self.side.seen["refreshed"] += 1

    def progress_acknowledged(self, body: bytes) -> None:
        self.side.seen["pracked"] += 1

    def referred(self, referral: Referral) -> None:
        if self.side.dice.random() < 0.2:
            referral.refuse()
            return
        if self.side.dice.random() < 0.1:
            return  # forgotten: the subscription ends by itself
        referral.progress(180)
        self.side.make(referral)

    def ended(self, end: CallEnd) -> None:
        self.ends.append(end)
        self.side.seen[str(end)] += 1
        self.side.live.remove(self)
        if self.referral is not None:
            self.referral.finish(486)

    # What happens to it:

    def _up(self) -> None:
        self.up = True
        dice = self.side.dice
        self.side.later(dice.expovariate(1 / 150), self._leave)
        for _ in range(dice.choice((0, 0, 1, 2, 4))):
            self.side.later(dice.random() * dice.choice((1, 30, 300)), self._act)

    def _leave(self) -> None:
        if self.call is not None:
            self.call.hang_up()

    def _act(self) -> None:
        dice = self.side.dice
        call = self.call
        if call is None or not call.live:
            return
        what = dice.choice(
            (
                lambda: call.renegotiate(lambda: b"offer"),
                lambda: call.renegotiate(lambda: b"other offer"),
                call.renegotiate,
                call.update,
                lambda: call.update(lambda: b"offer"),
                lambda: call.transfer(self.side.other, referred_by="sip:me@x"),
                lambda: call.transfer(dice.choice(self.side.live).call or call),
            )
        )
        with suppress(CallStateError):
            what().addCallbacks(self._done, lambda failure: self._failed(failure.value))

    def _done(self, outcome: bytes | TransferResult) -> None:
        if isinstance(outcome, bytes):
            self.side.seen["changed"] += 1
        else:
            self.side.seen[f"transfer {outcome.end}"] += 1
            if outcome.succeeded:
                self._leave()

    def _failed(self, error: Exception) -> None:
        self.side.seen[f"change refused {getattr(error, 'status', error)}"] += 1


class Side:
    """One user agent, and who uses it."""

    def __init__(
        self, clock: Clock, network: Network, dice: random.Random, host: str, other: str
    ) -> None:
        self.clock = clock
        self.dice = dice
        self.other = f"sip:somebody@{other}"
        self.seen: Counter[str] = Counter()
        self.parties: list[Party] = []
        self.live: list[Party] = []
        local = Address(host, 5060)
        self.agent = UserAgent(
            clock,
            network.socket(local),
            local=local,
            on_call=self._called,
            timers=TimerPolicy(dice.choice((90, 120)), 90),
        )
        network.plug(self.agent)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        self.clock.callLater(seconds, what)

    def make(self, referral: Referral | None = None) -> None:
        """Call the other side, or whom it refers to; sometimes give up before the answer."""
        target, lines = self.other, []
        if referral is not None:
            target = referral.target.uri_text.partition("?")[0]
            if referral.replaces is not None:
                lines.append(("Replaces", str(referral.replaces)))
        party = Party(self)
        party.referral = referral
        self.parties.append(party)
        if self.dice.random() < 0.2:
            lines.append(("Require", "100rel"))
        hop = Address(parse_uri(target).host, 5060)
        call = self.agent.call(target, b"offer", handler=party, hop=hop, headers=lines)
        party.take(call)
        if self.dice.random() < 0.2:
            self.later(self.dice.random() * self.dice.choice((1, 20)), call.hang_up)

    def _called(self, call: IncomingCall) -> None:
        party = Party(self)
        self.parties.append(party)
        call.handler = party
        party.take(call)
        self.seen["replaces"] += call.replaces is not None
        pick = self.dice.random()
        if pick < 0.1:
            call.reject(486)
        elif pick < 0.4:
            call.answer(b"answer")
        else:
            step = self.dice.choice((0.1, 2.0, 8.0))
            early: list[Callable[[], object]] = [
                call.ring,
                lambda: call.progress(b"answer"),
                lambda: call.answer(b"answer"),
                call.hang_up,
                lambda: call.reject(603),
            ]
            for number, what in enumerate(early):
                if self.dice.random() < 0.8:
                    self.later(step * (number + self.dice.random()), _allowed(what))
            self.later(90.0, _allowed(lambda: call.reject(480)))


def _allowed(what: Callable[[], object]) -> Callable[[], None]:
    def do() -> None:
        with suppress(CallStateError):
            what()

    return do


def run(clock: Clock) -> None:
    """Let time jump from one event to the next, until nothing waits any more."""
    while clock.calls:
        assert clock.seconds() < 30 * HOUR, [str(one) for one in clock.calls]
        clock.advance(max(0.0, clock.calls[0].getTime() - clock.seconds()))


@pytest.mark.parametrize(
    ("seed", "hours", "count", "loss"),
    [(1, 24.0, 2000, 0.05), (2, 0.5, 250, 0.0), (3, 0.25, 250, 0.4)],
)
def test_nothing_is_left_of_a_day(seed: int, hours: float, count: int, loss: float) -> None:
    dice = random.Random(seed)
    clock = Clock()
    network = Network(clock, dice, loss)
    left = Side(clock, network, dice, "192.0.2.1", "192.0.2.2")
    right = Side(clock, network, dice, "192.0.2.2", "192.0.2.1")

    def begin(number: int) -> None:
        dice.choice((left, right)).make()
        if number < count:
            clock.callLater(dice.expovariate(count / hours / HOUR), begin, number + 1)

    begin(1)
    with capture_logs() as logs:
        run(clock)

    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []
    for side in (left, right):
        agent = side.agent
        assert agent.live_calls == 0
        idle: list[None] = []
        agent.when_idle().addCallback(idle.append)
        assert idle == [None]
        assert agent._sessions.idle
        assert agent._sessions._by_dialog == {}
        assert len(agent._servers) == len(agent._clients) == 0
        assert {len(party.ends) for party in side.parties} == {1}
        side.parties.clear()
    seen = left.seen + right.seen
    # That it all happened, or the day proves nothing.
    for what in (
        "hung-up-by-us",
        "hung-up-by-peer",
        "cancelled",
        "rejected",
        "refused",
        "changed",
        "pracked",
        "transfer succeeded",
        "transfer failed",
        "transfer refused",
        "replaces",
        "replaced",
        "change refused 488",
    ):
        assert seen[what] > 0, (what, seen)
    if loss > 0.3:
        assert seen["dialog-lost"] + seen["ack-timeout"] + seen["session-expired"] > 0
    gc.collect()
    assert [type(one) for one in gc.get_objects() if isinstance(one, Dialog | Session)] == []
