"""Who is heard, and who is answered (ivr/sip/guard.py), through the seam alone."""

from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, Request, parse
from ivr.sip.access import AccessList
from ivr.sip.guard import NO_REPLY, TIME_OUT, Guard, Policy, Treatment
from tests.sip.wire import PHONE, request

TRUNK = Address("198.51.100.5", 5060)
KNOWN = AccessList(["198.51.100.0/24"])
OPTIONS = request("OPTIONS")
SCAN = request("OPTIONS", headers=("User-Agent: friendly-scanner",))


def parsed(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def judged(guard: Guard, data: bytes, source: Address = PHONE) -> int | None:
    reply = guard.judge(parsed(data), source)
    return None if reply is None else reply.status


def test_by_default_everybody_is_heard_but_scanners() -> None:
    guard = Guard(Clock())
    assert guard.hears(OPTIONS, PHONE)
    assert guard.hears(b"", PHONE)
    assert not guard.hears(SCAN, PHONE)
    assert guard.dropped == 1


@pytest.mark.parametrize(
    "agent", ["sipvicious", "friendly-scanner", "SIPCLI/v1.8", "Some sundayddr", "sip-scan"]
)
def test_scanners_are_known_by_what_they_call_themselves(agent: str) -> None:
    data = request("REGISTER", headers=(f"USER-AGENT:\t{agent}",))
    assert not Guard(Clock()).hears(data, PHONE)
    refusing = Guard(Clock(), Policy(scanners=Treatment.REFUSE))
    assert refusing.hears(data, PHONE)
    assert judged(refusing, data) == 403
    accepting = Guard(Clock(), Policy(scanners=Treatment.ACCEPT))
    assert accepting.hears(data, PHONE)
    assert judged(accepting, data) is None


def test_another_header_that_names_a_scanner_is_none() -> None:
    data = request("OPTIONS", headers=("Subject: friendly-scanner", "User-Agent: Phone/1.0"))
    assert Guard(Clock()).hears(data, PHONE)


def test_who_is_denied_is_not_heard_even_from_a_known_network() -> None:
    guard = Guard(Clock(), Policy(known=KNOWN, denied=AccessList(deny=[TRUNK.host])))
    assert not guard.hears(OPTIONS, TRUNK)
    assert not guard.admits(TRUNK.host)
    assert guard.hears(OPTIONS, PHONE)


def test_strangers_are_refused() -> None:
    guard = Guard(Clock(), Policy(known=KNOWN, unknown=Treatment.REFUSE))
    assert guard.hears(OPTIONS, PHONE)
    assert judged(guard, OPTIONS) == 403
    assert judged(guard, OPTIONS, TRUNK) is None


def test_strangers_are_not_heard_but_where_they_answer() -> None:
    guard = Guard(Clock(), Policy(known=KNOWN, unknown=Treatment.DROP))
    assert not guard.hears(OPTIONS, PHONE)
    assert not guard.admits(PHONE.host)
    assert guard.hears(b"SIP/2.0 200 OK\r\n\r\n", PHONE)
    assert guard.hears(OPTIONS, TRUNK)


def test_who_has_proven_to_be_known_is_no_stranger() -> None:
    flow = PHONE._replace(port=40_000)
    for unknown in (Treatment.DROP, Treatment.REFUSE):
        guard = Guard(Clock(), Policy(known=KNOWN, unknown=unknown))
        guard.proven = lambda source: source == flow
        assert guard.hears(OPTIONS, flow)
        assert judged(guard, OPTIONS, flow) is None
        assert judged(guard, OPTIONS, PHONE) == (403 if unknown is Treatment.REFUSE else None)


def test_who_may_yet_prove_it_may_connect_unless_denied() -> None:
    policy = Policy(AccessList(["192.0.2.0/24"]), AccessList(deny=["198.51.100.5"]))
    guard = Guard(Clock(), replace(policy, unknown=Treatment.DROP))
    assert not guard.admits("203.0.113.1")
    assert guard.admits("203.0.113.1", may_prove=True)
    assert not guard.admits("198.51.100.5", may_prove=True)


def test_a_message_that_is_too_large_is_not_read() -> None:
    guard = Guard(Clock(), Policy(max_message=len(OPTIONS)))
    assert guard.hears(OPTIONS, PHONE)
    assert not guard.hears(OPTIONS + b"\r", PHONE)


def test_calls_per_second_and_source() -> None:
    clock = Clock()
    guard = Guard(clock, Policy(calls=2))
    assert [judged(guard, request()) for _ in range(6)] == [None] * 4 + [503] * 2
    assert judged(guard, request(), TRUNK) is None
    clock.advance(1)
    assert [judged(guard, request()) for _ in range(3)] == [None, None, 503]
    refusal = guard.judge(parsed(request()), PHONE)
    assert refusal is not None
    assert dict(refusal.headers)["Retry-After"] == "5"


def test_calls_at_once() -> None:
    guard = Guard(Clock(), Policy(calls_at_once=2))
    live = {PHONE.host: 1}
    guard.calls_from = lambda host: live.get(host, 0)
    assert judged(guard, request()) is None
    live[PHONE.host] = 2
    assert judged(guard, request()) == 503
    assert judged(guard, request(), TRUNK) is None


def test_strangers_may_ask_so_often_and_trunks_as_they_like() -> None:
    guard = Guard(Clock(), Policy(known=KNOWN, requests=5))
    for method in ("OPTIONS", "REGISTER"):
        asked = [guard.judge(parsed(request(method)), PHONE) for _ in range(20)]
        assert asked.count(NO_REPLY) >= 10
    assert [judged(guard, OPTIONS, TRUNK) for _ in range(20)] == [None] * 20


def test_registrations_are_limited_for_trunks_too() -> None:
    guard = Guard(Clock(), Policy(known=KNOWN, registrations=1))
    replies = [guard.judge(parsed(request("REGISTER")), TRUNK) for _ in range(3)]
    assert replies == [None, None, NO_REPLY]


def test_a_stranger_who_talks_nonsense_is_not_listened_to_for_a_while() -> None:
    clock = Clock()
    guard = Guard(clock, Policy(malformed=5))
    answered = [guard.answers_malformed(PHONE) for _ in range(11)]
    assert answered == [True] * 10 + [False]
    assert not guard.hears(OPTIONS, PHONE)
    assert guard.hears(OPTIONS, TRUNK)
    clock.advance(TIME_OUT)
    assert guard.hears(OPTIONS, PHONE)


def test_who_has_a_call_is_listened_to_whatever_comes_from_there() -> None:
    guard = Guard(Clock(), Policy(malformed=5))
    guard.calls_from = lambda host: 1
    answered = [guard.answers_malformed(PHONE) for _ in range(50)]
    assert answered.count(True) == 10
    assert guard.hears(OPTIONS, PHONE)


def test_a_call_that_begins_during_the_time_out_ends_it() -> None:
    guard = Guard(Clock(), Policy(malformed=1))
    for _ in range(5):
        guard.answers_malformed(PHONE)
    assert not guard.hears(OPTIONS, PHONE)
    guard.calls_from = lambda host: 1
    assert guard.hears(OPTIONS, PHONE)


def test_all_together_are_answered_so_much_nonsense_and_no_more() -> None:
    guard = Guard(Clock(), Policy(malformed=1))
    hosts = [Address(f"203.0.113.{number}", 5060) for number in range(100)]
    assert sum(guard.answers_malformed(host) for host in hosts) == 20


def test_what_is_remembered_is_bounded() -> None:
    guard = Guard(Clock(), Policy(malformed=1, calls=1))
    for number in range(30_000):
        source = Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060)
        for _ in range(3):
            guard.answers_malformed(source)
        guard.hears(b"x", source)
    assert len(guard._out) <= 10_000
    assert guard._malformed is not None
    assert len(guard._malformed) <= 10_000
