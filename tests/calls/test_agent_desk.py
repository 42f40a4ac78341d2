"""Taking a call back to an agent over a bridge, and handing it over again."""

from twisted.internet.defer import Deferred, succeed

from ivr.sip.message import Request
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step
from tests.calls.desk import ANNA, ANSWER, BOB, EXPIRY, SECURITY, VISA, Desk, prepared
from tests.calls.exchange import OFFER

DONE, ALREADY = CommandOutcome.DONE, CommandOutcome.ALREADY


def test_a_prepared_call_is_greeted_and_carries_its_transaction() -> None:
    desk = Desk(37000)
    desk.transfer_in()
    assert desk.said == ["welcome.handed-over"]
    assert desk.told(EventType.TRANSACTION_TRANSFERRED) == ["by-uri"]
    assert EventType.TRANSACTION_CREATED not in desk.types
    desk.press("1")
    assert {e.transaction_id for e in desk.events} == {None, "prepared"}
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


def test_taken_back_talked_to_and_handed_over_again_at_the_same_field() -> None:
    desk = Desk(37100)
    desk.to_card()
    desk.press(VISA + "12")
    assert desk.take_back() is DONE
    assert desk.said[-1] == "agent.coming"
    assert desk.agent_events() == ["wanted", "ringing"]
    assert desk.last().uri.called == "1001"
    desk.agent_answers()
    assert desk.agent_events() == ["wanted", "ringing", "connected"]
    assert not desk.results
    # The debtor, who was keying a card, keys on: no answer to us, and not for the agent's ears.
    said = len(desk.said)
    desk.press("304242")
    desk.listen(30)
    assert len(desk.said) == said
    assert desk.hand_over() is DONE
    assert "BYE" in [m.method for m in desk.sent if hasattr(m, "method")]
    assert desk.told(EventType.AGENT_LEFT) == ["handed-over"]
    assert desk.said[-1] == "agent.resumed"
    resumed = [e.step for e in desk.events if e.type is EventType.JOURNEY_RESUMED]
    assert resumed == [Step.EXPIRATION_DATE]
    desk.press(EXPIRY + SECURITY)
    assert desk.steps[-1] is Step.CONFIRM
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


def test_sealed_fields_are_wiped_after_their_time() -> None:
    desk = Desk(37200)
    desk.to_card()
    desk.press(VISA)
    desk.take_back()
    desk.agent_answers()
    desk.listen(31)
    desk.hand_over()
    desk.listen(3)
    assert desk.steps[-1] is Step.CARD_NUMBER
    desk.hang_up()
    desk.nothing_is_left()


def test_the_shield_is_up_for_who_was_keying_a_card_only() -> None:
    shielded = []
    for n, keys in enumerate(("1", "1#4242")):
        desk = Desk(37300 + 100 * n)
        desk.transfer_in()
        desk.press(keys)
        desk.take_back()
        desk.agent_answers()
        [live] = desk.switchboard._live
        assert live._course is not None
        bridge = live._course.desk.bridge
        assert bridge is not None
        shielded.append(bridge.shielded)
        desk.hang_up()
    assert shielded == [False, True]


def test_the_shield_is_always_up_for_who_has_no_telephone_events() -> None:
    desk = Desk(35400)
    desk.transfer_in(body=OFFER.replace(b"telephone-event", b"x-unheard-of"))
    desk.take_back()
    desk.agent_answers()
    [live] = desk.switchboard._live
    assert live._course is not None
    bridge = live._course.desk.bridge
    assert bridge is not None
    assert bridge.shielded
    desk.hang_up()


def test_zero_calls_an_agent_who_was_told_of_it_before_the_phone_rings() -> None:
    desk = Desk(37500)
    desk.transfer_in()
    desk.press("0")
    assert desk.told(EventType.AGENT_WANTED) == ["asked-for"]
    desk.agent_answers()
    desk.agent_hangs_up()
    assert desk.told(EventType.AGENT_LEFT) == ["agent-hung-up"]
    assert desk.said[-1] == "agent.left"
    desk.press("1")
    assert desk.said[-1] == "agent.resumed"
    desk.listen(3)
    assert desk.steps[-1] is Step.AMOUNT
    desk.hang_up()
    desk.nothing_is_left()


