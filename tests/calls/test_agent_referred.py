"""Taking a call back by REFER: the PBX does it, refuses, is late, or does half of it."""

import pytest
from twisted.internet.defer import succeed

from ivr.vocabulary import CommandOutcome, EventType, Result, Step
from tests.calls.desk import EXPIRY, SECURITY, TOKEN, VISA, Desk, prepared
from tests.calls.exchange import OFFER
from tests.sip.wire import request

AGAIN = "again@pc33"
"""The Call-ID of the second call."""


def _asked(first_port: int) -> Desk:
    desk = Desk(first_port, refers=True)
    desk.transfer_in()
    assert desk.take_back() is CommandOutcome.DONE
    assert desk.last("REFER").headers.get("Refer-To") == "<sip:1001@192.0.2.20>"
    assert desk.said[-1] == "agent.coming"
    return desk


def test_a_pbx_that_transfers_has_the_call_and_the_transaction_stays_open() -> None:
    desk = _asked(36300)
    desk.pbx_says(202)
    desk.pbx_tells(b"SIP/2.0 180 Ringing\r\n", "active")
    assert desk.hand_over() is CommandOutcome.NOT_NOW
    desk.pbx_tells(b"SIP/2.0 200 OK\r\n", cseq=51)
    assert desk.agent_events() == ["wanted", "ringing", "connected"]
    assert desk.last("BYE").call_id == desk.last("REFER").call_id
    assert desk.types[-1] is EventType.CALL_ENDED
    assert not desk.results
    desk.nothing_is_left()


def test_who_was_not_prepared_is_transferred_for_good() -> None:
    desk = Desk(36400, refers=True)
    desk.transfer_in("3000")
    desk.press("20261234")
    desk.take_back()
    desk.pbx_says(202)
    desk.pbx_tells(b"SIP/2.0 200 OK\r\n")
    assert desk.results == [Result.TRANSFERRED_TO_AGENT]
    desk.nothing_is_left()


def test_a_pbx_that_hangs_up_as_it_transfers_has_the_call_too() -> None:
    desk = _asked(36500)
    desk.pbx_says(202)
    desk.hang_up()
    desk.pbx_tells(b"SIP/2.0 200 OK\r\n", cseq=91)
    assert not desk.results
    assert desk.agent_events()[-1] == "connected"
    desk.nothing_is_left()


@pytest.mark.parametrize("n", range(3))
def test_refused_failed_or_half_done_the_agents_phone_is_called(n: int) -> None:
    desk = _asked(36600 + 100 * n)
    if n == 0:
        desk.pbx_says(603)
    else:
        desk.pbx_says(202)
        desk.pbx_tells(b"SIP/2.0 100 Trying\r\n", "active")
    if n == 1:
        desk.pbx_tells(b"SIP/2.0 486 Busy Here\r\n", cseq=51)
    elif n == 2:
        desk.listen(31)
    assert desk.last().uri.called == "1001"
    desk.agent_answers()
    assert desk.agent_events()[-1] == "connected"
    # What the PBX says too late is about nothing any more.
    desk.pbx_tells(b"SIP/2.0 200 OK\r\n", cseq=60)
    assert desk.hand_over() is CommandOutcome.DONE
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


def test_a_pbx_that_has_the_call_after_all_hangs_up_and_nobody_rings_any_more() -> None:
    desk = _asked(36900)
    desk.pbx_says(202)
    desk.listen(31)
    desk.agent_hears(180)
    desk.hang_up()
    assert desk.last("CANCEL").call_id == desk.last().call_id
    desk.agent_hears(487)
    desk.nothing_is_left()


def test_a_debtor_who_hangs_up_before_the_pbx_has_answered_has_hung_up() -> None:
    desk = _asked(35000)
    desk.hang_up()
    desk.nothing_is_left()
    assert desk.results == [Result.CALLER_HUNG_UP]


def _moved_amid_the_card(first_port: int) -> Desk:
    """A debtor who has keyed the card number is moved to an agent by the PBX."""
    desk = Desk(first_port, refers=True)
    desk.to_card()
    desk.press(VISA + "12")
    desk.take_back()
    desk.pbx_says(202)
    desk.pbx_tells(b"SIP/2.0 200 OK\r\n", cseq=51)
    return desk


def _handed_over(desk: Desk) -> None:
    """The PBX transfers them again, by another call."""
    desk.found = succeed(prepared(reused=True))
    uri = f"sip:t-{TOKEN}@127.0.0.1"
    answered = desk.wire.receive(
        request(uri=uri, body=OFFER, branch="z9hG4bKagain", call_id=AGAIN)
    )
    desk.tag = answered[-1].to.tag
    desk.in_dialog("ACK", 1, call_id=AGAIN)


def test_handed_over_by_another_call_it_goes_on_at_the_same_field() -> None:
    desk = _moved_amid_the_card(35100)
    _handed_over(desk)
    assert desk.said[-1] == "agent.resumed"
    desk.listen(3)
    assert desk.steps[-1] is Step.EXPIRATION_DATE
    desk.press(EXPIRY + SECURITY)
    desk.press("1")
    assert len(desk.till.charged) == 1
    desk.in_dialog("BYE", 90, call_id=AGAIN)


def test_what_was_sealed_is_wiped_in_time_and_the_card_is_asked_for_again() -> None:
    desk = _moved_amid_the_card(35200)
    desk.listen(31)
    _handed_over(desk)
    desk.listen(20)
    assert desk.steps[-1] is Step.AMOUNT
    desk.in_dialog("BYE", 90, call_id=AGAIN)
    desk.nothing_is_left()


def test_a_node_that_stops_forgets_what_was_sealed() -> None:
    desk = _moved_amid_the_card(35300)
    desk.around.left.wipe()
    _handed_over(desk)
    desk.listen(20)
    assert desk.steps[-1] is Step.AMOUNT
    desk.in_dialog("BYE", 90, call_id=AGAIN)
