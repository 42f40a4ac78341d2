"""A new call takes the place of another (RFC 3891)."""

import pytest

from ivr.sip import CallEnd, IncomingCall, MalformedMessageError, Request
from ivr.sip.replaces import Replaces, parse_replaces
from tests.sip.callee import CALLEE, Call, reply
from tests.sip.peers import Talk, left
from tests.sip.wire import ANSWER, OFFER, Wire, only_response, request, status

OLD = "a84b4c76e66710@pc33"


def newcomer(replaces: str, number: int = 1, *more: str) -> bytes:
    return request(
        body=OFFER,
        call_id=f"new{number}",
        branch=f"z9hG4bKnew{number}",
        headers=(f"Replaces: {replaces}", "Require: replaces", *more),
    )


def of(talk: Talk, **changed: str) -> str:
    parts = {"call_id": OLD, "to": talk.tag, "from": "1928301774", **changed}
    return f"{parts['call_id']};to-tag={parts['to']};from-tag={parts['from']}"


class Desk:
    """A call that is up, and what comes to replace it."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.wire = self.talk.wire
        self.old = self.talk.call
        self.wire._on_call = None  # the newcomer is not answered at once

    def comes(self, raw: bytes) -> IncomingCall:
        assert self.wire.statuses(raw) == [100]
        return self.wire.call


def test_the_old_call_is_hung_up_once_the_new_one_is_answered() -> None:
    desk = Desk()
    call = desk.comes(newcomer(of(desk.talk)))
    assert call.replaces is desk.old
    assert desk.old.live
    call.ring()
    desk.wire.take()
    call.answer(ANSWER)
    ok, bye = desk.wire.take()
    assert status(ok) == 200
    assert (bye.cseq.method, bye.call_id) == ("BYE", OLD)
    assert desk.talk.handler.ends == [CallEnd.REPLACED]
    assert desk.wire.agent.live_calls == 1
    assert call.replaces is None


def test_a_newcomer_that_is_refused_or_gives_up_changes_nothing() -> None:
    desk = Desk()
    desk.comes(newcomer(of(desk.talk))).reject(486)
    desk.wire.take()
    call = desk.comes(newcomer(of(desk.talk), 2))
    cancel = request("CANCEL", call_id="new2", branch="z9hG4bKnew2")
    assert desk.wire.statuses(cancel) == [200, 487]
    assert call.replaces is None
    assert desk.old.live
    assert desk.talk.handler.ends == []


def test_the_old_call_may_end_first() -> None:
    desk = Desk()
    call = desk.comes(newcomer(of(desk.talk)))
    assert desk.talk.asks("BYE").status == 200
    call.answer(ANSWER)
    assert status(only_response(desk.wire.take())) == 200
    assert desk.talk.handler.ends == [CallEnd.HUNG_UP_BY_PEER]


def test_an_old_call_that_waits_for_its_ack_is_hung_up_after_that() -> None:
    wire = Wire(on_call=lambda call: call.answer(ANSWER))
    _, ok = wire.receive(request(body=OFFER))
    old = wire.handler
    replaces = f"{OLD};from-tag=1928301774;to-tag={ok.to.tag}"
    assert wire.statuses(newcomer(replaces)) == [100, 200]
    assert old.ends == []
    [bye] = wire.receive(request("ACK", to_tag=ok.to.tag))
    assert bye.cseq.method == "BYE"
    assert old.ends == [CallEnd.REPLACED]


@pytest.mark.parametrize(
    "changed", [{"call_id": "other"}, {"to": "other"}, {"from": "other"}, {"from": "0"}]
)
def test_no_such_call_is_481(changed: dict[str, str]) -> None:
    desk = Desk()
    assert desk.wire.statuses(newcomer(of(desk.talk, **changed))) == [481]
    assert len(desk.wire.calls) == 1


def test_a_call_that_has_just_ended_is_603() -> None:
    desk = Desk()
    desk.old.hang_up()
    bye = desk.talk.sent()
    assert desk.wire.statuses(newcomer(of(desk.talk))) == [603]
    desk.talk.replies(bye, 200)
    assert desk.wire.statuses(newcomer(of(desk.talk), 2)) == [481]


def test_who_only_wants_an_unanswered_call_is_told_that_it_is_busy() -> None:
    desk = Desk()
    assert desk.wire.statuses(newcomer(f"{of(desk.talk)};early-only")) == [486]
    assert desk.old.live


def test_a_call_that_rings_here_is_not_taken_away() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.ring()
    [ringing] = wire.take()
    replaces = f"{OLD};to-tag={ringing.to.tag};from-tag=1928301774"
    assert wire.statuses(newcomer(replaces)) == [481]
    assert wire.statuses(newcomer(f"{replaces};early-only", 2)) == [481]


def test_a_call_of_ours_that_rings_is_picked_up_elsewhere() -> None:
    call = Call()
    invite = call.last()
    call.hears(180, tag="phone")
    replaces = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=phone;early-only"
    call.wire._on_call = lambda new: new.answer(ANSWER)
    sent = call.wire.receive(newcomer(replaces))
    assert [status(one) for one in sent[:2]] == [100, 200]
    cancel = sent[2]
    assert isinstance(cancel, Request)
    assert (cancel.method, cancel.call_id) == ("CANCEL", invite.call_id)
    assert call.handler.ends == [CallEnd.REPLACED]
    call.wire.agent.datagram_received(reply(cancel, 200), CALLEE)
    call.hears(487)
    assert call.agent.live_calls == 1


@pytest.mark.parametrize(
    "more",
    [
        ("Replaces: x;to-tag=a;from-tag=b",),
        ("Join: x;to-tag=a;from-tag=b",),
    ],
)
def test_two_calls_at_once_are_400(more: tuple[str, ...]) -> None:
    desk = Desk()
    assert desk.wire.statuses(newcomer(of(desk.talk), 1, *more)) == [400]


@pytest.mark.parametrize(
    "text", ["", ";to-tag=a;from-tag=b", "x;to-tag=a", "x;from-tag=a", "x;to-tag;from-tag=b"]
)
def test_what_names_no_call_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_replaces(text)
    assert Wire().statuses(newcomer(text)) == [400]


def test_a_replaces_is_written_as_it_is_read() -> None:
    text = "12345@149.112.118.3;to-tag=12345;from-tag=54321;early-only"
    parsed = parse_replaces(text)
    assert parsed == Replaces("12345@149.112.118.3", "12345", "54321", early_only=True)
    assert str(parsed) == text
    assert parse_replaces("x ; from-tag=0;to-tag=b").dialog == ("x", "b", "")


def test_nothing_is_left_of_both() -> None:
    desk = Desk()
    desk.comes(newcomer(of(desk.talk))).answer(ANSWER)
    ok, bye = desk.wire.take()
    assert isinstance(bye, Request)
    desk.talk.replies(bye, 200)
    desk.wire.receive(request("ACK", to_tag=ok.to.tag, call_id="new1", branch="z9hG4bKa"))
    desk.wire.receive(request("BYE", cseq=2, to_tag=ok.to.tag, call_id="new1"))
    assert left(desk.wire) == []
