"""Requests too large for a datagram (RFC 3261 §18.1.1)."""

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, Request, Response, Transport, parse
from ivr.sip.client_transaction import ClientTransactions, cancel_of
from ivr.sip.identity import Identity
from ivr.sip.large import LARGEST_DATAGRAM, WITHOUT_TCP, LargeRequests
from tests.sip.test_client_transaction import User
from tests.sip.wire import LOCAL, Wire, request

PEER = Address("192.0.2.10", 5062)
OVER_TCP = PEER._replace(transport=Transport.TCP)
OUR_TCP = Address(LOCAL.host, 5070, Transport.TCP)


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[Request, Address]] = []
        self.broken = False
        self.user = User()
        identity = Identity(LOCAL, others=(OUR_TCP,))
        large = LargeRequests(self.clock, identity)
        self.table = ClientTransactions(self.clock, self.send, large)

    def send(self, data: bytes, to: Address) -> bool:
        message = parse(data)
        assert isinstance(message, Request)
        if not (self.broken and to.transport is Transport.TCP):
            self.sent.append((message, to))
            return True
        return False

    def invite(self, size: int) -> Request:
        short = request(branch="z9hG4bKlarge", headers=("Subject: ",))
        padding = "x" * (size - len(short))
        message = parse(request(branch="z9hG4bKlarge", headers=(f"Subject: {padding}",)))
        assert isinstance(message, Request)
        assert len(message.render()) == size
        self.table.invite(message, PEER, self.user)
        return message

    @property
    def targets(self) -> list[Address]:
        return [to for _, to in self.sent]

    def after(self, seconds: float) -> list[Address]:
        self.sent.clear()
        self.clock.pump([0.5] * int(seconds * 2))
        return self.targets


@pytest.mark.parametrize(
    ("size", "to"), [(LARGEST_DATAGRAM, PEER), (LARGEST_DATAGRAM + 1, OVER_TCP)]
)
def test_above_1300_bytes_a_request_goes_over_tcp(size: int, to: Address) -> None:
    bench = Bench()
    bench.invite(size)
    [(sent, went)] = bench.sent
    assert went == to
    assert sent.via.branch == "z9hG4bKlarge"
    via = "SIP/2.0/UDP 192.0.2.10:5062" if to == PEER else "SIP/2.0/TCP 192.0.2.1:5070"
    assert sent.via.text.startswith(via)


def test_over_tcp_it_is_not_repeated_and_its_cancel_follows_it() -> None:
    bench = Bench()
    invite = bench.invite(2000)
    assert bench.after(10) == []
    assert cancel_of(invite).via == invite.via
    assert invite.via.text.startswith("SIP/2.0/TCP 192.0.2.1:5070")


def test_a_target_that_takes_no_connection_gets_datagrams() -> None:
    bench = Bench()
    bench.invite(2000)
    bench.sent.clear()
    bench.table.unreachable(OVER_TCP)
    [(sent, to)] = bench.sent
    assert to == PEER
    assert sent.via.text.startswith(f"SIP/2.0/UDP {LOCAL.in_uri()};branch=z9hG4bKlarge;rport")
    assert bench.after(1.5) == [PEER, PEER]
    assert bench.user.heard == []
    # The answer is found by the branch, which is the same.
    ok = parse(
        b"SIP/2.0 200 OK\r\n" + request(branch="z9hG4bKlarge", to_tag="t").partition(b"\r\n")[2]
    )
    assert isinstance(ok, Response)
    assert bench.table.response(ok)
    assert bench.user.heard == [(200, "t")]


def test_that_target_gets_datagrams_at_once_for_ten_minutes() -> None:
    bench = Bench()
    bench.invite(2000)
    bench.table.unreachable(OVER_TCP)
    bench.table.close()
    bench.sent.clear()
    bench.invite(2000)
    assert bench.targets == [PEER]
    bench.table.close()
    bench.clock.advance(WITHOUT_TCP)
    bench.sent.clear()
    bench.invite(2000)
    assert bench.targets == [OVER_TCP]


def test_so_does_one_to_which_no_connection_can_even_be_begun() -> None:
    bench = Bench()
    bench.broken = True
    bench.invite(2000)
    assert bench.after(1)[:1] == [PEER]


def test_an_answer_over_tcp_is_the_end_of_it() -> None:
    bench = Bench()
    invite = bench.invite(2000)
    busy = parse(b"SIP/2.0 180 Ringing\r\n" + invite.render().partition(b"\r\n")[2])
    assert isinstance(busy, Response)
    bench.table.response(busy)
    bench.sent.clear()
    bench.table.unreachable(OVER_TCP)
    assert bench.targets == []
    assert len(bench.user.heard) == 2


@pytest.mark.parametrize(("others", "transport"), [((), "UDP"), ((OUR_TCP,), "TCP")])
def test_only_who_is_reached_over_tcp_calls_over_it(
    others: tuple[Address, ...], transport: str
) -> None:
    wire = Wire(others=others, on_call=lambda call: call.answer(b"v=0\r\n"))
    contact = f"<sip:{'a' * 1300}@192.0.2.10:5062>"
    ok = wire.receive(request(body=b"v=0\r\n", contact=contact))[1]
    wire.receive(request("ACK", to_tag=ok.to.tag, branch="z9hG4bKack"))
    wire.call.hang_up()
    bye = wire.take()[0]
    assert bye.via.protocol == f"SIP/2.0/{transport}"
