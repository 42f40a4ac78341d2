"""Whether a trunk is up (RFC 3261 §11)."""

import pytest

from ivr.sip import CallEnd, Request, parse
from ivr.sip.outcome import Outcome
from ivr.sip.trunk import Trunk
from ivr.sip.watch import LineState, Watch
from tests.sip.callee import CALLEE, Call, reply
from tests.sip.wire import OFFER, Wire, request

TRUNK = Trunk("carrier", "192.0.2.20", ping_interval=60)


class Watched:
    def __init__(self) -> None:
        self.states: list[LineState] = []
        self.wire = Wire(on_line=lambda line: self.states.append(line.watch.status.state))
        line = self.wire.agent.trunks.use(TRUNK)
        assert line.watch is not None
        self.watch: Watch = line.watch
        self.watch._below = lambda _: 100
        self.pings: list[Request] = []
        self.look()

    def look(self) -> int:
        before = len(self.pings)
        for data, to in self.wire.sent:
            message = parse(data)
            assert isinstance(message, Request)
            assert (message.method, to) == ("OPTIONS", CALLEE)
            self.pings.append(message)
        self.wire.sent.clear()
        return len(self.pings) - before

    def answer(self, code: int = 200) -> None:
        self.wire.agent.datagram_received(reply(self.pings[-1], code), CALLEE)

    def after(self, seconds: float) -> int:
        for _ in range(int(seconds * 2)):
            self.wire.clock.advance(0.5)
        return self.look()

    def state(self) -> LineState:
        return self.watch.status.state


def test_a_ping_is_an_options_outside_all_dialogs() -> None:
    watched = Watched()
    [ping] = watched.pings
    assert ping.uri_text == "sip:192.0.2.20"
    assert ping.to.tag == ""
    assert watched.state() is LineState.UNKNOWN


@pytest.mark.parametrize("code", [200, 404, 405, 403, 483, 500])
def test_any_answer_shows_that_somebody_is_there(code: int) -> None:
    watched = Watched()
    watched.wire.clock.advance(0.25)
    watched.answer(code)
    assert (watched.state(), watched.states) == (LineState.UP, [LineState.UP])
    assert watched.watch.status.round_trip == 0.25
    assert watched.after(59.5) == 0
    assert watched.after(0.5) == 1
    assert watched.pings[0].call_id != watched.pings[1].call_id


@pytest.mark.parametrize("code", [408, 503, 504])
def test_it_takes_three_failures_to_be_down_and_two_answers_to_be_up(code: int) -> None:
    watched = Watched()
    watched.answer()
    watched.after(60)
    for _ in range(2):
        watched.answer(code)
        assert watched.state() is LineState.UP
        assert watched.after(10) == 1  # in doubt, pings come faster
    watched.answer(code)
    assert watched.state() is LineState.DOWN
    assert watched.watch.status.last is not None
    assert watched.watch.status.last.status == code
    watched.after(10)
    watched.answer()
    assert watched.state() is LineState.DOWN
    watched.after(10)
    watched.answer(code)
    watched.after(10)
    watched.answer()
    watched.after(10)
    assert watched.state() is LineState.DOWN
    watched.answer()
    assert watched.state() is LineState.UP
    assert watched.states == [LineState.UP, LineState.DOWN, LineState.UP]


def test_one_lost_answer_is_forgiven() -> None:
    watched = Watched()
    watched.answer()
    watched.after(60)
    watched.after(32)
    assert watched.watch.status.in_a_row == 1
    watched.after(10)
    watched.answer()
    assert (watched.state(), watched.watch.status.in_a_row) == (LineState.UP, 0)


def test_who_never_answered_is_down_after_three() -> None:
    watched = Watched()
    watched.after(3 * 32 + 2 * 10 + 1)
    assert watched.states == [LineState.DOWN]
    since = watched.watch.status.since
    watched.after(100)
    assert watched.watch.status.since == since


def test_nothing_is_left_when_it_is_closed() -> None:
    for answered in (False, True):
        watched = Watched()
        if answered:
            watched.answer()
        watched.wire.agent.trunks.unregister()
        watched.answer()
        watched.after(64)
        assert watched.wire.clock.getDelayedCalls() == []


def test_no_pings_where_none_are_wanted() -> None:
    wire = Wire()
    wire.agent.trunks.use(Trunk("quiet", "192.0.2.20", ping_interval=0))
    assert wire.sent == []
    assert wire.clock.getDelayedCalls() == []


def test_a_trunk_that_is_down_makes_no_call_and_takes_those_that_come() -> None:
    watched = Watched()
    for _ in range(3):
        watched.answer(503)
        watched.after(10)
    assert watched.state() is LineState.DOWN
    refused = Call(trunk=TRUNK, wire=watched.wire)
    watched.wire.clock.advance(0)
    assert refused.handler.heard == [("ended", CallEnd.REFUSED)]
    assert refused.call.outcome == Outcome(503, "Trunk is down", local=True)
    assert refused.look() == []
    assert watched.wire.statuses(request(body=OFFER), CALLEE) == [100]
    for _ in range(2):
        watched.answer(200)
        watched.after(10)
    assert watched.state() is LineState.UP
    assert Call(trunk=TRUNK, wire=watched.wire).last().method == "INVITE"
