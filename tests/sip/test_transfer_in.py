"""REFER to us (RFC 3515, RFC 3892, RFC 4488) and what the other side is told."""

from typing import Any

import pytest

from ivr.sip import CallEnd, Request, Response
from ivr.sip.referral import Referral
from tests.sip.peers import Party, Talk, left
from tests.sip.wire import Recorder, only_request

TO = "Refer-To: <sip:agent@example.com>"


def refer(talk: Talk, *headers: str) -> tuple[Response, Request]:
    """Send a REFER; return the 202 and the first NOTIFY."""
    accepted, notify = talk.wire.receive(talk.ask("REFER", *headers))
    assert isinstance(accepted, Response)
    assert isinstance(notify, Request)
    return accepted, notify


def told(notify: Request) -> tuple[bytes, str]:
    return notify.body, notify.headers.get("Subscription-State")


def test_a_referral_is_accepted_and_told_from_trying_to_the_end() -> None:
    talk = Talk()
    accepted, notify = refer(
        talk,
        "Refer-To: Agent <sip:agent@example.com;method=INVITE?Replaces=a%3Bto-tag%3Db"
        "%3Bfrom-tag%3Dc>",
        "b: <sip:boss@example.com>;cid=x",
    )
    assert accepted.status == 202
    assert accepted.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert "Refer-Sub" not in accepted.headers
    assert notify.method == "NOTIFY"
    assert notify.headers.get("Event") == "refer;id=2"
    assert notify.headers.get("Content-Type") == "message/sipfrag;version=2.0"
    assert notify.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert told(notify) == (b"SIP/2.0 100 Trying\r\n", "active;expires=180")
    [referral] = talk.referrals
    assert referral.target.display_name == "Agent"
    assert referral.target.uri.called == "agent"
    assert (referral.method, str(referral.replaces)) == ("INVITE", "a;to-tag=b;from-tag=c")
    assert referral.referred_by is not None
    assert referral.referred_by.uri_text == "sip:boss@example.com"

    talk.wire.after(5)
    assert talk.replies(notify, 200) == []
    referral.progress(180)
    ringing = talk.sent()
    assert told(ringing) == (b"SIP/2.0 180 Ringing\r\n", "active;expires=175")
    referral.progress(183, "Playing")
    referral.finish(200)
    referral.finish(486)
    assert talk.wire.take() == []  # one after the other: they must not overtake
    playing = only_request(talk.replies(ringing, 200))
    assert playing.body == b"SIP/2.0 183 Playing\r\n"
    last = only_request(talk.replies(playing, 200))
    assert told(last) == (b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource")
    assert talk.replies(last, 200) == []
    referral.progress(180)
    assert talk.wire.take() == []
    assert talk.call.live
    assert left(talk.wire) == [1]


def test_a_referral_decided_at_once_is_told_in_order() -> None:
    talk = Talk(handler=Party(refer=lambda referral: referral.finish(486)))
    _, trying = refer(talk, TO)
    assert trying.body.startswith(b"SIP/2.0 100")
    last = only_request(talk.replies(trying, 200))
    assert told(last) == (b"SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource")


def test_a_referral_that_is_refused() -> None:
    talk = Talk(handler=Party(refer=lambda referral: referral.refuse(403, "Not you")))
    refused = talk.asks("REFER", TO)
    assert (refused.status, refused.reason) == (403, "Not you")
    [referral] = talk.referrals
    referral.finish(200)
    assert left(talk.wire) == [1]


def test_a_handler_that_takes_no_referral_or_fails() -> None:
    assert Talk(handler=Recorder()).asks("REFER", TO).status == 603
    talk = Talk(handler=Party(refer=lambda _: 1 // 0))
    assert talk.asks("REFER", TO).status == 500
    assert talk.call.live


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (TO, TO),
        ("Refer-To: <>",),
        (TO, "Referred-By: nobody"),
        ("Refer-To: <sip:a@b?Replaces=x>",),
    ],
)
def test_a_refer_that_is_not_understood_is_400(headers: tuple[str, ...]) -> None:
    talk = Talk()
    assert talk.asks("REFER", *headers).status == 400
    assert talk.referrals == []


def test_who_wants_to_hear_nothing_hears_nothing() -> None:
    talk = Talk()
    accepted = talk.asks("REFER", TO, "Refer-Sub: false", "Require: norefersub")
    assert (accepted.status, accepted.headers.get("Refer-Sub")) == (202, "false")
    [referral] = talk.referrals
    assert referral.silent
    referral.progress(180)
    referral.finish(200)
    assert left(talk.wire) == [1]


def test_more_referrals_at_once_than_anybody_needs_are_refused() -> None:
    talk = Talk()
    for _ in range(8):
        refer(talk, TO)
    refused = talk.asks("REFER", TO)
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "60")
    assert len(talk.referrals) == 8
    talk.wire.clock.pump([0.5] * 64)
    talk.wire.take()  # nobody answered the NOTIFYs
    refer(talk, TO)


