"""Every way a call ends, and what is left of it (RFC 3261 §9, §15)."""

import gc

import pytest

from ivr.sip import Address, CallEnd, IncomingCall, Request
from ivr.sip.dialog import Dialog
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


def accept_bye(wire: Wire, bye: object, code: str = "200 OK") -> list[object]:
    """Answer our own BYE."""
    text = bye.render().decode()  # type: ignore[attr-defined] # a Request
    _, _, rest = text.partition("\r\n")
    return list(wire.receive(f"SIP/2.0 {code}\r\n{rest}".encode()))


def test_cancel_before_the_answer() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    cancelled, terminated = wire.receive(request("CANCEL", branch="z9hG4bKINVITE1"))
    assert (status(cancelled), cancelled.cseq.method) == (200, "CANCEL")
    assert (status(terminated), terminated.cseq.method) == (487, "INVITE")
    assert cancelled.to.tag == terminated.to.tag != ""
    assert wire.handler.heard == [("ended", CallEnd.CANCELLED)]
    again = only_response(wire.receive(request("CANCEL", branch="z9hG4bKINVITE1")))
    assert again == cancelled
    wire.receive(request("ACK", branch="z9hG4bKINVITE1", to_tag=terminated.to.tag))
    assert wire.after(10) == []
    # The application may not know yet: what it does now is too late, not wrong.
    wire.call.ring()
    wire.call.answer(ANSWER)
    wire.call.reject(486)
    wire.call.hang_up()
    assert wire.take() == []
    assert wire.handler.ends == [CallEnd.CANCELLED]


def test_cancel_that_crosses_the_200_changes_nothing() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    cancelled = only_response(wire.receive(request("CANCEL", branch="z9hG4bKINVITE1")))
    assert (cancelled.status, cancelled.to.tag) == (200, ok.to.tag)
    wire.receive(request("ACK", to_tag=ok.to.tag))
    assert wire.handler.heard == [("acknowledged", b"")]
    assert wire.agent.live_calls == 1


def test_cancel_of_nothing_is_481() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    assert wire.statuses(request("CANCEL", branch="z9hG4bKother")) == [481]
    assert wire.call.live


def test_the_caller_hangs_up() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    bye = request("BYE", cseq=2, to_tag=tag)
    first = wire.receive(bye)
    assert [status(one) for one in first] == [200]
    assert wire.handler.heard == [("acknowledged", b""), ("ended", CallEnd.HUNG_UP_BY_PEER)]
    assert wire.receive(bye) == first
    assert wire.agent.live_calls == 0
    assert wire.after(32) == []
    assert wire.clock.getDelayedCalls() == []
    assert wire.statuses(bye) == [481]


def test_the_caller_hangs_up_before_the_ack() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    assert wire.statuses(request("BYE", cseq=2, to_tag=ok.to.tag)) == [200]
    assert wire.handler.heard == [("ended", CallEnd.HUNG_UP_BY_PEER)]
    assert wire.after(10) == []


def test_the_caller_ends_the_early_dialog_with_bye() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.ring()
    tag = only_response(wire.take()).to.tag
    assert wire.statuses(request("BYE", cseq=2, to_tag=tag)) == [200, 487]
    assert wire.handler.heard == [("ended", CallEnd.CANCELLED)]


def test_we_hang_up_and_repeat_bye_until_it_is_answered() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.call.hang_up()
    [(_, to)] = wire.sent
    bye = only_request(wire.take())
    assert to == PHONE
    assert (bye.method, bye.uri_text) == ("BYE", "sip:debtor@192.0.2.10:5062")
    assert (bye.from_.tag, bye.to.tag, bye.cseq) == (tag, "1928301774", (1, "BYE"))
    assert bye.via.sent_by == "192.0.2.1:5060"
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]
    wire.call.hang_up()
    assert wire.take() == []

    assert wire.after(0.5) == [bye]
    assert wire.after(1) == [bye]
    accept_bye(wire, bye, "100 Trying")
    assert wire.after(2) == [bye]
    assert wire.after(4) == [bye]  # timer E is T2 after a provisional response
    assert accept_bye(wire, bye) == []
    assert wire.after(64) == []
    assert accept_bye(wire, bye) == []


