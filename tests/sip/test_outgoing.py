"""Calls that we make: progress, answer, refusal, no answer (RFC 3261 §13.2, RFC 3262)."""

import gc
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.sip import Address, CallEnd, CallStateError, MalformedMessageError
from ivr.sip.attempt import Attempt
from ivr.sip.errors import SipError
from ivr.sip.outcome import Outcome
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.trunk import Trunk
from tests.sip.callee import CALLEE, TRUNK, Call, Caller, reply
from tests.sip.wire import ANSWER, LOCAL, OFFER, PHONE, Wire, request, status

EARLY = b"v=0\r\nearly\r\n"


def test_the_invite_says_who_calls_whom_and_what_we_can_do() -> None:
    call = Call("+33 1".replace(" ", ""))
    [(invite, to)] = call.sent
    assert to == CALLEE
    assert invite.uri_text == "sip:+331@192.0.2.20;user=phone"
    assert invite.headers.get("To") == "<sip:+331@192.0.2.20;user=phone>"
    assert invite.from_.uri_text == "sip:solde@192.0.2.1:5060"
    assert invite.from_.tag != ""
    assert invite.cseq == (1, "INVITE")
    assert invite.via.sent_by == "192.0.2.1:5060"
    assert invite.via.has_unique_branch
    assert invite.headers.get("Max-Forwards") == "70"
    assert invite.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert {"INVITE", "ACK", "CANCEL", "BYE"} <= set(invite.headers.values("Allow"))
    assert "100rel" in invite.headers.values("Supported")
    assert invite.headers.get("User-Agent") == "Solde"
    assert (invite.headers.get("Content-Type"), invite.body) == ("application/sdp", OFFER)
    assert call.call.id == invite.call_id


def test_the_caller_the_route_and_further_headers_are_ours_to_choose() -> None:
    trunk = Trunk(
        "carrier",
        "carrier.example",
        caller="sip:+3312345@pay.example",
        caller_name='Solde "Pay"',
        asserted_identity="sip:+3312345@pay.example",
        outbound_proxy="sip:192.0.2.30:5070;transport=udp",
        ping_interval=0,
    )
    call = Call("+3399", trunk=trunk, headers=[("x-campaign", "7")])
    [(invite, to)] = call.sent
    assert to == Address("192.0.2.30", 5070)
    assert invite.headers.lines("Route") == ["<sip:192.0.2.30:5070;transport=udp;lr>"]
    assert invite.uri_text == "sip:+3399@carrier.example;user=phone"
    assert invite.from_.display_name == 'Solde "Pay"'
    assert invite.from_.uri_text == "sip:+3312345@pay.example"
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+3312345@pay.example>"
    assert invite.headers.get("X-Campaign") == "7"
    other = Call(caller='"Bob" <sip:bob@h>', route=["sip:192.0.2.40;lr"], trunk=trunk)
    [(invite, to)] = other.sent
    assert (invite.from_.display_name, invite.from_.uri_text) == ("Bob", "sip:bob@h")
    assert to == Address("192.0.2.40", 5060)


def test_a_registered_telephone_is_called_where_it_registered_from() -> None:
    nat = Address("198.51.100.7", 40123)
    call = Call("sip:1001@10.0.0.5:5062", trunk=None, hop=nat)
    assert call.targets() == [nat]
    call.hears(200, body=ANSWER, contact="<sip:1001@10.0.0.5:5062>")
    assert call.targets("ACK") == [nat]


@pytest.mark.parametrize(
    "more",
    [
        {"target": "sip:a@b>"},
        {"caller": "nobody"},
        {"caller": '"a\r\nVia: b" <sip:a@b>'},
        {"headers": [("X-A", "b\r\nVia: c")]},
        {"headers": [("no token", "b")]},
        {"route": ["sip:x y"]},
    ],
)
def test_what_cannot_be_sent_is_said_to_the_application(more: dict[str, object]) -> None:
    wire = Wire()
    with pytest.raises((ValueError, MalformedMessageError)):
        Call(wire=wire, **more)  # type: ignore[arg-type] # wrong on purpose
    assert wire.sent == []
    assert wire.agent.live_calls == 0
    assert wire.clock.getDelayedCalls() == []


