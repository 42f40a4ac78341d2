"""Provisional responses that are confirmed (RFC 3262): 100rel, PRACK, early media."""

import pytest

from ivr.sip import (
    CallEnd,
    CallStateError,
    IncomingCall,
    MalformedMessageError,
    Response,
    parse,
)
from ivr.sip.reliable import ReliableReceiver
from tests.sip.peers import MORE, Party, left, outcome, reply
from tests.sip.wire import ANSWER, OFFER, Wire, only_request, only_response, request, status

REQUIRED = "Require: 100rel"
SUPPORTED = "Supported: timer, 100rel"


class Ringing:
    """A call that has come in and was not answered yet."""

    def __init__(self, *headers: str, body: bytes = OFFER) -> None:
        self.handler = Party()

        def take(call: IncomingCall) -> None:
            call.handler = self.handler

        self.wire = Wire(on_call=take)
        self.invite = request(body=body, headers=headers)
        self.wire.receive(self.invite)
        self.call = self.wire.call
        self.cseq = 1

    def sent(self) -> Response:
        return only_response(self.wire.take())

    def prack(
        self, response: Response, body: bytes = b"", rack: str = "", cseq: int = 0
    ) -> bytes:
        self.cseq += 1
        rack = rack or f"{response.headers.get('RSeq')} 1 INVITE"
        return request(
            "PRACK",
            cseq=cseq or self.cseq,
            to_tag=response.to.tag,
            headers=(f"RAck: {rack}",),
            body=body,
        )

    def confirm(self, response: Response, body: bytes = b"") -> list[Response]:
        """Send a PRACK; return what came: its 200 first."""
        got = self.wire.receive(self.prack(response, body))
        return [one for one in got if isinstance(one, Response)]


def rseq(response: Response) -> int:
    return int(response.headers.get("RSeq"))


def test_ringing_is_reliable_where_it_is_required() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    one = ringing.sent()
    assert (one.status, one.headers.get("Require")) == (180, "100rel")
    assert 1 <= rseq(one) < 2**31
    assert one.headers.get("Contact") != ""
    [ok] = ringing.confirm(one)
    assert (ok.status, ok.cseq) == (200, (2, "PRACK"))
    assert ringing.wire.after(50) == []


def test_it_is_repeated_doubling_until_the_prack() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    one = ringing.sent()
    seen = []
    for _ in range(40):
        for copy in ringing.wire.after(0.5):
            assert copy == one
            seen.append(ringing.wire.clock.seconds())
    assert seen == [0.5, 1.5, 3.5, 7.5, 15.5]
    ringing.confirm(one)
    assert ringing.wire.after(30) == []


def test_nobody_confirms_it() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    ringing.wire.clock.pump([0.5] * 64)
    assert status(ringing.wire.take()[-1]) == 504
    assert ringing.handler.ends == [CallEnd.ACK_TIMEOUT]
    assert left(ringing.wire) == []


def test_ringing_is_not_reliable_where_it_only_could_be() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.call.ring()
    assert "RSeq" not in ringing.sent().headers


def test_early_media_is_confirmed_where_that_can_be_and_the_answer_has_no_body() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    assert (early.status, early.body, early.headers.get("Require")) == (183, ANSWER, "100rel")
    assert early.headers.get("Content-Type") == "application/sdp"
    assert [one.status for one in ringing.confirm(early)] == [200]
    assert ringing.handler.heard == [("progress acknowledged", b"")]
    ringing.call.answer(MORE)
    ok = ringing.sent()
    assert (ok.status, ok.body, ok.headers.get("Content-Type")) == (200, b"", "")
    ringing.wire.receive(request("ACK", to_tag=ok.to.tag))
    assert ringing.handler.heard[1:] == [("acknowledged", b"")]


def test_early_media_without_support_is_sent_once_and_again_in_the_answer() -> None:
    ringing = Ringing()
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    assert (early.status, early.body, "RSeq" in early.headers) == (183, ANSWER, False)
    assert ringing.wire.after(10) == []
    ringing.call.answer(ANSWER)
    assert ringing.sent().body == ANSWER


def test_the_answer_waits_for_the_prack_of_a_description() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    ringing.call.answer()
    assert ringing.wire.take() == []
    for late in (ringing.call.ring, ringing.call.answer):
        with pytest.raises(CallStateError):
            late()
    confirmed, ok = ringing.confirm(early)
    assert (confirmed.cseq.method, ok.cseq.method, ok.status) == ("PRACK", "INVITE", 200)
    assert ringing.wire.receive(request("ACK", to_tag=ok.to.tag)) == []
    assert left(ringing.wire)[0] == 1


def test_an_answer_does_not_wait_for_the_prack_of_ringing_which_may_still_come() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    one = ringing.sent()
    ringing.call.answer(ANSWER)
    ok = ringing.sent()
    assert (ok.status, ok.body) == (200, ANSWER)
    assert [late.status for late in ringing.confirm(one)] == [200]
    assert [again.status for again in ringing.confirm(one)] == [481]


def test_the_next_one_waits_for_the_prack_of_the_last() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    ringing.call.progress(ANSWER)
    first = ringing.sent()
    assert ringing.wire.after(0.5) == [first]
    confirmed, second = ringing.confirm(first)
    assert confirmed.cseq.method == "PRACK"
    assert (second.status, rseq(second)) == (183, rseq(first) + 1)
    assert [one.status for one in ringing.confirm(second)] == [200]


