"""Re-INVITE and UPDATE, both ways (RFC 3261 §14, RFC 3311)."""

import pytest

from ivr.sip import Address, CallEnd, CallStateError, NotAcceptableHereError, Request
from ivr.sip.change import back_off
from ivr.sip.errors import RequestRefusedError
from tests.sip.peers import MORE, Talk, left, outcome, reply
from tests.sip.wire import ALLOW, ANSWER, OFFER, Wire, only_request, request, status

HELD = OFFER + b"a=recvonly\r\n"


def test_we_offer_and_get_an_answer() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    [(_, to)] = talk.wire.sent
    invite = talk.sent()
    assert (invite.method, invite.body, invite.cseq.number) == ("INVITE", MORE, 1)
    assert (invite.from_.tag, invite.to.tag) == (talk.tag, "1928301774")
    assert invite.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert invite.headers.get("Content-Type") == "application/sdp"
    assert invite.headers.values("Allow") == ALLOW
    assert invite.headers.get("User-Agent") == "Solde"
    assert to == Address("192.0.2.10", 5062)
    talk.replies(invite, 100)
    [ack] = talk.replies(invite, 200, body=HELD, contact="<sip:debtor@192.0.2.99>")
    assert (ack.cseq, ack.body) == ((1, "ACK"), b"")
    assert ack.uri_text == "sip:debtor@192.0.2.99"  # type: ignore[union-attr] # a Request
    assert ack.via.branch != invite.via.branch
    assert got == [HELD]
    assert talk.replies(invite, 200, body=HELD) == [ack]
    talk.call.hang_up()
    bye = talk.sent()
    assert (bye.uri_text, bye.cseq) == ("sip:debtor@192.0.2.99", (2, "BYE"))


def test_we_ask_for_an_offer_and_answer_in_the_ack() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate())
    invite = talk.sent()
    assert (invite.body, invite.headers.get("Content-Type")) == (b"", "")
    [ack] = talk.replies(invite, 200, body=HELD)
    assert (ack.body, ack.headers.get("Content-Type")) == (ANSWER, "application/sdp")
    assert talk.handler.heard[1:] == [("renegotiated", HELD)]
    assert got == [HELD]


def test_a_late_offer_that_is_not_acceptable_is_acknowledged_and_hung_up() -> None:
    talk = Talk()

    def refuse(_: bytes) -> bytes:
        raise NotAcceptableHereError("no")

    talk.handler.renegotiate = refuse
    got = outcome(talk.call.renegotiate())
    ack, bye = talk.replies(talk.sent(), 200, body=HELD)
    assert (ack.cseq.method, bye.cseq.method) == ("ACK", "BYE")
    assert [error.status for error in got] == [488]
    assert talk.handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_a_refusal_leaves_the_session_as_it_is() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    [ack] = talk.replies(invite, 488)
    assert (ack.cseq, ack.via.branch) == ((1, "ACK"), invite.via.branch)
    [error] = got
    assert isinstance(error, RequestRefusedError)
    assert (error.status, str(error)) == (488, "488 Whatever")
    assert talk.call.live
    assert talk.handler.heard == [("acknowledged", b"")]
    again = outcome(talk.call.renegotiate(lambda: MORE))
    talk.replies(talk.sent(), 200, body=HELD)
    assert again == [HELD]


@pytest.mark.parametrize("code", [408, 481])
@pytest.mark.parametrize("method", ["renegotiate", "update"])
def test_who_knows_nothing_of_the_call_is_hung_up(code: int, method: str) -> None:
    talk = Talk()
    got = outcome(getattr(talk.call, method)(lambda: MORE))
    assert "BYE" in [one.cseq.method for one in talk.replies(talk.sent(), code)]
    assert [error.status for error in got] == [code]
    assert talk.handler.ends == [CallEnd.DIALOG_LOST]


@pytest.mark.parametrize("method", ["renegotiate", "update"])
def test_who_does_not_answer_is_hung_up_after_timer_b(method: str) -> None:
    talk = Talk()
    got = outcome(getattr(talk.call, method)(lambda: MORE))
    talk.wire.clock.pump([0.5] * 64)
    assert {one.cseq.method for one in talk.wire.take()} == {
        "INVITE" if method == "renegotiate" else "UPDATE",
        "BYE",
    }
    assert [error.status for error in got] == [408]
    assert talk.handler.ends == [CallEnd.DIALOG_LOST]
    assert left(talk.wire) == []


def test_who_thinks_for_ever_is_cancelled_and_hung_up() -> None:
    talk = Talk()
    outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    talk.replies(invite, 100)
    assert talk.wire.after(63.9) == []
    cancel, bye = talk.wire.after(0.2)
    assert (cancel.cseq, cancel.via.branch) == ((1, "CANCEL"), invite.via.branch)
    assert bye.cseq.method == "BYE"
    assert left(talk.wire) == []


