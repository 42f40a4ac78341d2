"""Taking a call back by REFER: the PBX does it, refuses, is late, or does half of it."""

import pytest

from ivr.vocabulary import CommandOutcome, EventType, Result
from tests.calls.desk import Desk


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