def test_no_phone_rings_before_the_agents_page_can_know() -> None:
    desk = Desk(35500)
    desk.told_by = Deferred()
    desk.transfer_in()
    desk.take_back()
    assert desk.agent_events() == ["wanted", "ringing"]
    assert not [m for m in desk.sent if isinstance(m, Request) and m.method == "INVITE"]
    desk.told_by.callback(None)
    desk.look()
    assert desk.last().uri.called == "1001"
    desk.hang_up()


def test_who_does_not_go_on_after_a_talk_was_transferred_to_an_agent() -> None:
    desk = Desk(37600)
    desk.transfer_in()
    desk.press("0")
    desk.agent_answers()
    desk.agent_hangs_up()
    desk.listen(60)
    assert desk.said[-1] == "agent.good-bye"
    assert desk.results == [Result.TRANSFERRED_TO_AGENT]
    assert desk.types[-1] is EventType.CALL_ENDED
    desk.nothing_is_left()


def test_who_hangs_up_while_talking_was_transferred_to_an_agent() -> None:
    desk = Desk(37700)
    desk.transfer_in()
    desk.take_back()
    desk.agent_answers()
    desk.hang_up()
    assert desk.results == [Result.TRANSFERRED_TO_AGENT]
    assert desk.told(EventType.AGENT_LEFT) == ["debtor-hung-up"]
    assert desk.last("BYE").call_id == desk.last().call_id
    desk.nothing_is_left()


def test_who_hangs_up_while_the_agent_is_called_has_hung_up() -> None:
    desk = Desk(37800)
    desk.transfer_in()
    desk.take_back()
    desk.agent_hears(180)
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    assert desk.last("CANCEL").call_id == desk.last().call_id
    # The answer crosses the CANCEL.
    desk.agent_hears(200, ANSWER)
    assert desk.last("BYE").call_id == desk.last().call_id
    assert "connected" not in desk.agent_events()
    desk.nothing_is_left()


def test_an_agent_who_does_not_answer_is_told_of_and_the_debtor_chooses() -> None:
    desk = Desk(37900, ring_for=10)
    desk.transfer_in()
    desk.take_back()
    desk.agent_hears(180)
    desk.listen(11)
    desk.agent_hears(487)
    assert desk.told(EventType.AGENT_UNAVAILABLE) == ["no-answer"]
    assert desk.said[-1] == "agent.unavailable"
    desk.press("2")
    assert desk.said[-1] == "agent.still-coming"
    invites = [m for m in desk.sent if getattr(m, "method", "") == "INVITE"]
    desk.listen(6)
    again = desk.last()
    assert again not in invites
    desk.agent_hears(486)
    assert desk.told(EventType.AGENT_UNAVAILABLE) == ["no-answer", "busy"]
    desk.press("1")
    desk.listen(5)
    assert desk.steps[-1] is Step.AMOUNT
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


def test_phones_are_tried_in_turn_the_one_who_asks_first() -> None:
    desk = Desk(38400, phones=("1002", "1003"))
    desk.transfer_in()
    desk.take_back(phone="1009", agent=BOB)
    called = []
    for _ in range(4):
        called.append(desk.last().uri.called)
        desk.agent_hears(603)
    assert called == ["1009", "1001", "1002", "1003"]
    rung = [e.detail.agent for e in desk.events if e.type is EventType.AGENT_RINGING]
    assert rung == [BOB, ANNA, None, None]
    assert desk.said[-1] == "agent.unavailable"
    desk.hang_up()
    desk.nothing_is_left()