def test_a_copy_of_a_refer_makes_no_second_referral() -> None:
    talk = Talk()
    one = talk.ask("REFER", TO)
    accepted, notify = talk.wire.receive(one)
    assert talk.wire.receive(one) == [accepted]
    assert talk.wire.after(0.5) == [notify]
    assert len(talk.referrals) == 1


@pytest.mark.parametrize("code", [481, 489, None])
def test_who_has_forgotten_the_referral_is_told_no_more(code: int | None) -> None:
    talk = Talk()
    _, notify = refer(talk, TO)
    if code is None:
        talk.wire.clock.pump([0.5] * 64)
        talk.wire.take()
    else:
        talk.replies(notify, code)
    talk.referrals[0].finish(200)
    assert talk.wire.take() == []
    assert left(talk.wire) == [1]


def test_the_end_of_the_call_is_not_the_end_of_the_telling() -> None:
    talk = Talk()
    _, notify = refer(talk, TO)
    talk.replies(notify, 200)
    assert talk.asks("BYE").status == 200
    idle: list[None] = []
    talk.wire.agent.when_idle().addCallback(idle.append)
    assert idle == []
    talk.referrals[0].finish(200)
    last = talk.sent()
    assert (last.method, last.to.tag) == ("NOTIFY", "1928301774")
    assert talk.asks("INFO").status == 481
    talk.replies(last, 200)
    assert idle == [None]
    assert left(talk.wire) == []


def test_a_referral_that_nobody_decides_ends_by_itself() -> None:
    talk = Talk()
    _, notify = refer(talk, TO)
    talk.replies(notify, 200)
    talk.wire.clock.advance(180)
    last = talk.sent()
    assert told(last) == (b"SIP/2.0 100 Trying\r\n", "terminated;reason=timeout")
    talk.replies(last, 200)
    assert left(talk.wire) == [1]


def test_closing_ends_the_telling() -> None:
    talk = Talk()
    refer(talk, TO)
    talk.wire.agent.close()
    assert talk.wire.clock.getDelayedCalls() == []
    assert talk.handler.ends == [CallEnd.SHUT_DOWN]
    talk.referrals[0].finish(200)
    assert [one.cseq.method for one in talk.wire.take()] == ["BYE"]


def test_a_notify_to_who_tells_is_481() -> None:
    talk = Talk()
    refer(talk, TO)
    assert talk.asks("NOTIFY", "Event: refer", "Subscription-State: active").status == 481


@pytest.mark.parametrize(
    ("what", "with_what"),
    [("refuse", 200), ("progress", 200), ("finish", 180), ("refuse", 700)],
)
def test_a_status_of_another_kind_is_a_mistake_here(what: str, with_what: int) -> None:
    def try_it(referral: Referral) -> None:
        with pytest.raises(ValueError, match=str(with_what)):
            getattr(referral, what)(with_what)
        with pytest.raises(ValueError, match="line break"):
            referral.progress(180, "a\r\nb")
        done.append(True)

    done: list[Any] = []
    talk = Talk(handler=Party(refer=try_it))
    refer(talk, TO)
    assert done == [True]