def test_a_call_rings_is_answered_and_hung_up_by_us() -> None:
    call = Call()
    assert call.hears(100) == []
    assert call.hears(180) == []
    assert call.hears(180) == []
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.handler.heard == [("ringing", None), ("answered", ANSWER)]
    assert call.call.outcome == Outcome(200, "Whatever")
    ack = call.last("ACK")
    assert (ack.uri_text, ack.cseq, ack.to.tag) == (
        "sip:callee@192.0.2.20",
        (1, "ACK"),
        "callee",
    )
    assert ack.via.branch != call.last().via.branch
    assert ack.body == b""
    call.call.hang_up()
    assert call.look() == ["BYE"]
    bye = call.last("BYE")
    assert (bye.cseq, bye.to.tag, bye.from_.tag) == (
        (2, "BYE"),
        "callee",
        call.last().from_.tag,
    )
    assert call.handler.ends == [CallEnd.HUNG_UP_BY_US]
    call.accept_all()
    assert call.quiet()


def test_the_callee_hangs_up() -> None:
    call = Call()
    call.hears(200, body=ANSWER)
    invite = call.last()
    bye = (
        "BYE sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKbye\r\n"
        f"From: {invite.headers.get('To')};tag=callee\r\nTo: {invite.headers.get('From')}\r\n"
        f"Call-ID: {invite.call_id}\r\nCSeq: 1 BYE\r\n\r\n"
    ).encode()
    assert call.wire.statuses(bye, CALLEE) == [200]
    assert call.handler.ends == [CallEnd.HUNG_UP_BY_PEER]
    assert call.quiet()


def test_every_copy_of_the_200_is_acknowledged_for_64_t1_even_after_the_end() -> None:
    call = Call()
    call.hears(200, body=ANSWER)
    first = call.last("ACK")
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.last("ACK") == first
    call.call.hang_up()
    call.look()
    call.accept_all()
    call.pass_time(31)
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.last("ACK") == first
    call.pass_time(1)
    assert call.hears(200, body=ANSWER) == []
    assert call.handler.heard == [("answered", ANSWER), ("ended", CallEnd.HUNG_UP_BY_US)]
    assert call.quiet()


def test_record_route_is_kept_in_the_callers_order() -> None:
    call = Call()
    call.hears(
        200,
        "Record-Route: <sip:192.0.2.52;lr>, <sip:192.0.2.51:5080;lr>",
        body=ANSWER,
    )
    call.call.hang_up()
    call.look()
    for method in ("ACK", "BYE"):
        assert call.targets(method) == [Address("192.0.2.51", 5080)]
        assert call.last(method).headers.values("Route") == [
            "<sip:192.0.2.51:5080;lr>",
            "<sip:192.0.2.52;lr>",
        ]


def test_early_media_comes_with_183_and_the_answer_may_be_that() -> None:
    call = Call()
    call.hears(183, body=EARLY)
    call.hears(183, body=EARLY, tag="another")
    assert call.handler.heard == [("early", EARLY)] * 2
    assert call.hears(200) == ["ACK"]
    assert call.handler.heard[2:] == [("answered", EARLY)]


def test_what_is_no_session_description_is_no_early_media() -> None:
    call = Call()
    call.wire.agent.datagram_received(
        reply(call.last(), 183, body=EARLY).replace(b"application/sdp", b"text/html"), CALLEE
    )
    assert call.handler.heard == []


def test_an_answer_without_a_session_is_hung_up() -> None:
    call = Call()
    assert call.hears(200) == ["ACK", "BYE"]
    assert call.handler.heard == [("ended", CallEnd.REFUSED)]
    assert call.call.outcome == Outcome(488, "No usable answer in the 200", local=True)
    call.accept_all()
    assert call.quiet()


