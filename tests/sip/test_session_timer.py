"""Session timers (RFC 4028): who refreshes, how, and the end of a call that nobody does."""

import pytest

from ivr.sip import CallEnd
from ivr.sip.session_timer import TimerPolicy
from tests.sip.peers import MORE, Party, Talk, left, outcome
from tests.sip.wire import ANSWER, OFFER, Wire, only_response, request

SUPPORTED = "Supported: timer"
TAKES_UPDATE = "Allow: INVITE, ACK, BYE, UPDATE"
QUIET = TimerPolicy(interval=0)


def test_without_support_there_is_no_timer() -> None:
    talk = Talk()
    assert "Session-Expires" not in talk.ok.headers
    assert "Require" not in talk.ok.headers
    assert talk.wire.after(100_000) == []
    assert talk.call.live


def test_who_supports_it_is_asked_to_refresh() -> None:
    talk = Talk(SUPPORTED)
    assert talk.ok.headers.get("Session-Expires") == "1800;refresher=uac"
    assert talk.ok.headers.get("Require") == "timer"
    assert (talk.call.timer.interval, talk.call.timer.ours) == (1800, False)


@pytest.mark.parametrize(
    ("headers", "expires", "ours"),
    [
        ((SUPPORTED, "Session-Expires: 600"), "600;refresher=uac", False),
        ((SUPPORTED, "x: 600 ; refresher=uac"), "600;refresher=uac", False),
        ((SUPPORTED, "Session-Expires: 600;refresher=UAS"), "600;refresher=uas", True),
        (("Require: timer", "Session-Expires: 90"), "90;refresher=uac", False),
        (("Session-Expires: 600",), "600;refresher=uas", True),
        (("Session-Expires: 600;refresher=uac",), "600;refresher=uas", True),
        ((SUPPORTED, "Min-SE: 2400"), "2400;refresher=uac", False),
    ],
)
def test_the_answer_says_who_refreshes(
    headers: tuple[str, ...], expires: str, ours: bool
) -> None:
    talk = Talk(*headers)
    assert talk.ok.headers.get("Session-Expires") == expires
    supports = headers[0] != "Session-Expires: 600" and not headers[0].startswith("Session-E")
    assert ("Require" in talk.ok.headers) is supports
    assert talk.call.timer.ours is ours


def test_an_interval_that_nobody_may_ask_for_counts_for_nothing() -> None:
    talk = Talk("Session-Expires: 5")  # and without support there is no 422
    assert "Session-Expires" not in talk.ok.headers
    assert talk.wire.after(10_000) == []


def test_too_short_is_422_with_the_shortest() -> None:
    wire = Wire(timers=TimerPolicy(1800, 300))
    invite = request(body=OFFER, headers=(SUPPORTED, "Session-Expires: 200"))
    refused = only_response(wire.receive(invite))
    assert (refused.status, refused.headers.get("Min-SE")) == (422, "300")
    assert wire.calls == []
    again = request(
        body=OFFER, cseq=2, headers=(SUPPORTED, "Session-Expires: 300", "Min-SE: 300")
    )
    assert wire.statuses(again) == [100]
    talk = Talk(timers=TimerPolicy(1800, 300))
    for method in ("INVITE", "UPDATE"):
        refused = talk.asks(method, SUPPORTED, "Session-Expires: 299")
        assert (refused.status, refused.headers.get("Min-SE")) == (422, "300")


@pytest.mark.parametrize(
    "header", ["Session-Expires: soon", "Session-Expires: 90;", "Min-SE: x"]
)
def test_a_malformed_interval_is_400_before_anything(header: str) -> None:
    wire = Wire()
    assert wire.statuses(request(body=OFFER, headers=(SUPPORTED, header))) == [400]
    assert wire.calls == []
    talk = Talk()
    for method in ("INVITE", "UPDATE"):
        assert talk.asks(method, SUPPORTED, header).status == 400


def test_a_call_that_is_not_refreshed_ends_before_its_time() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac")
    assert talk.wire.after(567.9) == []
    [bye] = talk.wire.after(0.2)
    assert bye.headers.get("Reason").startswith("SIP;cause=408")
    assert talk.handler.ends == [CallEnd.SESSION_EXPIRED]
    assert left(talk.wire) == []


