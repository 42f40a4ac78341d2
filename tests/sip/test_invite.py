"""A call is answered, repeated and acknowledged (RFC 3261 §13.3, §17.2.1)."""

import pytest

from ivr.sip import Address, CallEnd, CallStateError, IncomingCall
from tests.sip.wire import (
    ALLOW,
    ANSWER,
    OFFER,
    PHONE,
    Wire,
    answer,
    established,
    only_request,
    only_response,
    request,
    status,
)


def test_an_invite_is_tried_at_once_rung_and_answered() -> None:
    wire = Wire()
    trying = only_response(wire.receive(request(body=OFFER)))
    assert (trying.status, trying.to.tag) == (100, "")
    assert (wire.call.called, wire.call.caller) == ("+3312345", "+3399")
    assert (wire.call.offer, wire.call.source) == (OFFER, PHONE)
    assert (wire.call.id, wire.call.from_.display_name) == ("a84b4c76e66710@pc33", "Debtor")

    wire.call.ring()
    ringing = only_response(wire.take())
    wire.call.answer(ANSWER)
    ok = only_response(wire.take())

    assert (ringing.status, ok.status) == (180, 200)
    assert ringing.to.tag == ok.to.tag != ""
    assert ok.body == ANSWER
    assert ok.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert ok.headers.get("Content-Type") == "application/sdp"
    assert ok.headers.values("Allow") == ALLOW
    assert ok.headers.get("From") == '"Debtor" <sip:+3399@phones.example.com>;tag=1928301774'
    assert ok.cseq == (1, "INVITE")


def test_the_200_is_repeated_from_t1_to_t2_until_64_t1_and_then_hung_up() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    seen: list[float] = []
    while wire.clock.seconds() < 31.75:
        for again in wire.after(0.25):
            assert again == ok
            seen.append(wire.clock.seconds())
    assert seen == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert wire.handler.heard == []

    bye = only_request(wire.after(0.25))
    assert (bye.method, bye.to.tag) == ("BYE", "1928301774")
    assert bye.headers.get("Reason").startswith("SIP;cause=408")
    assert wire.handler.heard == [("ended", CallEnd.ACK_TIMEOUT)]


def test_the_ack_ends_the_repetition() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    assert wire.handler.heard == [("acknowledged", b"")]
    assert wire.after(60) == []
    wire.receive(request("ACK", to_tag=tag, branch="z9hG4bKack"))
    assert wire.handler.heard == [("acknowledged", b"")]


def test_an_ack_of_another_sequence_number_acknowledges_nothing() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    wire.receive(request("ACK", to_tag=ok.to.tag, cseq=2))
    assert wire.handler.heard == []
    assert [status(one) for one in wire.after(0.5)] == [200]


@pytest.mark.parametrize("tag", ["", "made-up"])
def test_an_ack_with_the_branch_of_its_invite_is_taken_whatever_its_tag(tag: str) -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    wire.receive(request("ACK", to_tag=tag or ok.to.tag, branch="z9hG4bKINVITE1"))
    assert wire.handler.heard == [("acknowledged", b"")]


def test_an_ack_with_neither_the_tag_nor_the_branch_is_for_somebody_else() -> None:
    wire = Wire(on_call=answer)
    wire.receive(request(body=OFFER))
    wire.receive(request("ACK", to_tag="made-up", branch="z9hG4bKother"))
    wire.receive(request("ACK", to_tag="x", branch="z9hG4bKINVITE1", call_id="another"))
    assert wire.handler.heard == []


def test_a_repeated_invite_gets_the_last_response_and_makes_no_second_call() -> None:
    wire = Wire()
    invite = request(body=OFFER)
    wire.receive(invite)
    assert wire.statuses(invite) == [100]
    wire.call.ring()
    ringing = only_response(wire.take())
    assert wire.receive(invite) == [ringing]
    wire.call.answer(ANSWER)
    ok = only_response(wire.take())
    assert ok.to.tag == ringing.to.tag
    assert wire.receive(invite) == [ok]
    assert len(wire.calls) == wire.agent.live_calls == 1


def test_an_invite_repeated_after_its_ack_is_absorbed() -> None:
    wire = Wire(on_call=answer)
    established(wire)
    assert wire.receive(request(body=OFFER)) == []
    assert len(wire.calls) == 1


def test_an_invite_repeated_after_the_end_makes_no_second_call() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.receive(request("BYE", cseq=2, to_tag=tag))
    assert wire.receive(request(body=OFFER)) == []
    assert wire.statuses(request(cseq=3, to_tag=tag, body=OFFER)) == [481]
    assert len(wire.calls) == 1


def test_the_same_invite_by_another_path_is_a_loop() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    assert wire.statuses(request(body=OFFER, branch="z9hG4bKforked")) == [482]
    assert len(wire.calls) == 1


def test_a_client_of_rfc_2543_without_branch_is_one_call_too() -> None:
    wire = Wire()
    invite = request(body=OFFER, via="SIP/2.0/UDP 192.0.2.10:5062")
    assert wire.statuses(invite) == [100]
    wire.call.reject(486)
    busy = only_response(wire.take())
    assert wire.receive(invite) == [busy]
    wire.receive(request("ACK", to_tag=busy.to.tag, via="SIP/2.0/UDP 192.0.2.10:5062"))
    assert wire.after(1) == []


def test_a_late_offer_is_ours_and_the_ack_brings_the_answer() -> None:
    wire = Wire()
    wire.receive(request())
    assert wire.call.offer == b""
    wire.call.answer(ANSWER)
    ok = only_response(wire.take())
    assert ok.body == ANSWER
    wire.receive(request("ACK", to_tag=ok.to.tag, body=OFFER))
    assert wire.handler.heard == [("acknowledged", OFFER)]