@pytest.mark.parametrize(
    "header", ["Contact: <tel:+33>", "Record-Route: <sip:x", "Session-Expires: never"]
)
def test_an_answer_that_does_not_say_where_to_is_acknowledged_and_hung_up(header: str) -> None:
    call = Call()
    assert call.hears(200, header, body=ANSWER, contact=None) == ["ACK", "BYE"]
    assert call.handler.heard == [("ended", CallEnd.REFUSED)]
    assert call.targets("BYE") == [CALLEE]
    call.accept_all()
    assert call.quiet()


def test_an_answer_of_a_callee_that_has_no_uri_is_none() -> None:
    call = Call()
    sound = reply(call.last(), 200, body=ANSWER, contact="<si~:x>")
    with capture_logs() as logs:
        call.wire.agent.datagram_received(
            sound.replace(b"@192.0.2.20;user", b"@192. .2"), CALLEE
        )
    assert [entry["log_level"] for entry in logs] == ["info"]
    call.call.hang_up()
    assert call.quiet()


def test_a_refusal_says_why() -> None:
    call = Call()
    assert call.hears(
        486,
        "Retry-After: 18 (busy);duration=60",
        'Warning: 399 pbx "all, lines"',
        'Reason: SIP;cause=486, Q.850 ;text="User busy";cause=17',
    ) == ["ACK"]
    assert call.handler.heard == [("ended", CallEnd.REFUSED)]
    outcome = call.call.outcome
    assert outcome is not None
    assert (outcome.status, outcome.reason, outcome.local) == (486, "Whatever", False)
    assert (outcome.retry_after, outcome.q850) == (18, 17)
    assert outcome.warnings == ('399 pbx "all, lines"',)
    assert call.quiet()


@pytest.mark.parametrize("code", [300, 404, 480, 488, 500, 600, 603])
def test_any_refusal_ends_the_call_and_is_acknowledged_again(code: int) -> None:
    call = Call()
    call.hears(180)
    assert call.hears(code) == ["ACK"]
    assert call.hears(code) == ["ACK"]
    assert call.last("ACK").via.branch == call.last().via.branch
    assert call.handler.ends == [CallEnd.REFUSED]
    assert call.quiet()


def test_nobody_there() -> None:
    call = Call()
    assert call.pass_time(31.5) == ["INVITE"] * 6
    assert call.handler.heard == []
    call.pass_time(0.5)
    assert call.handler.heard == [("ended", CallEnd.REFUSED)]
    assert call.call.outcome == Outcome(408, "No response", local=True)
    assert call.quiet()


def test_the_network_is_down() -> None:
    wire = Wire()
    wire.broken = True
    call = Call(wire=wire)
    assert call.handler.heard == []
    call.pass_time(0.5)
    assert call.handler.heard == [("ended", CallEnd.REFUSED)]
    assert call.call.outcome is not None
    assert (call.call.outcome.status, call.call.outcome.local) == (503, True)
    assert call.quiet()


def test_it_rings_in_vain() -> None:
    call = Call()
    call.hears(180)
    assert call.pass_time(179) == []
    assert call.pass_time(1) == ["CANCEL"]
    assert call.handler.heard == [("ringing", None), ("ended", CallEnd.REFUSED)]
    assert call.call.outcome == Outcome(408, "Not answered in time", local=True)
    call.accept_all()
    assert call.hears(487) == ["ACK"]
    assert call.quiet()


