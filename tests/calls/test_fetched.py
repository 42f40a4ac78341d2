"""A REFER to us: the agent's call with us is transferred to the debtor, whom we call."""

import pytest

from ivr.sip import Address, Request
from ivr.vocabulary import EventType, Result
from tests.calls.desk import ANSWER, Desk
from tests.sip.callee import reply
from tests.sip.peers import reply as ok
from tests.sip.wire import PHONE, status

DEBTOR = "sip:+3399@192.0.2.10:5062"
TAKES_OVER = "?Replaces=call%40pbx%3Bto-tag%3Done%3Bfrom-tag%3Dtwo"


def _referred(first_port: int, target: str = DEBTOR) -> tuple[Desk, int]:
    desk = Desk(first_port)
    desk.transfer_in()
    sent = desk.in_dialog("REFER", 2, headers=(f"Refer-To: <{target}>",))
    [answered] = [one for one in sent if not isinstance(one, Request)]
    for one in sent:
        if isinstance(one, Request) and one.method == "NOTIFY":
            desk.wire.agent.datagram_received(ok(one, 200), PHONE)
    desk.look()
    return desk, status(answered)


def _debtor_hears(desk: Desk, code: int) -> None:
    body = ANSWER if code == 200 else b""
    source = Address("192.0.2.10", 5062)
    desk.wire.agent.datagram_received(reply(desk.last(), code, body=body), source)
    desk.look()


@pytest.mark.parametrize("gone", [False, True])
def test_the_debtor_is_called_and_carries_on_with_the_transaction(gone: bool) -> None:
    desk, code = _referred(33000, DEBTOR + TAKES_OVER)
    assert code == 202
    invite = desk.last()
    assert invite.headers.get("Replaces") == "call@pbx;to-tag=one;from-tag=two"
    assert invite.uri_text == DEBTOR
    if gone:
        desk.hang_up()
    _debtor_hears(desk, 180)
    _debtor_hears(desk, 200)
    assert desk.told(EventType.TRANSACTION_TRANSFERRED) == ["by-uri", "by-refer"]
    assert desk.said == ["welcome.handed-over"] * 2
    assert not desk.results
    if not gone:
        assert desk.last("BYE").call_id == "a84b4c76e66710@pc33"
    desk.press("1#")
    desk.switchboard.hang_up_all()
    assert desk.results == [Result.CALLER_HUNG_UP]
    assert {e.transaction_id for e in desk.events} == {None, "prepared"}
    desk.nothing_is_left()


@pytest.mark.parametrize("gone", [False, True])
def test_a_debtor_who_does_not_answer_leaves_the_call_as_it_was(gone: bool) -> None:
    desk, _ = _referred(33100)
    if gone:
        desk.hang_up()
    _debtor_hears(desk, 486)
    assert bool(desk.results) is gone
    if not gone:
        desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


@pytest.mark.parametrize("target", ["sip:+3399@elsewhere.example", f"{DEBTOR};method=BYE"])
def test_nobody_is_called_elsewhere_or_for_anything_else(target: str) -> None:
    desk, code = _referred(33200, target)
    assert code == 403
    assert desk.types.count(EventType.CALL_STARTED) == 1
    desk.hang_up()
    desk.nothing_is_left()