def test_taken_back_twice_and_from_two_agents_it_is_done_once() -> None:
    desk = Desk(38500)
    desk.transfer_in()
    outcomes = [desk.take_back(), desk.take_back(phone="1009")]
    desk.agent_answers()
    outcomes.append(desk.take_back(phone="1009"))
    assert outcomes == [DONE, ALREADY, ALREADY]
    assert desk.agent_events() == ["wanted", "ringing", "connected"]
    desk.hang_up()
    desk.nothing_is_left()


def test_handed_over_while_it_rings_the_journey_goes_on() -> None:
    desk = Desk(38600)
    desk.to_card()
    desk.take_back()
    desk.agent_hears(180)
    assert desk.hand_over() is DONE
    desk.agent_hears(487)
    assert desk.said[-1] == "agent.resumed"
    desk.listen(3)
    assert desk.steps[-1] is Step.CARD_NUMBER
    assert desk.hand_over() is ALREADY
    desk.hang_up()
    desk.nothing_is_left()


def test_an_agent_who_answers_as_it_is_handed_over_is_hung_up() -> None:
    desk = Desk(38700)
    desk.to_card()
    desk.take_back()
    desk.agent_hears(180)
    desk.hand_over()
    desk.agent_hears(200, ANSWER)
    desk.listen(3)
    assert desk.steps[-1] is Step.CARD_NUMBER
    assert "connected" not in desk.agent_events()
    desk.hang_up()
    desk.nothing_is_left()


def test_an_agent_may_come_after_all_while_the_debtor_is_asked() -> None:
    desk = Desk(38800)
    desk.transfer_in()
    desk.take_back()
    desk.agent_hears(486)
    assert desk.said[-1] == "agent.unavailable"
    assert desk.take_back() is DONE
    assert desk.said[-1] == "agent.coming"
    desk.agent_answers()
    assert desk.hand_over() is DONE
    desk.hang_up()
    desk.nothing_is_left()


def test_without_any_phone_nothing_is_taken_back() -> None:
    desk = Desk(38900, phones=())
    desk.invite()
    desk.tag = desk.wire.calls[0].dialog.id[1]
    desk.in_dialog("ACK", 1)
    assert desk.take_back() is CommandOutcome.AGENT_UNAVAILABLE
    assert not desk.agent_events()
    desk.hang_up()


def test_cancelled_it_ends_kindly() -> None:
    desk = Desk(36000)
    desk.to_card()
    assert desk.command(CommandType.CANCEL) is DONE
    assert desk.command(CommandType.CANCEL) is ALREADY
    assert desk.said[-1] == "payment-cancelled.stopped"
    desk.listen(4)
    assert desk.results == [Result.CANCELLED_BY_AGENT]
    desk.nothing_is_left()


def test_cancelled_while_they_talk_the_talk_goes_on() -> None:
    desk = Desk(36100)
    desk.to_card()
    desk.take_back()
    desk.agent_answers()
    assert desk.command(CommandType.CANCEL) is DONE
    assert desk.results == [Result.CANCELLED_BY_AGENT]
    desk.listen(20)
    assert "left" not in desk.agent_events()
    desk.agent_hangs_up()
    assert desk.said[-1] == "agent.good-bye"
    desk.listen(4)
    assert desk.results == [Result.CANCELLED_BY_AGENT]
    desk.nothing_is_left()


def test_a_reinvite_of_the_debtor_changes_nothing_of_it() -> None:
    desk = Desk(36200)
    desk.to_card()
    desk.take_back()
    desk.in_dialog("INVITE", 2, body=ANSWER)
    desk.agent_answers()
    desk.in_dialog("ACK", 2)
    assert desk.agent_events() == ["wanted", "ringing", "connected"]
    assert desk.hand_over() is DONE
    desk.hang_up()
    desk.nothing_is_left()


def test_a_transaction_of_a_program_is_taken_back_too() -> None:
    desk = Desk(36250)
    desk.found = succeed(prepared(owner_id="token:crm", agent_phone="1009"))
    desk.transfer_in()
    assert desk.take_back() is DONE
    assert desk.agent_events() == ["wanted", "ringing"]
    desk.hang_up()