def test_several_answer_one_is_kept_the_others_are_hung_up() -> None:
    call = Call()
    call.hears(180, tag="a")
    call.hears(183, tag="b", body=EARLY)
    assert call.hears(200, tag="b", body=ANSWER) == ["ACK"]
    other = "<sip:other@192.0.2.21>"
    assert call.hears(200, tag="a", body=ANSWER, contact=other) == ["ACK", "BYE"]
    assert call.targets("BYE") == [Address("192.0.2.21", 5060)]
    assert (call.last("BYE").to.tag, call.last("BYE").cseq) == ("a", (2, "BYE"))
    # Each goes on being acknowledged, and is hung up once.
    assert call.hears(200, tag="a", body=ANSWER, contact=other) == ["ACK"]
    assert call.last("ACK").to.tag == "a"
    assert call.hears(200, tag="b", body=ANSWER) == ["ACK"]
    assert call.handler.heard[-1] == ("answered", ANSWER)
    assert call.agent.live_calls == 1
    call.accept_all()
    call.call.hang_up()
    call.look()
    assert call.last("BYE").to.tag == "b"
    call.accept_all()
    assert call.quiet()


def test_a_flood_of_branches_fills_no_memory() -> None:
    call = Call()
    for number in range(100):
        call.hears(180, tag=f"e{number}")
    call.hears(200, body=ANSWER)
    for number in range(100):
        call.hears(200, tag=f"a{number}", body=ANSWER)
    byes = [one for one in call.sent if one[0].method == "BYE"]
    assert len(byes) < 40


# CANCEL and its races (§9.1):


def test_cancel_waits_for_a_provisional_response() -> None:
    call = Call()
    call.call.hang_up()
    assert call.look() == []
    assert call.handler.heard == [("ended", CallEnd.HUNG_UP_BY_US)]
    assert call.call.outcome == Outcome(487, "Cancelled", local=True)
    assert not call.agent.outbound.idle
    assert call.pass_time(0.5) == ["INVITE"]
    assert call.hears(100) == ["CANCEL"]
    cancel, invite = call.last("CANCEL"), call.last()
    assert cancel.headers.lines("Via") == invite.headers.lines("Via")
    assert cancel.uri_text == invite.uri_text
    call.accept_all()
    assert call.hears(180) == []
    assert call.hears(487) == ["ACK"]
    assert call.agent.outbound.idle
    assert call.quiet()
    call.call.hang_up()
    assert len(call.handler.ends) == 1


def test_cancel_crosses_the_200() -> None:
    call = Call()
    call.hears(180)
    call.call.hang_up()
    assert call.look() == ["CANCEL"]
    assert call.hears(200, body=ANSWER) == ["ACK", "BYE"]
    assert call.handler.heard == [("ringing", None), ("ended", CallEnd.HUNG_UP_BY_US)]
    assert call.hears(200, body=ANSWER) == ["ACK"]
    call.accept_all()
    assert call.quiet()


def test_the_200_comes_where_cancel_waited() -> None:
    call = Call()
    call.call.hang_up()
    assert call.hears(200, body=ANSWER) == ["ACK", "BYE"]
    call.accept_all()
    assert call.quiet()


def test_the_refusal_comes_where_cancel_waited() -> None:
    call = Call()
    call.call.hang_up()
    assert call.hears(486) == ["ACK"]
    assert call.quiet()


def test_cancel_of_a_call_nobody_heard_of() -> None:
    call = Call()
    call.call.hang_up()
    assert call.pass_time(32) == ["INVITE"] * 6
    assert call.agent.outbound.idle
    assert call.quiet()


def test_cancel_that_is_answered_but_never_the_invite() -> None:
    call = Call()
    call.hears(180)
    call.call.hang_up()
    call.look()
    call.accept_all()
    assert call.pass_time(31) == []
    assert not call.agent.outbound.idle
    call.pass_time(1)
    assert call.agent.outbound.idle
    assert call.hears(487) == []
    assert call.quiet()


def test_cancel_is_repeated_until_it_is_answered() -> None:
    call = Call()
    call.hears(180)
    call.call.hang_up()
    assert call.pass_time(1.5) == ["CANCEL"] * 3
    call.accept_all()
    call.hears(487)
    assert call.quiet()


