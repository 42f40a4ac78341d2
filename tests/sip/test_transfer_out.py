"""REFER of ours (RFC 3515, RFC 5589): the outcome is what the other side tells."""

from typing import Any

import pytest

from ivr.sip import CallEnd, CallStateError, IncomingCall, Request, Response
from ivr.sip.transfer import TransferEnd, TransferResult
from tests.sip.peers import Party, Talk, left, outcome, reply
from tests.sip.wire import ANSWER, OFFER, Wire, only_request, request, status

TARGET = "sip:agent@example.com"


class Transfer:
    """A transfer that was just asked for."""

    def __init__(self, target: Any = TARGET, talk: Talk | None = None, **more: Any) -> None:
        self.talk = talk or Talk()
        self.progress: list[tuple[int, str]] = []
        self.got = outcome(
            self.talk.call.transfer(
                target, on_progress=lambda *what: self.progress.append(what), **more
            )
        )
        self.refer = self.talk.sent()

    def tells(self, line: bytes, state: str, *headers: str, event: str = "refer") -> Response:
        raw = self.talk.ask(
            "NOTIFY", f"Event: {event}", f"Subscription-State: {state}", *headers, body=line
        )
        raw = raw.replace(b"application/sdp", b"message/sipfrag;version=2.0")
        [response] = self.talk.wire.receive(raw)
        assert isinstance(response, Response)
        return response


def test_a_blind_transfer_that_succeeds() -> None:
    one = Transfer(referred_by="sip:desk@example.com")
    refer = one.refer
    assert refer.method == "REFER"
    assert refer.headers.get("Refer-To") == f"<{TARGET}>"
    assert refer.headers.get("Referred-By") == "<sip:desk@example.com>"
    assert refer.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert one.talk.replies(refer, 202) == []
    assert one.tells(b"SIP/2.0 100 Trying\r\n", "active;expires=60").status == 200
    assert one.tells(b"SIP/2.0 180 Ringing\r\n", "active;expires=60").status == 200
    assert (one.got, one.progress) == ([], [(100, "Trying"), (180, "Ringing")])
    assert one.tells(b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource").status == 200
    assert one.got == [TransferResult(TransferEnd.SUCCEEDED, 200, "OK")]
    assert one.got[0].succeeded
    assert one.talk.call.live  # who hangs up is the application's to say
    one.talk.call.hang_up()
    assert one.talk.sent().method == "BYE"


def test_a_transfer_that_fails_leaves_the_call() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 202)
    one.tells(b"SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource")
    assert one.got == [TransferResult(TransferEnd.FAILED, 486, "Busy Here")]
    again = Transfer(talk=one.talk)
    assert again.refer.cseq.number == 2
    # A late word about the first is not about the second.
    late = again.tells(b"SIP/2.0 200 OK\r\n", "terminated", event="refer;id=1")
    assert (late.status, again.got) == (481, [])
    right = again.tells(b"SIP/2.0 200 OK\r\n", "terminated", event="Refer ; id=2")
    assert (right.status, again.got[0].succeeded) == (200, True)


@pytest.mark.parametrize("code", [405, 603, 481])
def test_a_transfer_that_is_refused(code: int) -> None:
    one = Transfer()
    one.talk.replies(one.refer, code)
    assert one.got == [TransferResult(TransferEnd.REFUSED, code, "Whatever")]
    assert left(one.talk.wire) == [1]


def test_a_notify_may_overtake_the_202_and_even_be_the_last() -> None:
    one = Transfer()
    one.tells(b"SIP/2.0 100 Trying\r\n", "active")
    one.tells(b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource")
    assert one.got == [TransferResult(TransferEnd.SUCCEEDED, 200, "OK")]
    assert one.talk.replies(one.refer, 202) == []
    assert left(one.talk.wire) == [1]


def test_a_refer_that_nobody_answers_times_out() -> None:
    one = Transfer()
    one.talk.wire.clock.pump([0.5] * 64)
    assert one.got == [TransferResult(TransferEnd.TIMED_OUT)]
    assert one.talk.call.live
    one.talk.wire.take()
    assert left(one.talk.wire) == [1]


def test_a_refer_whose_202_is_lost_goes_on_by_its_notifies() -> None:
    one = Transfer()
    one.tells(b"SIP/2.0 100 Trying\r\n", "active")
    one.talk.wire.clock.pump([0.5] * 64)
    one.talk.wire.take()
    assert one.got == []
    one.tells(b"SIP/2.0 200 OK\r\n", "terminated")
    assert one.got[0].succeeded


def test_a_transfer_of_which_nothing_final_is_heard_times_out() -> None:
    one = Transfer(wait=60)
    one.talk.replies(one.refer, 202)
    one.tells(b"SIP/2.0 100 Trying\r\n", "active")
    assert one.talk.wire.after(59) == []
    assert one.got == []
    one.talk.wire.clock.advance(1)
    assert one.got == [TransferResult(TransferEnd.TIMED_OUT)]
    assert one.tells(b"SIP/2.0 200 OK\r\n", "terminated").status == 481
    assert left(one.talk.wire) == [1]


def test_who_says_at_once_that_nothing_will_be_told_is_believed() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 202, "Refer-Sub: false")
    assert one.got == [TransferResult(TransferEnd.UNTOLD, 202, "Whatever")]


