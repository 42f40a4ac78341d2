"""The pool of connections, without a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.sip import Address, Transport
from ivr.sip.connection import MAX_OWED, StreamLimits
from ivr.sip.stream import PING, PONG
from tests.sip.net import PHONE, TRUNK, Net
from tests.sip.wire import request

MESSAGE = request("OPTIONS")


def test_the_answer_goes_over_the_connection_the_request_came_over() -> None:
    net = Net()
    line = net.accepted()
    line.receive(MESSAGE + MESSAGE)
    assert net.got == [(MESSAGE, PHONE)] * 2
    sent_by = Address(PHONE.host, 5062, Transport.TCP, flow=PHONE[:2])
    net.pool.send(b"answer", sent_by)
    net.pool.send(b" again", PHONE)
    assert line.take() == b"answer again"
    assert net.dialled == []


def test_when_that_connection_is_gone_the_answer_goes_to_sent_by() -> None:
    net = Net()
    net.accepted().end()
    sent_by = Address(PHONE.host, 5062, Transport.TCP, flow=PHONE[:2])
    net.pool.send(b"one", sent_by)
    net.pool.send(b"two", sent_by)
    assert [to for to, _, _ in net.dialled] == [sent_by._replace(flow=None)]
    assert net.answer().take() == b"onetwo"


def test_one_connection_is_used_for_one_target_both_ways() -> None:
    net = Net()
    net.pool.send(b"a", TRUNK)
    line = net.answer()
    net.pool.send(b"b", TRUNK)
    line.receive(MESSAGE)
    [(_, source)] = net.got
    net.pool.send(b"c", source)
    assert line.take() == b"abc"
    line.end()
    net.pool.send(b"d", TRUNK)
    assert len(net.dialled) == 1


def test_a_target_that_cannot_be_reached_is_told_once() -> None:
    net = Net()
    net.pool.send(b"a", TRUNK)
    net.pool.send(b"b", TRUNK)
    [(_, _, outcome)] = net.dialled
    outcome.errback(OSError())
    assert net.lost == [TRUNK]
    assert len(net.pool) == 0
    assert net.clock.getDelayedCalls() == []


def test_a_ping_is_answered_once_for_all_that_came_together() -> None:
    net = Net()
    line = net.accepted()
    line.receive(PING * 3)
    assert line.take() == PONG
    assert net.got == []


def test_what_cannot_be_followed_is_closed_after_what_could() -> None:
    net = Net()
    line = net.accepted()
    line.receive(MESSAGE + b"GET / HTTP/1.1\r\n\r\n")
    assert net.got == [(MESSAGE, PHONE)]
    assert not line.is_open()
    assert net.clock.getDelayedCalls() == []


@pytest.mark.parametrize("drips", [b"", b"\r\n", b"OPTIONS sip:a"])
def test_a_slow_sender_has_ten_seconds_for_its_first_message(drips: bytes) -> None:
    net = Net()
    line = net.accepted()
    for at in range(9):
        line.receive(drips[at : at + 1])
        net.after(1)
    assert line.is_open()
    net.after(1)
    assert not line.is_open()


def test_a_later_message_has_ten_seconds_from_its_first_byte() -> None:
    net = Net()
    line = net.accepted()
    line.receive(MESSAGE)
    net.after(600)
    line.receive(MESSAGE[:5])
    net.after(9)
    line.receive(MESSAGE[5:] + MESSAGE[:5])
    net.after(9)
    assert line.is_open()
    net.after(1)
    assert not line.is_open()
    assert net.got == [(MESSAGE, PHONE)] * 2


def test_silence_closes_after_half_an_hour_and_a_ping_is_no_silence() -> None:
    net = Net()
    line = net.accepted()
    line.receive(MESSAGE)
    net.after(1700)
    line.receive(PING)
    net.after(1700)
    assert line.is_open()
    net.after(100)
    assert not line.is_open()


def test_a_connection_of_ours_is_pinged_and_a_peer_that_answers_must_go_on_answering() -> None:
    net = Net()
    net.pool.send(b"", TRUNK)
    line = net.answer()
    net.after(100)
    assert line.take() == PING
    net.after(200)  # a peer that knows no pings is left alone
    assert line.is_open()
    line.take()
    line.receive(PONG)
    net.after(100)
    assert line.take() == PING
    net.after(9)
    assert line.is_open()
    net.after(1)
    assert not line.is_open()
    assert net.lost == []


def test_there_is_a_limit_for_each_source_and_for_all() -> None:
    net = Net(StreamLimits(per_source=2, total=4))
    others = [Address(f"192.0.2.{number}", 1, Transport.TCP) for number in (20, 21, 22)]
    first = net.accepted()
    second = net.accepted(PHONE._replace(port=2))
    assert net.accept(PHONE._replace(port=3)) is None
    assert [net.accept(other) is not None for other in others] == [True, True, False]
    with pytest.raises(OSError, match="too many connections"):
        net.pool.send(b"", TRUNK)
    first.end()
    assert net.accept(PHONE._replace(port=3)) is not None
    second.end()
    assert len(net.pool) == 3


def test_a_listener_may_turn_a_host_away() -> None:
    net = Net()
    net.acceptor = net.pool.accepting(Transport.TCP, lambda host: host != PHONE.host)
    assert net.accept() is None
    assert net.accept(TRUNK) is not None


def test_a_peer_that_does_not_read_is_let_go() -> None:
    net = Net()
    line = net.accepted()
    line.connection.pauseProducing()
    net.pool.send(b"x" * (MAX_OWED - 1), PHONE)
    line.connection.resumeProducing()
    net.pool.send(b"x" * MAX_OWED, PHONE)
    line.connection.pauseProducing()
    net.pool.send(b"x" * MAX_OWED, PHONE)
    with pytest.raises(OSError, match="does not read"):
        net.pool.send(b"x", PHONE)
    assert not line.is_open()


def test_a_close_that_the_peer_holds_up_is_cut_short() -> None:
    net = Net()
    line = net.accepted()
    line.stuck = True
    done: list[None] = []
    net.pool.close().addCallback(done.append)
    line.receive(MESSAGE)
    net.after(9)
    assert (done, net.got) == ([], [])
    net.after(1)
    assert done == [None]
    assert net.clock.getDelayedCalls() == []


def test_nothing_goes_over_a_connection_that_is_being_closed() -> None:
    net = Net()
    net.pool.send(b"a", TRUNK)
    line = net.answer()
    line.stuck = True
    line.receive(MESSAGE + b"garbage\r\n")
    net.pool.send(b"b", TRUNK)
    net.pool.send(b"c", TRUNK)
    assert net.answer().take() == b"bc"
    assert line.take() == b"a"


def test_closing_an_empty_pool_is_done_at_once() -> None:
    done: list[None] = []
    Net().pool.close().addCallback(done.append)
    assert done == [None]


def test_a_call_that_is_not_answered_yet_can_be_given_up() -> None:
    net = Net()
    net.pool.send(b"", TRUNK)
    done: list[None] = []
    net.pool.close().addCallback(done.append)
    assert done == [None]
    assert net.dialled[0][2].called


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([MESSAGE, PING, b"\r\n", MESSAGE[:9]]))
)
def test_arbitrary_bytes_never_raise_and_leave_nothing(chunks: list[bytes]) -> None:
    net = Net()
    line = net.accepted()
    for chunk in chunks:
        line.receive(chunk)
    line.end()
    assert len(net.pool) == 0
    assert net.clock.getDelayedCalls() == []
