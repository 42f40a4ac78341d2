"""Requests inside a call: re-INVITE, OPTIONS, wrong order (RFC 3261 §12.2, §14)."""

from ivr.sip import Address, CallEnd, NotAcceptableHereError
from tests.sip.wire import (
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

HOLD = OFFER + b"a=sendonly\r\n"
HELD = ANSWER + b"a=recvonly\r\n"


def reinvite(tag: str, cseq: int = 2, body: bytes = HOLD, **more: str) -> bytes:
    return request(cseq=cseq, to_tag=tag, body=body, **more)  # type: ignore[arg-type] # strings only


def ack(tag: str, cseq: int, body: bytes = b"") -> bytes:
    return request("ACK", cseq=cseq, to_tag=tag, body=body, branch=f"z9hG4bKack{cseq}")


def test_hold_and_resume() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.handler.renegotiate = lambda offer: HELD if b"sendonly" in offer else ANSWER
    ok = only_response(wire.receive(reinvite(tag)))
    assert (ok.status, ok.body, ok.to.tag) == (200, HELD, tag)
    assert ok.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    wire.receive(ack(tag, 2))
    resumed = only_response(wire.receive(reinvite(tag, 3, OFFER)))
    assert resumed.body == ANSWER
    wire.receive(ack(tag, 3))
    assert wire.handler.heard == [
        ("acknowledged", b""),
        ("renegotiated", HOLD),
        ("renegotiated", OFFER),
    ]
    assert wire.after(64) == []
    assert wire.agent.live_calls == 1


def test_the_200_of_a_reinvite_is_repeated_and_ends_the_call_without_ack() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.clock.advance(100)
    again = reinvite(tag)
    ok = only_response(wire.receive(again))
    assert wire.after(0.5) == [ok]
    assert wire.receive(again) == [ok]
    wire.receive(ack(tag, 1))
    assert wire.after(1) == [ok]
    wire.clock.pump([0.25] * 121)
    assert {status(one) for one in wire.take()} == {200}
    assert only_request(wire.after(0.25)).method == "BYE"
    assert wire.handler.heard[1:] == [("renegotiated", HOLD), ("ended", CallEnd.ACK_TIMEOUT)]


def test_a_reinvite_before_the_last_ones_ack_is_491() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    tag = ok.to.tag
    assert wire.statuses(reinvite(tag)) == [491]
    wire.receive(ack(tag, 1))
    assert wire.statuses(reinvite(tag, 3)) == [200]
    assert wire.statuses(reinvite(tag, 4)) == [491]
    assert [word for word, _ in wire.handler.heard] == ["acknowledged", "renegotiated"]


def test_a_reinvite_before_the_answer_is_asked_to_come_later() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.ring()
    tag = only_response(wire.take()).to.tag
    early = only_response(wire.receive(reinvite(tag)))
    assert early.status == 500
    assert 0 <= int(early.headers.get("Retry-After")) <= 10
    wire.call.answer(ANSWER)
    assert only_response(wire.take()).cseq == (1, "INVITE")


def test_a_session_that_is_not_acceptable_changes_nothing() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)

    def refuse(_: bytes) -> bytes:
        raise NotAcceptableHereError('no "common" codec')

    wire.handler.renegotiate = refuse
    refused = only_response(wire.receive(reinvite(tag, contact="<sip:moved@192.0.2.99>")))
    assert refused.status == 488
    assert refused.headers.get("Warning") == '399 Solde "no \\"common\\" codec"'
    assert wire.after(0.5) == [refused]
    wire.receive(request("ACK", cseq=2, to_tag=tag, branch="z9hG4bKINVITE2"))
    assert wire.after(8) == []
    wire.call.hang_up()
    assert only_request(wire.take()).uri_text == "sip:debtor@192.0.2.10:5062"


def test_an_application_that_fails_in_a_reinvite_keeps_its_call() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)

    def fail(_: bytes) -> bytes:
        raise RuntimeError("bug")

    wire.handler.renegotiate = fail
    assert wire.statuses(reinvite(tag)) == [500]
    assert wire.agent.live_calls == 1


def test_a_call_hung_up_while_it_is_renegotiated() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)

    def leave(_: bytes) -> bytes:
        wire.call.hang_up()
        return ANSWER

    wire.handler.renegotiate = leave
    bye, terminated = wire.receive(reinvite(tag))
    assert (bye.cseq.method, status(terminated)) == ("BYE", 487)
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_a_reinvite_without_offer_gets_ours_and_its_ack_has_the_answer() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    assert only_response(wire.receive(reinvite(tag, body=b""))).body == ANSWER
    wire.receive(ack(tag, 2, OFFER))
    assert wire.handler.heard[1:] == [("renegotiated", b""), ("acknowledged", OFFER)]


def test_we_hang_up_before_the_ack_of_a_reinvite() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.receive(reinvite(tag))
    wire.call.hang_up()
    assert wire.take() == []
    assert only_request(wire.receive(ack(tag, 2))).method == "BYE"
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_the_caller_hangs_up_before_the_ack_of_a_reinvite() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.receive(reinvite(tag))
    assert wire.statuses(request("BYE", cseq=3, to_tag=tag)) == [200]
    assert wire.after(64) == []
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_PEER]


def test_a_reinvite_moves_the_remote_target() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.receive(reinvite(tag, contact="<sip:moved@192.0.2.99:5099>"))
    wire.receive(ack(tag, 2))
    wire.call.hang_up()
    assert wire.sent[0][1] == Address("192.0.2.99", 5099)
    assert only_request(wire.take()).uri_text == "sip:moved@192.0.2.99:5099"


def test_a_reinvite_with_a_broken_contact_changes_nothing() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    assert wire.statuses(reinvite(tag, contact="<tel:+33>")) == [400]
    assert wire.statuses(reinvite(tag, 3)) == [200]


def test_a_stale_sequence_number_is_500_and_a_gap_is_fine() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    assert wire.statuses(request("OPTIONS", cseq=70, to_tag=tag)) == [200]
    assert wire.statuses(reinvite(tag, 69)) == [500]
    assert wire.statuses(request("BYE", cseq=69, to_tag=tag)) == [500]
    assert wire.agent.live_calls == 1
    assert wire.statuses(request("BYE", cseq=71, to_tag=tag)) == [200]


def test_options_in_a_call_says_what_is_allowed() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    ok = only_response(wire.receive(request("OPTIONS", cseq=2, to_tag=tag)))
    assert (ok.status, ok.to.tag) == (200, tag)
    assert "BYE" in ok.headers.values("Allow")


def test_requests_of_a_dialog_that_is_not_there_are_481() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    for method in ("INVITE", "BYE", "OPTIONS"):
        stray = request(method, cseq=2, to_tag="nobody", branch=f"z9hG4bK-{method}")
        assert wire.statuses(stray) == [481]
        elsewhere = request(method, cseq=2, to_tag=tag, call_id="other")
        assert wire.statuses(elsewhere) == [481]
    assert wire.statuses(request("BYE", cseq=2)) == [481]
    assert wire.receive(ack("nobody", 1)) == []
    assert wire.agent.live_calls == 1


def test_known_methods_without_support_are_405_in_a_call_too() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    refused = only_response(wire.receive(request("MESSAGE", cseq=2, to_tag=tag)))
    assert refused.status == 405
    assert wire.call.source == PHONE
    assert wire.agent.live_calls == 1