def test_a_prack_is_matched_by_its_rack() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    one = ringing.sent()
    number = rseq(one)
    for wrong in (f"{number + 1} 1 INVITE", f"{number} 2 INVITE", f"{number} 1 UPDATE"):
        assert ringing.wire.statuses(ringing.prack(one, rack=wrong)) == [481]
    for broken in ("x 1 INVITE", f"{number} 1", "1 2 3 4", f"{2**32} 1 INVITE"):
        assert ringing.wire.statuses(ringing.prack(one, rack=broken)) == [400]
    good = ringing.prack(one)
    assert ringing.wire.statuses(good) == [200]
    assert ringing.wire.statuses(good) == [200]  # a copy of it
    assert ringing.wire.statuses(ringing.prack(one)) == [481]


def test_an_offer_of_ours_is_answered_in_the_prack() -> None:
    ringing = Ringing(SUPPORTED, body=b"")
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    [ok] = ringing.confirm(early, OFFER)
    assert (ok.status, ok.body) == (200, b"")
    assert ringing.handler.heard == [("progress acknowledged", OFFER)]
    ringing.call.answer()
    assert ringing.sent().body == b""


def test_a_prack_may_bring_another_offer() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.handler.renegotiate = lambda _: MORE
    ringing.call.progress(ANSWER)
    [ok] = ringing.confirm(ringing.sent(), OFFER)
    assert (ok.status, ok.body, ok.headers.get("Content-Type")) == (
        200,
        MORE,
        "application/sdp",
    )
    assert ringing.handler.heard == [
        ("renegotiated", OFFER),
        ("progress acknowledged", b""),
    ]


def test_an_offer_in_a_prack_before_the_first_was_answered_is_488() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    assert [one.status for one in ringing.confirm(ringing.sent(), OFFER)] == [488]
    assert ringing.call.live


def test_an_update_offers_once_the_early_session_is_confirmed() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    update = request("UPDATE", cseq=2, to_tag=early.to.tag, body=OFFER)
    assert ringing.wire.statuses(update) == [500]
    ringing.cseq = 2
    ringing.confirm(early)
    update = request("UPDATE", cseq=4, to_tag=early.to.tag, body=OFFER)
    [ok] = ringing.wire.receive(update)
    assert (status(ok), ok.body) == (200, ANSWER)
    assert "Session-Expires" not in ok.headers
    got = outcome(ringing.call.update(lambda: MORE))
    ours = only_request(ringing.wire.take())
    assert (ours.method, ours.body) == ("UPDATE", MORE)
    ringing.wire.receive(reply(ours, 200, body=OFFER))
    assert got == [OFFER]


def test_an_update_while_our_early_offer_waits_is_491() -> None:
    ringing = Ringing(SUPPORTED, body=b"")
    ringing.call.progress(ANSWER)
    early = ringing.sent()
    update = request("UPDATE", cseq=2, to_tag=early.to.tag, body=OFFER)
    assert ringing.wire.statuses(update) == [491]


def test_cancel_and_refusal_while_a_prack_is_awaited() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.progress(ANSWER)
    ringing.call.answer()
    tag = ringing.sent().to.tag
    assert ringing.wire.statuses(request("CANCEL", branch="z9hG4bKINVITE1")) == [200, 487]
    ringing.wire.receive(request("ACK", to_tag=tag, branch="z9hG4bKINVITE1"))
    assert ringing.wire.after(5) == []
    [_] = ringing.wire.clock.getDelayedCalls()  # the minute of all that rings
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    ringing.sent()
    ringing.call.reject(486)
    assert ringing.sent().status == 486
    assert left(ringing.wire) == []


def test_it_still_rings_each_minute_with_a_new_number() -> None:
    ringing = Ringing(REQUIRED)
    ringing.call.ring()
    ringing.call.ring()
    first = ringing.sent()
    _, second = ringing.confirm(first)
    assert [one.status for one in ringing.confirm(second)] == [200]
    third = only_response(ringing.wire.after(60))
    assert (third.status, rseq(third)) == (180, rseq(second) + 1)


def test_early_media_is_said_again_each_minute_without_its_description() -> None:
    ringing = Ringing(SUPPORTED)
    ringing.call.progress(ANSWER)
    ringing.confirm(ringing.sent())
    again = only_response(ringing.wire.after(60))
    assert (again.status, again.body) == (183, b"")


def test_a_progress_is_a_provisional_response() -> None:
    ringing = Ringing()
    for wrong in (100, 200, 99):
        with pytest.raises(ValueError, match="provisional"):
            ringing.call.progress(ANSWER, wrong)
    ringing.call.progress(b"", 182)
    assert ringing.sent().status == 182
    ringing.call.hang_up()
    ringing.wire.take()
    ringing.call.progress(ANSWER)
    assert ringing.wire.take() == []


def test_the_receiver_takes_each_once_and_in_order() -> None:
    receiver = ReliableReceiver()

    def take(number: str, require: str = "100rel") -> str | None:
        headers = parse(request()).headers
        for line in (("Require", require), ("RSeq", number)):
            headers.add(*line)
        return receiver.take(Response(183, "", headers))

    assert take("7", "timer") is None
    assert take("7") == "7 1 INVITE"
    assert take("7") is None
    assert take("9") is None
    assert take("8") == "8 1 INVITE"
    with pytest.raises(MalformedMessageError):
        take("x")