def test_a_200_long_after_cancel_is_acknowledged_as_often_as_it_comes() -> None:
    call = Call()
    call.hears(180)
    call.call.hang_up()
    call.look()
    call.accept_all()
    call.pass_time(20)
    assert call.hears(200, body=ANSWER) == ["ACK", "BYE"]
    call.accept_all()
    call.pass_time(25)
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.quiet()


# Reliable provisional responses (RFC 3262):


def reliable(call: Call, rseq: int, code: int = 183, **more: Any) -> list[str]:
    return call.hears(code, "Require: 100rel", f"RSeq: {rseq}", **more)


def test_a_reliable_response_is_acknowledged_once_in_order() -> None:
    call = Call()
    assert reliable(call, 10, body=EARLY) == ["PRACK"]
    prack = call.last("PRACK")
    assert prack.headers.get("RAck") == "10 1 INVITE"
    assert (prack.cseq, prack.uri_text, prack.to.tag) == (
        (2, "PRACK"),
        "sip:callee@192.0.2.20",
        "callee",
    )
    assert reliable(call, 10, body=EARLY) == []  # a copy: the PRACK repeats itself
    assert reliable(call, 12, 180) == []  # one is missing
    assert reliable(call, 11, 180) == ["PRACK"]
    assert call.last("PRACK").cseq == (3, "PRACK")
    assert call.handler.heard == [("early", EARLY), ("ringing", None)]
    call.accept_all()
    assert call.hears(200) == ["ACK"]
    assert call.handler.heard[2:] == [("answered", EARLY)]
    assert call.last("ACK").cseq == (1, "ACK")
    call.call.hang_up()
    call.look()
    assert call.last("BYE").cseq == (4, "BYE")
    call.accept_all()
    assert call.quiet()


def test_each_branch_counts_its_own() -> None:
    call = Call()
    assert reliable(call, 5, tag="a") == ["PRACK"]
    assert reliable(call, 900, tag="b") == ["PRACK"]
    assert call.last("PRACK").to.tag == "b"


@pytest.mark.parametrize(
    "header", ["RSeq: x", "RSeq: 99999999999", 'Require: "', "Contact: <x"]
)
def test_a_malformed_provisional_response_changes_nothing(header: str) -> None:
    call = Call()
    assert call.hears(183, "Require: 100rel", header, body=EARLY, contact=None) == []
    assert call.handler.heard == []
    assert call.hears(200, body=ANSWER) == ["ACK"]


# The application:


@pytest.mark.parametrize("word", ["ringing", "early", "answered"])
def test_a_handler_that_fails_ends_its_call(word: str) -> None:
    def fail(heard: str) -> None:
        if heard == word:
            raise RuntimeError("bug")

    call = Call(handler=Caller(on=fail))
    call.hears(180)
    call.hears(183, body=EARLY)
    call.hears(200, body=ANSWER)
    assert call.handler.ends == [CallEnd.HUNG_UP_BY_US]
    assert call.last("BYE" if word == "answered" else "CANCEL").cseq.number
    call.accept_all()
    assert call.quiet()


def test_a_call_is_hung_up_where_it_is_answered() -> None:
    handler = Caller()
    call = Call(handler=handler)

    def leave(heard: str) -> None:
        if heard == "answered":
            call.call.hang_up()

    handler.on = leave
    assert call.hears(200, body=ANSWER) == ["ACK", "BYE"]
    assert handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_an_offer_is_needed_and_a_closed_agent_makes_no_calls() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="offer"):
        wire.agent.call("+33", b"", handler=Caller())
    wire.agent.close()
    with pytest.raises(CallStateError):
        wire.agent.call("+33", OFFER, handler=Caller())


def test_a_full_trunk_takes_no_further_call_until_one_ends() -> None:
    wire = Wire()
    trunk = Trunk("small", "192.0.2.20", max_calls=1, ping_interval=0)
    first = Call(trunk=trunk, wire=wire)
    second = Call(trunk=trunk, wire=wire)
    assert (second.sent, second.handler.heard) == ([], [])
    wire.clock.advance(0)
    assert second.handler.heard == [("ended", CallEnd.REFUSED)]
    assert second.call.outcome == Outcome(503, "Trunk is full", local=True)
    first.hears(486)
    third = Call(trunk=trunk, wire=wire)
    assert len(third.sent) == 1