def test_glare_is_tried_again_after_the_back_off_with_a_new_offer() -> None:
    talk = Talk()
    offers = iter([MORE, HELD])
    got = outcome(talk.call.renegotiate(lambda: next(offers)))
    first = talk.sent()
    talk.replies(first, 491)
    # Who did not choose the Call-ID waits 0 to 2 s; the other side goes first.
    again = talk.asks("INVITE", body=OFFER)
    assert again.status == 200
    talk.wire.clock.pump([0.25] * 9)
    assert talk.wire.take() == [again, again]
    second = only_request(talk.ack())
    assert (second.body, second.cseq.number) == (HELD, 2)
    assert second.via.branch != first.via.branch
    talk.replies(second, 200, body=OFFER)
    assert got == [OFFER]


def test_who_always_has_a_change_of_its_own_is_asked_ten_times() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    asked = 0
    while not got:
        asked += 1
        talk.replies(talk.sent(), 491)
        talk.wire.clock.pump([0.01] * 201)
        talk.wire.sent = talk.wire.sent[:1]
    assert asked == 10
    assert [error.status for error in got] == [491]
    assert talk.call.live


def test_the_back_off_is_that_of_the_rfc() -> None:
    mine = {back_off(owns_call_id=True) for _ in range(5000)}
    theirs = {back_off(owns_call_id=False) for _ in range(5000)}
    assert (min(theirs), max(theirs)) == (0.0, 2.0)
    assert (min(mine), max(mine)) == (2.1, 4.0)
    assert all(abs(one * 100 - round(one * 100)) < 1e-9 for one in mine | theirs)


def test_who_re_invites_while_we_do_gets_491() -> None:
    talk = Talk()
    outcome(talk.call.renegotiate(lambda: MORE))
    ours = talk.sent()
    assert talk.asks("INVITE", body=OFFER).status == 491
    assert talk.asks("UPDATE", body=OFFER).status == 491
    assert talk.asks("UPDATE").status == 200  # without an offer there is nothing to cross
    talk.replies(ours, 200, body=HELD)
    assert talk.asks("INVITE", body=OFFER).status == 200


def test_one_change_after_the_other() -> None:
    talk = Talk()
    first = outcome(talk.call.renegotiate(lambda: MORE))
    second = outcome(talk.call.update(lambda: HELD))
    third = outcome(talk.call.renegotiate())
    invite = talk.sent()
    ack, update = talk.replies(invite, 200, body=HELD)
    assert (ack.cseq, update.cseq) == ((1, "ACK"), (2, "UPDATE"))
    assert (update.body, first, second) == (HELD, [HELD], [])
    last = only_request(talk.replies(update, 200, body=MORE))  # type: ignore[arg-type] # ours
    assert (last.cseq, second, third) == ((3, "INVITE"), [MORE], [])


def test_a_change_waits_for_the_ack_of_the_other_sides() -> None:
    talk = Talk()
    talk.asks("INVITE", body=OFFER)
    outcome(talk.call.renegotiate(lambda: MORE))
    assert talk.wire.take() == []
    assert only_request(talk.ack()).method == "INVITE"


def test_a_change_waits_for_the_first_ack() -> None:
    wire = Wire(on_call=lambda call: call.answer(ANSWER))
    _, ok = wire.receive(request(body=OFFER))
    outcome(wire.call.renegotiate(lambda: MORE))
    assert wire.take() == []
    assert only_request(wire.receive(request("ACK", to_tag=ok.to.tag))).method == "INVITE"


def test_before_the_answer_nothing_is_changed() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    with pytest.raises(CallStateError):
        wire.call.renegotiate(lambda: MORE)
    got = outcome(wire.call.update())
    assert wire.take() == []
    wire.call.reject(486)
    assert [(error.status, str(error)) for error in got] == [(0, "The call is over")]
    assert len(outcome(wire.call.update())) == 1


def test_an_offer_that_cannot_be_made_harms_nothing() -> None:
    talk = Talk()

    def fail() -> bytes:
        raise RuntimeError("bug")

    got = outcome(talk.call.renegotiate(fail))
    assert talk.wire.take() == []
    assert [error.status for error in got] == [0]
    outcome(talk.call.renegotiate(lambda: MORE))
    assert talk.sent().body == MORE


def test_a_200_that_crosses_our_bye_is_acknowledged() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    talk.call.hang_up()
    bye = talk.sent()
    assert [str(error) for error in got] == ["The call is over"]
    [ack] = talk.replies(invite, 200, body=HELD)
    assert ack.cseq == (1, "ACK")
    assert talk.replies(bye, 200) == []
    assert left(talk.wire) == []


def test_the_other_side_hangs_up_while_we_re_invite() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    assert talk.asks("BYE").status == 200
    assert only_request(talk.replies(invite, 487)).method == "ACK"
    assert len(got) == 1
    assert talk.handler.ends == [CallEnd.HUNG_UP_BY_PEER]
    assert left(talk.wire) == []


