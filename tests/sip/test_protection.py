"""Attacks on a user agent: what they cost, and that calls go on."""

import gc
from collections import Counter

import pytest
from structlog.testing import capture_logs
from twisted.internet.task import Clock

from ivr.sip import Address, Registrar, Request, parse
from ivr.sip import server_transaction as transactions
from ivr.sip.access import AccessList
from ivr.sip.guard import Guard, Policy, Treatment
from ivr.sip.lockout import FREE_FOR_ONE
from ivr.sip.overload import TICK, LagMeter
from tests.sip.test_registrar import Phone
from tests.sip.wire import (
    OFFER,
    PHONE,
    Wire,
    answer,
    established,
    only_response,
    request,
    status,
)

STRANGER = Address("203.0.113.66", 5060)
NONSENSE = [
    b"\x80" * 200,
    b"SIP/2.0 200 OK\r\n\r\n",
    request().replace(b"Call-ID", b"X"),
    request("OPTIONS").replace(b"CSeq: 1 ", b"CSeq: x "),
    request("REGISTER", headers=("no header",)),
    request(uri="sip:"),
    request(headers=("User-Agent: friendly-scanner",)),
    request()[:-4],
]


def guarded(**policy: object) -> Wire:
    def make(clock: Clock) -> Guard:
        return Guard(clock, Policy(**policy))  # type: ignore[arg-type] # as given

    return Wire(on_call=answer, guard=make)


def test_strangers_get_403_and_the_trunk_its_calls() -> None:
    wire = guarded(known=AccessList([PHONE.host]), unknown=Treatment.REFUSE)
    assert wire.statuses(request(body=OFFER), STRANGER) == [403]
    assert wire.statuses(request("OPTIONS"), STRANGER) == [403]
    assert wire.statuses(request("FOO"), STRANGER) == [403]
    assert wire.statuses(request(body=OFFER)) == [100, 200]


def test_strangers_get_nothing() -> None:
    wire = guarded(known=AccessList([PHONE.host]), unknown=Treatment.DROP)
    assert wire.statuses(request(body=OFFER), STRANGER) == []
    wire.agent.datagram_received(b"\r\n\r\n", STRANGER)
    assert wire.sent == []
    assert wire.statuses(request(body=OFFER)) == [100, 200]


def test_more_calls_a_second_than_allowed_are_put_off() -> None:
    wire = guarded(calls=1)
    seen = [
        wire.statuses(request(body=OFFER, call_id=f"c{number}", branch=f"z9hG4bK{number}"))
        for number in range(3)
    ]
    assert seen == [[100, 200], [100, 200], [503]]
    # A re-INVITE and a BYE of a call that stands are no new calls.
    tag = wire.call.dialog.id[1]
    ack = request("ACK", to_tag=tag, call_id="c1", branch="z9hG4bKack")
    bye = request("BYE", to_tag=tag, call_id="c1", cseq=2)
    assert wire.statuses(ack) == []
    assert wire.statuses(bye) == [200]


def test_calls_at_once_are_counted_until_they_end() -> None:
    wire = guarded(calls_at_once=1)
    tag = established(wire)
    other = request(body=OFFER, call_id="other", branch="z9hG4bKother")
    assert wire.statuses(other) == [503]
    assert wire.statuses(request("BYE", to_tag=tag, cseq=2)) == [200]
    assert wire.statuses(other) == [100, 200]


def test_a_cancel_of_a_call_that_rings_is_no_question_of_a_stranger() -> None:
    wire = Wire(guard=lambda clock: Guard(clock, Policy(requests=1)))
    for number in range(5):
        wire.receive(request("OPTIONS", cseq=number), PHONE)
    wire.receive(request(body=OFFER))
    assert wire.statuses(request("CANCEL", branch="z9hG4bKINVITE1")) == [200, 487]
    assert wire.statuses(request("CANCEL", branch="z9hG4bKnone")) == []


def test_no_new_call_while_the_loop_is_behind() -> None:
    meters = []

    def make(clock: Clock) -> Guard:
        meters.append(LagMeter(clock))
        return Guard(clock, lag=meters[0])

    wire = Wire(on_call=answer, guard=make)
    tag = established(wire)
    meters[0].start()
    for _ in range(20):
        wire.clock.advance(TICK + 0.2)
    wire.take()
    other = request(body=OFFER, call_id="other", branch="z9hG4bKother")
    refused = only_response(wire.receive(other))
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "5")
    assert wire.statuses(request("OPTIONS")) == [503]
    assert wire.statuses(request("BYE", to_tag=tag, cseq=2)) == [200]
    for _ in range(50):
        wire.clock.advance(TICK)
    wire.take()
    assert wire.statuses(other) == [100, 200]
    meters[0].stop()