def test_a_short_interval_ends_at_two_thirds() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 90;refresher=uac")
    assert talk.wire.after(59.9) == []
    assert [one.cseq.method for one in talk.wire.after(0.2)] == ["BYE"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_any_refresh_of_the_other_side_starts_the_time_anew(method: str) -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac")
    talk.wire.clock.advance(500)
    ok = talk.asks(method, SUPPORTED, "Session-Expires: 600;refresher=uac")
    assert ok.headers.get("Session-Expires") == "600;refresher=uac"
    assert ok.headers.get("Require") == "timer"
    talk.ack()
    assert talk.wire.after(560) == []
    assert [one.cseq.method for one in talk.wire.after(10)] == ["BYE"]


def test_a_refused_re_invite_refreshes_nothing() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac")
    talk.wire.clock.advance(500)

    def fail(_: bytes) -> bytes:
        raise RuntimeError("bug")

    talk.handler.renegotiate = fail
    assert talk.asks("INVITE", SUPPORTED, "Session-Expires: 600", body=OFFER).status == 500
    assert [one.cseq.method for one in talk.wire.after(69)] == ["BYE"]


def test_a_refresh_may_end_the_timer() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac", timers=QUIET)
    assert "Session-Expires" not in talk.asks("UPDATE", SUPPORTED).headers
    assert talk.wire.after(10_000) == []


def test_nobody_is_asked_when_the_policy_asks_nobody() -> None:
    talk = Talk(SUPPORTED, timers=QUIET)
    assert "Session-Expires" not in talk.ok.headers
    outcome(talk.call.update())
    assert "Session-Expires" not in talk.sent().headers


def test_we_refresh_by_update_at_half_the_interval() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    assert talk.wire.after(299) == []
    talk.wire.clock.advance(1)
    update = talk.sent()
    assert (update.method, update.body) == ("UPDATE", b"")
    assert update.headers.get("Session-Expires") == "600;refresher=uac"
    assert "timer" in update.headers.values("Supported")
    talk.replies(update, 200, "Session-Expires: 600;refresher=uac")
    assert talk.wire.after(299) == []
    talk.wire.clock.advance(1)
    assert talk.sent().method == "UPDATE"


def test_we_refresh_by_repeating_what_holds_where_update_is_not_taken() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uas", handler=Party())
    talk.wire.clock.advance(300)
    invite = talk.sent()
    assert (invite.method, invite.body) == ("INVITE", ANSWER)
    assert invite.headers.get("Session-Expires") == "600;refresher=uac"
    [ack] = talk.replies(invite, 200, "Session-Expires: 600;refresher=uac", body=OFFER)
    assert ack.cseq.method == "ACK"
    assert talk.handler.heard == [("acknowledged", b"")]
    talk.wire.clock.advance(300)
    talk.replies(talk.sent(), 200, "Session-Expires: 600;refresher=uac", body=MORE)
    # The other side moved meanwhile: whoever listens hears of it.
    assert talk.handler.heard[1:] == [("refreshed", MORE)]


def test_roles_may_change_with_a_refresh() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    talk.wire.clock.advance(300)
    talk.replies(talk.sent(), 200, "Session-Expires: 900;refresher=uas")
    assert (talk.call.timer.interval, talk.call.timer.ours) == (900, False)
    assert talk.wire.after(867) == []
    assert [one.cseq.method for one in talk.wire.after(2)] == ["BYE"]


def test_a_change_of_ours_says_who_refreshes() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac")
    outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    assert invite.headers.get("Session-Expires") == "600;refresher=uas"
    talk.replies(invite, 200, body=OFFER)  # without a timer: it ends
    assert talk.wire.after(10_000) == []


def test_our_refresh_that_is_too_short_is_tried_again() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    talk.wire.clock.advance(300)
    [again] = talk.replies(talk.sent(), 422, "Min-SE: 900")
    assert again.headers.get("Session-Expires") == "900;refresher=uac"
    assert again.headers.get("Min-SE") == "900"
    assert talk.replies(again, 422, "Min-SE: 900") == []  # type: ignore[arg-type] # ours
    assert talk.call.live


def test_a_422_that_is_malformed_is_a_refusal() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    got = outcome(talk.call.update())
    assert talk.replies(talk.sent(), 422, "Min-SE: soon") == []
    assert [error.status for error in got] == [422]
    assert talk.call.live


def test_a_refresh_that_fails_is_tried_again_until_the_call_ends() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    seen = []
    for _ in range(600):
        talk.wire.clock.advance(1)
        for one in talk.wire.take():
            seen.append((round(talk.wire.clock.seconds()), one.cseq.method))
            talk.replies(one, 500)  # type: ignore[arg-type] # ours
    assert seen[0] == (300, "UPDATE")
    assert seen[-1] == (568, "BYE")
    assert {method for _, method in seen[:-1]} == {"UPDATE"}
    assert 5 < len(seen) < 12
    assert talk.handler.ends == [CallEnd.SESSION_EXPIRED]


def test_a_refresh_that_nobody_answers_ends_the_call() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    talk.wire.clock.pump([1.0] * 340)
    assert talk.handler.ends == [CallEnd.DIALOG_LOST]
    assert left(talk.wire) == []


def test_a_refresh_that_crosses_a_change_is_not_needed() -> None:
    talk = Talk(SUPPORTED, TAKES_UPDATE, "Session-Expires: 600;refresher=uas")
    talk.wire.clock.advance(299)
    outcome(talk.call.renegotiate(lambda: MORE))
    invite = talk.sent()
    talk.replies(invite, 100)
    assert talk.wire.after(2) == []
    talk.replies(invite, 200, "Session-Expires: 600;refresher=uac", body=OFFER)
    assert talk.wire.after(298) == []
    assert [one.cseq.method for one in talk.wire.after(3)] == ["UPDATE"]


def test_an_ended_call_has_no_timer() -> None:
    talk = Talk(SUPPORTED, "Session-Expires: 600;refresher=uac")
    assert talk.asks("BYE").status == 200
    assert left(talk.wire) == []


@pytest.mark.parametrize(("interval", "minimum"), [(89, 90), (200, 300), (600, 60)])
def test_a_policy_that_breaks_the_rules_is_none(interval: int, minimum: int) -> None:
    with pytest.raises(ValueError, match="90"):
        TimerPolicy(interval, minimum)