def test_a_subscription_that_ends_without_a_word_leaves_the_outcome_unknown() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 202)
    one.tells(b"SIP/2.0 100 Trying\r\n", "terminated;reason=noresource")
    assert one.got == [TransferResult(TransferEnd.UNTOLD)]


def test_the_other_side_hangs_up_and_tells_afterwards() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 202)
    assert one.talk.asks("BYE").status == 200
    assert one.talk.handler.ends == [CallEnd.HUNG_UP_BY_PEER]
    assert one.tells(b"SIP/2.0 200 OK\r\n", "terminated").status == 200
    assert one.got[0].succeeded
    assert left(one.talk.wire) == []


def test_the_other_side_hangs_up_and_tells_nothing() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 202)
    assert one.talk.asks("BYE").status == 200
    assert one.talk.wire.after(31) == []
    assert one.got == []
    one.talk.wire.clock.advance(2)
    assert one.got == [TransferResult(TransferEnd.TIMED_OUT)]
    assert left(one.talk.wire) == []


def test_closing_ends_a_transfer() -> None:
    one = Transfer()
    one.talk.wire.agent.close()
    assert one.got == [TransferResult(TransferEnd.TIMED_OUT)]
    assert one.talk.wire.clock.getDelayedCalls() == []


def test_a_notify_that_tells_nothing_is_answered_for_what_it_is() -> None:
    one = Transfer()
    assert one.tells(b"", "active", event="presence").status == 489
    assert one.tells(b"not a status line", "active").status == 400
    bad = one.talk.ask("NOTIFY", "Event: refer", "Subscription-State: active", body=b"x")
    [refused] = one.talk.wire.receive(bad)
    assert (status(refused), refused.headers.get("Accept")) == (415, "message/sipfrag")
    assert one.tells(b"", "active").status == 200
    assert one.tells(b"SIP/2.0 200\r\nContact: x\r\n", "active").status == 200
    assert one.got == [TransferResult(TransferEnd.SUCCEEDED, 200, "")]


def test_a_listener_that_fails_harms_nothing() -> None:
    talk = Talk()
    got = outcome(talk.call.transfer(TARGET, on_progress=lambda *_: 1 // 0))
    one = Transfer.__new__(Transfer)
    one.talk = talk
    talk.wire.take()
    assert one.tells(b"SIP/2.0 180 Ringing\r\n", "active").status == 200
    assert one.tells(b"SIP/2.0 200 OK\r\n", "terminated").status == 200
    assert got[0].succeeded


def test_a_copy_of_a_notify_is_heard_once() -> None:
    one = Transfer()
    raw = one.talk.ask(
        "NOTIFY", "Event: refer", "Subscription-State: active", body=b"SIP/2.0 180 Ringing"
    ).replace(b"application/sdp", b"message/sipfrag")
    assert one.talk.wire.receive(raw) == one.talk.wire.receive(raw)
    assert one.progress == [(180, "Ringing")]


def test_an_attended_transfer_names_the_call_to_take_over() -> None:
    calls: list[IncomingCall] = []

    def take(call: IncomingCall) -> None:
        call.handler = Party()
        call.answer(ANSWER)
        calls.append(call)

    wire = Wire(on_call=take)
    tags = []
    for name in ("first", "second"):
        _, ok = wire.receive(
            request(
                body=OFFER,
                call_id=name,
                branch=f"z9hG4bK{name}",
                contact=f"<sip:{name}@192.0.2.10;x=y>",
            )
        )
        wire.receive(request("ACK", to_tag=ok.to.tag, call_id=name, branch=f"z9hG4bKack{name}"))
        tags.append(ok.to.tag)
    debtor, agent = calls
    outcome(debtor.transfer(agent))
    refer = only_request(wire.take())
    assert refer.call_id == "first"
    # To the agent its own tag is the To tag.
    assert refer.headers.get("Refer-To") == (
        "<sip:second@192.0.2.10;x=y?Replaces=second%3Bto-tag%3D1928301774"
        f"%3Bfrom-tag%3D{tags[1]}>"
    )


def test_a_transfer_needs_an_answered_call_and_a_uri() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    with pytest.raises(CallStateError):
        wire.call.transfer(TARGET)
    talk = Talk()
    for wrong in ("agent", "http://example.com", "sip:a@b>", "sip:"):
        with pytest.raises(ValueError, match=r"URI|malformed"):
            talk.call.transfer(wrong)
    with pytest.raises(ValueError, match="malformed"):
        talk.call.transfer(TARGET, referred_by="nobody")
    outcome(talk.call.transfer("tel:+33123"))
    with pytest.raises(CallStateError):
        talk.call.transfer(TARGET)
    assert isinstance(talk.sent(), Request)
    talk.call.hang_up()
    talk.wire.take()
    with pytest.raises(CallStateError):
        talk.call.transfer(TARGET)


def test_replies_that_cross_are_nothing() -> None:
    one = Transfer()
    one.talk.replies(one.refer, 603)
    assert one.talk.wire.receive(reply(one.refer, 202)) == []
    assert len(one.got) == 1