def test_closing_ends_all_at_once() -> None:
    wire = Wire()
    ringing = Call(wire=wire)
    ringing.hears(180)
    answered = Call(wire=wire)
    answered.hears(200, body=ANSWER)
    waiting = Call(wire=wire)
    wire.agent.close()
    assert sorted(waiting.look()) == ["BYE", "CANCEL"]
    for call in (ringing, answered, waiting):
        assert call.handler.ends == [CallEnd.SHUT_DOWN]
    assert wire.clock.getDelayedCalls() == []


def test_when_idle_waits_for_what_is_undone() -> None:
    call = Call()
    call.hears(180)
    call.call.hang_up()
    call.look()
    idle: list[None] = []
    call.agent.when_idle().addCallback(idle.append)
    call.accept_all()
    assert idle == []
    call.hears(487)
    assert idle == [None]


def test_requests_inside_the_call_work_both_ways() -> None:
    call = Call()
    call.hears(200, body=ANSWER)
    invite = call.last()
    reinvite = request(body=OFFER, cseq=7, branch="z9hG4bKre")
    text = (
        reinvite.decode()
        .replace('From: "Debtor" <sip:+3399@phones.example.com>;tag=1928301774', "From: F")
        .replace("To: <sip:+3312345@pay.example.com>", "To: T")
        .replace("Call-ID: a84b4c76e66710@pc33", f"Call-ID: {invite.call_id}")
    )
    text = text.replace("From: F", f"From: {invite.headers.get('To')};tag=callee")
    text = text.replace("To: T", f"To: {invite.headers.get('From')}")
    assert call.wire.statuses(text.encode(), PHONE) == [200]
    assert call.handler.heard[-1] == ("renegotiated", OFFER)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_before_the_answer_is_491(method: str) -> None:
    call = Call()
    call.hears(183, body=EARLY)
    invite = call.last()
    early = (
        f"{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKe\r\n"
        f"From: {invite.headers.get('To')};tag=callee\r\nTo: {invite.headers.get('From')}\r\n"
        f"Call-ID: {invite.call_id}\r\nCSeq: 1 {method}\r\nContact: <sip:c@192.0.2.20>\r\n\r\n"
    ).encode()
    assert call.wire.statuses(early + OFFER, CALLEE) == [491]


def test_a_bye_before_the_answer_ends_the_call() -> None:
    call = Call()
    call.hears(183, body=EARLY)
    invite = call.last()
    bye = (
        "BYE sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKe\r\n"
        f"From: {invite.headers.get('To')};tag=callee\r\nTo: {invite.headers.get('From')}\r\n"
        f"Call-ID: {invite.call_id}\r\nCSeq: 1 BYE\r\n\r\n"
    ).encode()
    sent = call.wire.receive(bye, CALLEE)
    assert status(sent[0]) == 200
    assert call.handler.ends == [CallEnd.HUNG_UP_BY_PEER]
    assert len(sent) == 2  # and CANCEL
    call.hears(487)
    assert call.quiet()


def test_an_ended_call_leaves_little_behind() -> None:
    call = Call()
    call.hears(180)
    call.hears(200, body=ANSWER)
    call.call.hang_up()
    call.look()
    call.accept_all()
    gc.collect()
    gc.disable()
    try:
        identity = id(call.call)
        del call.call
        left = [
            type(one) for one in gc.get_objects() if isinstance(one, (OutgoingCall, Attempt))
        ]
        assert left == []
        assert identity
    finally:
        gc.enable()


def test_errors_have_one_root() -> None:
    assert issubclass(CallStateError, SipError)
    assert str(LOCAL.host) in TRUNK.from_(LOCAL.in_uri())
