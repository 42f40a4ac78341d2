"""Client transactions alone (RFC 3261 §17.1, RFC 6026 §8)."""

from dataclasses import dataclass, field

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, Request, Response, Transport, parse
from ivr.sip.client_transaction import ClientTransactions, Failure, cancel_of
from tests.sip.wire import OFFER, request

PEER = Address("192.0.2.10", 5062)
OVER_TCP = Address("192.0.2.10", 5062, Transport.TCP)


@dataclass
class User:
    heard: list[object] = field(default_factory=list)

    def provisional(self, response: Response) -> None:
        self.heard.append(response.status)

    def accepted(self, response: Response) -> None:
        self.heard.append((response.status, response.to.tag))

    def refused(self, response: Response) -> None:
        self.heard.append(response.status)

    def failed(self, failure: Failure) -> None:
        self.heard.append(failure)


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, Request]] = []
        self.broken = False
        self.user = User()
        self.table = ClientTransactions(self.clock, self.send)

    def send(self, data: bytes, to: Address) -> bool:
        assert to.host == PEER.host
        if not self.broken:
            message = parse(data)
            assert isinstance(message, Request)
            self.sent.append((self.clock.seconds(), message))
        return not self.broken

    def invite(self, to: Address = PEER) -> Request:
        message = parse(request(body=OFFER, headers=("Route: <sip:p;lr>",)))
        assert isinstance(message, Request)
        self.table.invite(message, to, self.user)
        return message

    def respond(self, invite: Request, status: int, tag: str = "a") -> bool:
        lines = [
            f"SIP/2.0 {status} Whatever",
            *(f"{name}: {invite.headers.get(name)}" for name in ("Via", "From", "Call-ID")),
            f"To: {invite.headers.get('To')};tag={tag}",
            f"CSeq: {invite.headers.get('CSeq')}",
        ]
        message = parse("\r\n".join([*lines, "", ""]).encode())
        assert isinstance(message, Response)
        return self.table.response(message)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.25] * int(seconds * 4))

    def take(self) -> list[tuple[float, str]]:
        taken = [(when, message.method) for when, message in self.sent]
        self.sent.clear()
        return taken


def test_timer_a_doubles_without_limit_until_timer_b() -> None:
    bench = Bench()
    bench.invite()
    bench.pass_time(31.75)
    assert [when for when, _ in bench.take()] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.user.heard == []
    bench.pass_time(0.25)
    assert bench.user.heard == [Failure.TIMEOUT]
    assert (len(bench.table), bench.clock.getDelayedCalls()) == (0, [])


def test_nothing_is_repeated_over_a_connection() -> None:
    bench = Bench()
    bench.invite(OVER_TCP)
    bench.pass_time(32)
    assert bench.take() == [(0, "INVITE")]
    assert bench.user.heard == [Failure.TIMEOUT]


def test_a_provisional_response_ends_both_timers() -> None:
    bench = Bench()
    invite = bench.invite()
    assert bench.respond(invite, 100)
    assert bench.respond(invite, 180)
    bench.pass_time(600)
    assert bench.take() == [(0, "INVITE")]
    assert bench.user.heard == [100, 180]


def test_a_refusal_is_acknowledged_inside_as_often_as_it_comes_until_timer_d() -> None:
    bench = Bench()
    invite = bench.invite()
    bench.respond(invite, 486)
    bench.pass_time(31)
    assert bench.respond(invite, 486)
    assert bench.user.heard == [486]
    _, (_, ack), (_, again) = bench.sent
    assert ack == again
    assert (ack.method, ack.uri_text, ack.cseq) == ("ACK", invite.uri_text, (1, "ACK"))
    assert ack.to.tag == "a"
    assert ack.headers.lines("Via") == invite.headers.lines("Via")
    assert ack.headers.lines("Route") == ["<sip:p;lr>"]
    assert ack.body == b""
    for late in (180, 200):
        assert bench.respond(invite, late)
    assert bench.user.heard == [486]
    bench.pass_time(1)
    assert not bench.respond(invite, 486)
    assert (len(bench.table), bench.clock.getDelayedCalls()) == (0, [])


def test_every_2xx_goes_to_the_user_until_timer_m_and_nothing_else_does() -> None:
    bench = Bench()
    invite = bench.invite()
    bench.respond(invite, 200)
    bench.pass_time(31)
    for status, tag in ((200, "a"), (200, "b"), (180, "c"), (486, "d")):
        assert bench.respond(invite, status, tag)
    assert bench.user.heard == [(200, "a"), (200, "a"), (200, "b")]
    assert bench.take() == [(0, "INVITE")]
    bench.pass_time(1)
    assert not bench.respond(invite, 200)
    assert (len(bench.table), bench.clock.getDelayedCalls()) == (0, [])


def test_what_cannot_leave_twice_is_a_transport_failure() -> None:
    bench = Bench()
    bench.broken = True
    bench.invite()
    assert bench.user.heard == []
    bench.pass_time(0.5)
    assert bench.user.heard == [Failure.TRANSPORT]
    assert bench.clock.getDelayedCalls() == []


def test_a_lost_first_copy_is_no_failure() -> None:
    bench = Bench()
    bench.broken = True
    invite = bench.invite()
    bench.broken = False
    bench.pass_time(0.5)
    assert bench.take() == [(0.5, "INVITE")]
    assert bench.respond(invite, 200)


@pytest.mark.parametrize("to", [PEER, OVER_TCP])
def test_a_connection_that_fails_is_said_at_once(to: Address) -> None:
    bench = Bench()
    bench.broken = to == OVER_TCP
    bench.invite(to)
    if to == OVER_TCP:
        bench.clock.advance(0)
    else:
        bench.table.unreachable(OVER_TCP)
        assert bench.user.heard == []
        bench.table.unreachable(PEER)
    assert bench.user.heard == [Failure.TRANSPORT]
    assert bench.clock.getDelayedCalls() == []


def test_cancel_is_made_of_its_invite() -> None:
    bench = Bench()
    invite = bench.invite()
    cancel = cancel_of(invite)
    assert (cancel.method, cancel.uri_text, cancel.cseq) == (
        "CANCEL",
        invite.uri_text,
        (1, "CANCEL"),
    )
    for name in ("Via", "Route", "From", "To", "Call-ID"):
        assert cancel.headers.lines(name) == invite.headers.lines(name)


def test_closing_leaves_nothing() -> None:
    bench = Bench()
    first = bench.invite()
    bench.respond(first, 200)
    bench.table.begin(cancel_of(first), PEER, bench.user.heard.append)
    bench.table.close()
    assert (len(bench.table), bench.clock.getDelayedCalls()) == (0, [])
    assert bench.user.heard == [(200, "a")]
