"""The same session on the calling side: timers, glare, credentials, transfers."""

from dataclasses import replace

import pytest

from ivr.sip import CallEnd
from ivr.sip.digest_client import Credentials
from ivr.sip.session_timer import TimerPolicy
from tests.sip.callee import TRUNK, Call
from tests.sip.peers import MORE, outcome
from tests.sip.wire import ANSWER, OFFER, Wire, request

PASSWORD = replace(TRUNK, credentials=(Credentials("solde", "secret"),))
CHALLENGE = 'Proxy-Authenticate: Digest realm="pbx", nonce="{}", qop="auth"'


def answered(*headers: str, **more: object) -> Call:
    call = Call(**more)  # type: ignore[arg-type] # what a test asks for
    call.hears(200, *headers, body=ANSWER)
    return call


def test_our_invite_asks_for_a_timer_that_the_other_side_chooses_for() -> None:
    call = Call()
    invite = call.last()
    assert invite.headers.get("Session-Expires") == "1800"
    assert "timer" in invite.headers.values("Supported")
    call.hears(200, "Session-Expires: 600;refresher=uas", "Require: timer", body=ANSWER)
    assert call.pass_time(567, 1) == []
    assert call.pass_time(1, 1) == ["BYE"]
    assert call.handler.ends == [CallEnd.SESSION_EXPIRED]


@pytest.mark.parametrize(
    ("allow", "method"), [("Allow: INVITE, UPDATE, BYE", "UPDATE"), ("Allow: BYE", "INVITE")]
)
def test_we_refresh_when_it_is_ours(allow: str, method: str) -> None:
    call = answered("Session-Expires: 600;refresher=uac", allow)
    assert call.pass_time(299, 1) == []
    assert call.pass_time(1, 1) == [method]
    refresh = call.last(method)
    assert refresh.headers.get("Session-Expires") == "600;refresher=uac"
    assert refresh.body == (OFFER if method == "INVITE" else b"")
    call.hears(200, "Session-Expires: 600;refresher=uac", to=refresh, body=ANSWER)
    assert call.pass_time(299, 1) == []
    assert call.pass_time(1, 1) == [method]


def test_without_an_answer_to_that_there_is_no_timer() -> None:
    call = answered()
    assert call.pass_time(4000, 10) == []


def test_422_is_answered_by_a_longer_wish() -> None:
    call = Call(wire=Wire(timers=TimerPolicy(300, 90)))
    assert call.hears(422, "Min-SE: 900") == ["ACK", "INVITE"]
    again = call.last()
    assert again.headers.get("Session-Expires") == "900"
    assert again.headers.get("Min-SE") == "900"
    assert again.cseq.number == 2


def test_who_chose_the_call_id_backs_off_longer() -> None:
    call = answered()
    got = outcome(call.call.renegotiate(lambda: MORE))
    call.look()
    first = call.last()
    call.hears(491, to=first)
    assert call.pass_time(2.0, 0.1) == []
    call.pass_time(2.2, 0.1)
    second = call.last()
    assert second.cseq.number == first.cseq.number + 1
    call.hears(200, to=second, body=ANSWER)
    assert got == [ANSWER]


def test_credentials_go_with_whatever_is_asked_inside_the_call() -> None:
    call = answered(trunk=PASSWORD)
    got = outcome(call.call.renegotiate(lambda: MORE))
    call.look()
    bare = call.last()
    assert "Proxy-Authorization" not in bare.headers
    assert call.hears(407, CHALLENGE.format("one"), to=bare) == ["ACK", "INVITE"]
    invite = call.last()
    assert 'nonce="one"' in invite.headers.get("Proxy-Authorization")
    call.hears(200, to=invite, body=ANSWER)
    assert got == [ANSWER]
    ack = call.last("ACK")
    assert ack.headers.get("Proxy-Authorization") == invite.headers.get("Proxy-Authorization")

    outcome(call.call.update())
    call.look()
    update = call.last("UPDATE")
    assert "nc=00000002" in update.headers.get("Proxy-Authorization")
    assert call.hears(407, CHALLENGE.format("two"), to=update) == ["UPDATE"]
    again = call.last("UPDATE")
    assert 'nonce="two"' in again.headers.get("Proxy-Authorization")
    call.hears(200, to=again)
    call.call.hang_up()
    assert call.look() == ["BYE"]
    assert 'nonce="two"' in call.last("BYE").headers.get("Proxy-Authorization")
    call.hears(407, CHALLENGE.format("three"), to=call.last("BYE"))
    call.accept_all()
    assert call.quiet()


def test_credentials_that_are_refused_are_not_tried_again() -> None:
    call = answered(trunk=PASSWORD)
    got = outcome(call.call.update())
    call.look()
    assert call.hears(407, CHALLENGE.format("one"), to=call.last("UPDATE")) == ["UPDATE"]
    assert call.hears(407, CHALLENGE.format("two"), to=call.last("UPDATE")) == []
    assert [error.status for error in got] == [407]
    assert call.call.live


def test_a_call_of_ours_is_transferred_and_can_be_taken_over() -> None:
    call = answered()
    got = outcome(call.call.transfer("sip:agent@example.com"))
    assert call.look() == ["REFER"]
    call.hears(202, to=call.last("REFER"))
    invite = call.last()
    notify = request("NOTIFY", cseq=1, headers=("Event: refer", "Subscription-State: active"))
    lines = notify.decode().split("\r\n")
    replaced = {
        "From": "From: <sip:+3399@192.0.2.20>;tag=callee",
        "To": f"To: <sip:solde@192.0.2.1:5060>;tag={invite.from_.tag}",
        "Call-ID": f"Call-ID: {invite.call_id}",
        "Content-Length": "Content-Type: message/sipfrag\r\nContent-Length: 14",
    }
    lines = [replaced.get(line.partition(":")[0], line) for line in lines]
    data = "\r\n".join(lines).encode() + b"SIP/2.0 200 OK"
    [ok] = call.wire.receive(data)
    assert getattr(ok, "status", 0) == 200
    assert got[0].succeeded


def test_a_re_invite_of_the_other_side_before_its_answer_is_491() -> None:
    call = Call()
    invite = call.last()
    call.hears(183, body=ANSWER)
    early = request("INVITE", cseq=1, body=OFFER).decode()
    early = early.replace(
        'From: "Debtor" <sip:+3399@phones.example.com>;tag=1928301774',
        "From: <sip:+3399@192.0.2.20>;tag=callee",
    )
    early = early.replace(
        "pay.example.com>\r\n", f"pay.example.com>;tag={invite.from_.tag}\r\n"
    )
    early = early.replace("a84b4c76e66710@pc33", invite.call_id)
    [refused] = call.wire.receive(early.encode())
    assert getattr(refused, "status", 0) == 491