def test_bye_is_given_up_after_timer_f() -> None:
    wire = Wire(on_call=answer)
    established(wire)
    wire.call.hang_up()
    seen = []
    for _ in range(130):
        seen += [wire.clock.seconds() for _ in wire.take()]
        wire.clock.advance(0.25)
    assert seen == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert wire.clock.getDelayedCalls() == []


def test_both_hang_up_at_once() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.call.hang_up()
    ours = only_request(wire.take())
    assert wire.statuses(request("BYE", cseq=2, to_tag=tag)) == [200]
    assert wire.statuses(request("INVITE", cseq=3, to_tag=tag, body=OFFER)) == [481]
    assert wire.after(0.5) == [ours]
    accept_bye(wire, ours, "481 Call/Transaction Does Not Exist")
    assert wire.after(1) == []
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]


def test_we_hang_up_before_the_ack_but_bye_waits_for_it() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))
    wire.call.hang_up()
    assert wire.take() == []
    bye = only_request(wire.receive(request("ACK", to_tag=ok.to.tag)))
    assert bye.method == "BYE"
    assert wire.handler.heard == [("ended", CallEnd.HUNG_UP_BY_US)]


def test_we_hang_up_and_the_ack_never_comes() -> None:
    wire = Wire(on_call=answer)
    wire.receive(request(body=OFFER))
    wire.call.hang_up()
    wire.clock.pump([0.5] * 63)
    assert {status(one) for one in wire.take()} == {200}
    assert only_request(wire.after(0.5)).method == "BYE"
    assert wire.handler.heard == [("ended", CallEnd.HUNG_UP_BY_US)]


def test_we_hang_up_before_the_answer() -> None:
    wire = Wire(on_call=lambda call: call.hang_up())
    assert wire.statuses(request(body=OFFER)) == [100, 480]
    assert wire.handler.heard == [("ended", CallEnd.HUNG_UP_BY_US)]


@pytest.mark.parametrize(
    ("routes", "contact", "uri", "route", "to"),
    [
        (
            ("<sip:192.0.2.50:5080;lr>, <sip:192.0.2.51;lr>",),
            "<sip:debtor@192.0.2.10:5062>",
            "sip:debtor@192.0.2.10:5062",
            ["<sip:192.0.2.50:5080;lr>", "<sip:192.0.2.51;lr>"],
            Address("192.0.2.50", 5080),
        ),
        (
            ("<sip:192.0.2.50>", "<sip:192.0.2.51;lr>"),
            "<sip:debtor@192.0.2.10:5062>",
            "sip:192.0.2.50",
            ["<sip:192.0.2.51;lr>", "<sip:debtor@192.0.2.10:5062>"],
            Address("192.0.2.50", 5060),
        ),
        (
            (),
            '"D, x" <sip:debtor@[2001:db8::1]:5099;transport=udp>;expires=60',
            "sip:debtor@[2001:db8::1]:5099;transport=udp",
            [],
            Address("2001:db8::1", 5099),
        ),
        ((), "sip:debtor@phone.invalid", "sip:debtor@phone.invalid", [], PHONE),
        ((), None, "sip:+3399@phones.example.com", [], PHONE),
    ],
)
def test_bye_follows_record_route_and_contact(
    routes: tuple[str, ...], contact: str | None, uri: str, route: list[str], to: Address
) -> None:
    wire = Wire(on_call=answer)
    lines = tuple(f"Record-Route: {one}" for one in routes)
    _, ok = wire.receive(request(body=OFFER, headers=lines, contact=contact))
    assert ok.headers.lines("Record-Route") == list(routes)
    wire.receive(request("ACK", to_tag=ok.to.tag))
    wire.call.hang_up()
    [(_, sent_to)] = wire.sent
    bye = only_request(wire.take())
    assert (bye.uri_text, bye.headers.values("Route"), sent_to) == (uri, route, to)