def test_the_call_ends_in_the_back_off() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    talk.replies(talk.sent(), 491)
    assert talk.asks("BYE").status == 200
    assert len(got) == 1
    clock = talk.wire.clock
    assert all(one.getTime() > clock.seconds() + 4 for one in clock.calls)
    assert talk.wire.after(4) == []
    assert left(talk.wire) == []


def test_an_update_of_ours_refreshes_the_target_only() -> None:
    talk = Talk()
    got = outcome(talk.call.update())
    update = talk.sent()
    assert (update.method, update.body) == ("UPDATE", b"")
    assert update.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert talk.replies(update, 200, contact="<sip:moved@192.0.2.98>") == []
    assert got == [b""]
    talk.call.hang_up()
    assert talk.sent().uri_text == "sip:moved@192.0.2.98"


def test_an_update_of_ours_meets_glare_too() -> None:
    talk = Talk()
    got = outcome(talk.call.update(lambda: MORE))
    update = talk.sent()
    assert talk.asks("INVITE", body=OFFER).status == 491
    talk.replies(update, 491)
    talk.wire.clock.pump([0.1] * 21)
    again, *copies = talk.wire.take()
    assert isinstance(again, Request)
    assert all(copy == again for copy in copies)
    assert (again.method, again.body) == ("UPDATE", MORE)
    talk.replies(again, 200, body=HELD)
    assert got == [HELD]


def test_an_update_offers_and_is_answered() -> None:
    talk = Talk()
    update = talk.ask("UPDATE", body=HELD)
    [ok] = talk.wire.receive(update)
    assert (status(ok), ok.body) == (200, ANSWER)
    assert ok.headers.get("Content-Type") == "application/sdp"
    assert ok.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert talk.wire.receive(update) == [ok]
    assert talk.handler.heard[1:] == [("renegotiated", HELD)]


def test_an_update_without_offer_moves_the_target_and_nothing_else() -> None:
    talk = Talk()
    ok = talk.asks("UPDATE").headers
    assert ok.get("Content-Type") == ""
    moved = request("UPDATE", cseq=9, to_tag=talk.tag, headers=("Contact: <sip:x@192.0.2.97>",))
    assert talk.wire.statuses(moved) == [200]
    assert talk.handler.heard == [("acknowledged", b"")]
    talk.call.hang_up()
    assert talk.sent().uri_text == "sip:x@192.0.2.97"


def test_an_update_that_is_not_acceptable_is_488_and_changes_nothing() -> None:
    talk = Talk()

    def refuse(_: bytes) -> bytes:
        raise NotAcceptableHereError("no codec")

    talk.handler.renegotiate = refuse
    refused = talk.asks("UPDATE", body=HELD)
    assert (refused.status, refused.headers.get("Warning")) == (488, '399 Solde "no codec"')
    broken = request(
        "UPDATE", cseq=10, to_tag=talk.tag, headers=("Contact: <tel:+33>",), body=HELD
    )
    assert talk.wire.statuses(broken) == [400]
    assert talk.call.live


def test_an_update_with_an_offer_before_the_answer_comes_too_early() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.ring()
    [ringing] = wire.take()
    update = request("UPDATE", cseq=2, to_tag=ringing.to.tag, body=HELD)
    [later] = wire.receive(update)
    assert status(later) == 500
    assert 0 <= int(later.headers.get("Retry-After")) <= 10
    bare = request("UPDATE", cseq=3, to_tag=ringing.to.tag)
    assert wire.statuses(bare) == [200]


def test_a_call_hung_up_inside_an_update() -> None:
    talk = Talk()

    def leave(_: bytes) -> bytes:
        talk.call.hang_up()
        return ANSWER

    talk.handler.renegotiate = leave
    bye, gone = talk.wire.receive(talk.ask("UPDATE", body=HELD))
    assert (bye.cseq.method, status(gone)) == ("BYE", 481)


def test_our_offer_in_a_200_must_be_answered_before_another_comes() -> None:
    talk = Talk()
    talk.asks("INVITE")  # without SDP: our 200 offers
    assert talk.asks("UPDATE", body=HELD).status == 491


def test_a_broken_contact_in_a_200_to_ours_keeps_the_old_target() -> None:
    talk = Talk()
    got = outcome(talk.call.update())
    talk.replies(talk.sent(), 200, contact="<tel:+33>")
    assert got == [b""]
    talk.call.hang_up()
    assert talk.sent().uri_text == "sip:debtor@192.0.2.10:5062"


def test_shutting_down_in_a_change_leaves_nothing() -> None:
    talk = Talk()
    got = outcome(talk.call.renegotiate(lambda: MORE))
    outcome(talk.call.update())
    talk.wire.agent.close()
    assert len(got) == 1
    assert talk.wire.clock.getDelayedCalls() == []


def test_a_stray_response_to_a_finished_change_is_nothing() -> None:
    talk = Talk()
    outcome(talk.call.update())
    update = talk.sent()
    talk.replies(update, 200)
    assert talk.wire.receive(reply(update, 200)) == []