def test_ringing_is_said_again_each_minute_until_the_answer() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.ring()
    assert [status(one) for one in wire.take()] == [180]
    assert wire.after(59) == []
    assert [status(one) for one in wire.after(1)] == [180]
    assert [status(one) for one in wire.after(60)] == [180]
    wire.call.answer(ANSWER)
    wire.receive(request("ACK", to_tag=only_response(wire.take()).to.tag))
    assert wire.after(120) == []


def test_an_answer_that_never_leaves_ends_as_a_transport_error() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.broken = True
    wire.call.answer(ANSWER)
    wire.clock.pump([0.5] * 64)
    assert wire.handler.ends == [CallEnd.TRANSPORT_ERROR]


def test_an_answer_that_leaves_late_is_as_good() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.broken = True
    wire.call.answer(ANSWER)
    wire.broken = False
    ok = only_response(wire.after(0.5))
    wire.receive(request("ACK", to_tag=ok.to.tag))
    assert wire.handler.heard == [("acknowledged", b"")]


def test_a_rejection_is_repeated_until_its_ack_and_says_why() -> None:
    wire = Wire()
    invite = request(body=OFFER)
    wire.receive(invite)
    wire.call.reject(488, headers=[("Warning", '304 Solde "No audio"')])
    refused = only_response(wire.take())
    assert (refused.status, refused.reason) == (488, "Not Acceptable Here")
    assert refused.headers.get("Warning") == '304 Solde "No audio"'
    assert wire.handler.heard == [("ended", CallEnd.REJECTED)]
    assert wire.agent.live_calls == 0
    assert wire.after(0.5) == [refused]
    assert wire.after(1) == [refused]
    assert wire.receive(invite) == [refused]
    ack = request("ACK", to_tag=refused.to.tag, branch="z9hG4bKINVITE1")
    assert wire.receive(ack) == []
    assert wire.receive(ack) == []
    assert wire.receive(invite) == []  # absorbed, timer I
    assert wire.after(40) == []


def test_a_rejection_never_acknowledged_is_given_up_after_timer_h() -> None:
    wire = Wire(on_call=lambda call: call.reject(486, "Line In Use"))
    assert wire.statuses(request(body=OFFER)) == [100, 486]
    wire.clock.pump([0.5] * 64)
    assert len(wire.take()) == 10
    assert wire.after(64) == []
    assert wire.clock.getDelayedCalls() == []


def test_a_rejection_that_is_none_or_splits_a_header_is_a_mistake_here() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    with pytest.raises(ValueError, match="200"):
        wire.call.reject(200)
    with pytest.raises(ValueError, match="line break"):
        wire.call.reject(486, headers=[("Warning", "x\r\nVia: y")])
    assert wire.call.live


def test_an_answered_call_cannot_be_answered_rung_or_rejected() -> None:
    wire = Wire(on_call=answer)
    established(wire)
    with pytest.raises(CallStateError, match="answered"):
        wire.call.answer(ANSWER)
    with pytest.raises(CallStateError, match="rung"):
        wire.call.ring()
    with pytest.raises(CallStateError, match="rejected"):
        wire.call.reject(486)


def test_a_call_nobody_takes_and_one_that_fails_in_the_application_get_500() -> None:
    def leave(call: object) -> None:
        wire.call.handler = None

    def fail(call: object) -> None:
        raise RuntimeError("bug")

    wire = Wire(on_call=leave)
    assert wire.statuses(request(body=OFFER)) == [100, 500]
    wire = Wire(on_call=fail)
    assert wire.statuses(request(body=OFFER)) == [100, 500]
    assert wire.handler.ends == [CallEnd.REJECTED]
    assert wire.agent.live_calls == 0


def test_a_call_that_fails_in_the_application_after_its_answer_is_hung_up() -> None:
    def fail(call: IncomingCall) -> None:
        call.answer(ANSWER)
        raise RuntimeError("bug")

    wire = Wire(on_call=fail)
    _, ok = wire.receive(request(body=OFFER))
    bye = only_request(wire.receive(request("ACK", to_tag=ok.to.tag)))
    assert bye.method == "BYE"
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_responses_go_where_via_says() -> None:
    nat = Address("198.51.100.7", 40123)
    wire = Wire()
    wire.agent.datagram_received(request(body=OFFER), nat)
    [(data, to)] = wire.sent
    assert to == Address("198.51.100.7", 5062)
    assert (
        b"Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKINVITE1;received=198.51.100.7\r\n"
        in data
    )

    wire = Wire()
    via = (
        "SIP/2.0/UDP phone.local;rport;branch=z9hG4bKx, SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKy"
    )
    wire.agent.datagram_received(request(body=OFFER, via=via), nat)
    [(data, to)] = wire.sent
    assert to == nat
    stamped = (
        b"Via: SIP/2.0/UDP phone.local;branch=z9hG4bKx;received=198.51.100.7;rport=40123\r\n"
        b"Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKy\r\n"
    )
    assert stamped in data


def test_without_a_port_in_via_responses_go_to_5060() -> None:
    wire = Wire()
    wire.agent.datagram_received(request(via="SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx"), PHONE)
    assert wire.sent[0][1] == Address("192.0.2.10", 5060)


def test_ipv6_is_written_and_matched_without_its_brackets() -> None:
    source = Address("2001:db8::9", 5070)
    wire = Wire()
    via = "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKx"
    wire.agent.datagram_received(request(via=via), source)
    [(data, to)] = wire.sent
    assert to == source
    assert f"Via: {via}\r\n".encode() in data