def test_bye_reaches_a_phone_behind_nat() -> None:
    nat = Address("198.51.100.7", 40123)
    wire = Wire(on_call=answer)
    via = "SIP/2.0/UDP 10.0.0.5:5062;rport;branch=z9hG4bKx"
    _, ok = wire.receive(request(via=via, contact="<sip:d@10.0.0.5:5062>"), nat)
    wire.receive(request("ACK", to_tag=ok.to.tag), nat)
    wire.call.hang_up()
    assert wire.sent[0][1] == nat


def test_draining_refuses_new_calls_and_lets_live_ones_end() -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    wire.agent.drain(30)
    idle: list[None] = []
    wire.agent.when_idle().addCallback(idle.append)
    other = request(body=OFFER, call_id="other", branch="z9hG4bKother")
    refused = only_response(wire.receive(other))
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "30")
    assert "Draining" in refused.headers.get("Warning")
    assert wire.receive(other) == [refused]
    assert wire.statuses(request("OPTIONS", call_id="options")) == [503]
    assert wire.statuses(request("OPTIONS", cseq=2, to_tag=tag)) == [200]
    assert wire.agent.live_calls == 1
    wire.call.hang_up()
    assert (wire.agent.live_calls, idle) == (0, [])
    accept_bye(wire, only_request(wire.take()))
    assert idle == [None]


def test_idle_is_said_at_once_when_nothing_is_live() -> None:
    wire = Wire()
    idle: list[None] = []
    wire.agent.when_idle().addCallback(idle.append)
    assert idle == [None]


def test_one_call_too_many_is_asked_to_come_again() -> None:
    wire = Wire(on_call=answer, max_calls=1)
    tag = established(wire)
    other = request(body=OFFER, call_id="other", branch="z9hG4bKother")
    assert wire.statuses(other) == [503]
    wire.receive(request("BYE", cseq=2, to_tag=tag))
    assert wire.statuses(other) == [100, 200]


def test_close_ends_everything_at_once() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.call.answer(ANSWER)
    tag = only_response(wire.take()).to.tag
    wire.receive(request("ACK", to_tag=tag))
    wire.receive(request(body=OFFER, call_id="other", branch="z9hG4bKother"))
    wire.call.ring()
    wire.take()
    wire.agent.close()
    assert [message.cseq.method for message in wire.take()] == ["BYE", "INVITE"]
    assert [handler.ends for handler in wire.handlers] == [[CallEnd.SHUT_DOWN]] * 2
    assert wire.receive(request(body=OFFER, call_id="late", branch="z9hG4bKlate")) == []
    assert wire.clock.getDelayedCalls() == []


def test_a_handler_that_fails_ends_its_call_only() -> None:
    wire = Wire(on_call=answer)
    _, ok = wire.receive(request(body=OFFER))

    class Broken:
        ends: list[CallEnd] = []  # noqa: RUF012 - one test, one instance

        def acknowledged(self, body: bytes) -> None:
            raise RuntimeError("bug")

        def renegotiated(self, body: bytes) -> bytes:
            raise RuntimeError("bug")

        def ended(self, end: CallEnd) -> None:
            self.ends.append(end)
            raise RuntimeError("bug")

    wire.call.handler = Broken()
    bye = only_request(wire.receive(request("ACK", to_tag=ok.to.tag)))
    assert bye.method == "BYE"
    assert Broken.ends == [CallEnd.HUNG_UP_BY_US]
    assert wire.agent.live_calls == 0


@pytest.mark.parametrize("who", ["peer", "us"])
def test_an_ended_call_leaves_no_message_and_no_dialog_behind(who: str) -> None:
    wire = Wire(on_call=answer)
    tag = established(wire)
    gc.collect()
    gc.disable()  # what only the collector would find counts as left behind
    try:
        if who == "us":
            wire.call.hang_up()
        else:
            wire.receive(request("BYE", cseq=2, to_tag=tag))
        wire.calls.clear()
        wire.handlers.clear()
        left = [
            type(one)
            for one in gc.get_objects()
            if (isinstance(one, IncomingCall) and one.request.via.branch == "z9hG4bKINVITE1")
            or (isinstance(one, Dialog) and one.id[1] == tag)
            or (isinstance(one, Request) and one.call_id == "a84b4c76e66710@pc33")
        ]
        assert left == []
    finally:
        gc.enable()