def test_transactions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_TRANSACTIONS", 10)
    wire = Wire(on_call=lambda call: call.reject(486))
    seen: Counter[int] = Counter()
    for number in range(30):
        data = request(body=OFFER, call_id=f"c{number}", branch=f"z9hG4bK{number}")
        seen.update(wire.statuses(data))
    assert seen == {100: 10, 486: 10, 503: 20}
    wire.clock.pump([1.0] * 40)
    wire.take()
    assert wire.statuses(request(body=OFFER)) == [100, 486]


def test_the_bytes_of_unfinished_transactions_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "MAX_HELD", 100_000)
    wire = Wire(on_call=lambda call: call.reject(486))
    seen: Counter[int] = Counter()
    for number in range(30):
        via = f"SIP/2.0/UDP 192.0.2.10:5062;x={'y' * 20_000};branch=z9hG4bK{number}"
        data = request(body=OFFER, call_id=f"c{number}", via=via)
        seen.update(wire.statuses(data))
    assert seen == {100: 5, 486: 5, 503: 25}
    servers = wire.agent._servers
    assert 100_000 <= servers.held <= 125_000
    wire.clock.pump([1.0] * 40)
    assert (servers.held, len(servers)) == (0, 0)


def test_guessing_a_password_gets_slower_and_slower() -> None:
    guesser = Phone(password="wrong")
    for _ in range(FREE_FOR_ONE):
        guesser.challenge()
        assert guesser.register().status == 401
    guesser.challenge()
    refused = guesser.register()
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "1")
    # The right password makes no difference before the time, and none but the time does.
    guesser.password = "s3cret"
    assert guesser.register().status == 503
    guesser.wire.clock.advance(1)
    guesser.wire.take()
    assert guesser.register().status == 200


def test_an_unknown_user_waits_as_a_known_one_does() -> None:
    def answers(user: str) -> list[tuple[int, str, list[str]]]:
        phone = Phone(user=user, password="wrong")
        seen = []
        for _ in range(FREE_FOR_ONE + 2):
            phone.nonce = ""
            response = phone.register()
            names = [name for name, _ in response.headers]
            seen.append((response.status, response.reason, names))
        return seen

    assert answers("1001") == answers("nobody")


def test_a_lost_nonce_is_no_wrong_password() -> None:
    phone = Phone()
    phone.challenge()
    restarted = Registrar(phone.wire.clock, "solde", {"1001": "s3cret"})
    phone.register()
    for _ in range(FREE_FOR_ONE + 1):
        told = parse(phone.last)
        assert isinstance(told, Request)
        assert restarted.register(told, PHONE).status == 401


class Attack:
    """2,000 bad messages a second against an agent with one call."""

    def __init__(self, sources: int, seconds: int) -> None:
        self.wire = Wire(on_call=answer)
        self.tag = established(self.wire)
        self.answers = 0
        for _ in range(seconds):
            for number in range(2000):
                host = f"203.0.{number % sources // 250}.{number % sources % 250}"
                data = NONSENSE[number % len(NONSENSE)]
                self.wire.agent.datagram_received(data, Address(host, 5060))
                if number % 200 == 199:
                    self.wire.clock.advance(0.1)
            self.answers += len(self.wire.sent)
            self.wire.sent.clear()


@pytest.mark.parametrize("sources", [1, 50, 2000])
def test_2000_bad_messages_a_second_leave_nothing_and_are_hardly_answered(
    sources: int,
) -> None:
    with capture_logs() as logs:
        attack = Attack(sources, seconds=3)
    wire = attack.wire
    # Answers and lines in the log for some, whoever it was.
    assert attack.answers <= 600
    assert len(logs) <= 600
    assert len(wire.agent._servers) <= 1
    assert wire.agent.live_calls == 1
    # The call is there, and new ones from elsewhere come through.
    other = request(body=OFFER, call_id="new", branch="z9hG4bKnew")
    assert [status(one) for one in wire.receive(other)] == [100, 200]
    bye = request("BYE", to_tag=attack.tag, cseq=2)
    assert wire.statuses(bye) == [200]


def test_an_attack_leaves_no_objects_behind() -> None:
    def objects(seconds: int) -> int:
        with capture_logs():
            attack = Attack(100, seconds)
        gc.collect()
        found = len(gc.get_objects())
        assert attack.wire.agent.live_calls == 1
        return found

    objects(1)
    assert objects(4) - objects(2) < 200


def test_a_caller_that_shares_its_address_with_an_attacker_keeps_its_call() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    with capture_logs():
        for number in range(2000):
            data = NONSENSE[number % len(NONSENSE)]
            wire.agent.datagram_received(data, PHONE._replace(port=6666))
    wire.sent.clear()
    assert wire.statuses(request("BYE", to_tag=tag, cseq=2)) == [200]


def test_an_agent_without_a_guard_has_one() -> None:
    wire = Wire()
    scan = request("OPTIONS", headers=("User-Agent: sipvicious",))
    assert wire.receive(scan) == []
