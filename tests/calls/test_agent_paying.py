"""Agents and the gateway: a payment is let finish, shown, and never made twice."""

from dataclasses import replace

import pytest
from twisted.internet.defer import succeed

from ivr.journey.charging import Charge, ChargeEnd
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step
from payment_gateway.results import Advice
from tests.calls.desk import EXPIRY, SECURITY, VISA, Desk, prepared

DONE = CommandOutcome.DONE


def test_taken_back_while_the_gateway_is_asked_the_agent_is_called_after_it() -> None:
    desk = Desk(34000)
    desk.to_gateway()
    assert desk.take_back() is CommandOutcome.AFTER_PAYMENT
    assert desk.take_back() is CommandOutcome.ALREADY
    assert desk.command(CommandType.CANCEL) is CommandOutcome.NOT_NOW
    desk.listen(5)
    assert not desk.agent_events()
    desk.till.answer.callback(Charge(ChargeEnd.SUCCEEDED))
    desk.listen(3)
    assert desk.results == [Result.SUCCESS]
    assert desk.said[-1] == "agent.paid"
    assert desk.agent_events() == ["wanted", "ringing"]
    desk.agent_answers()
    assert desk.hand_over() is DONE
    # Nothing is left to be paid.
    assert desk.said[-1] == "agent.good-bye"
    desk.listen(3)
    assert desk.results == [Result.SUCCESS]
    assert len(desk.till.charged) == 1
    desk.nothing_is_left()


def test_handed_over_before_the_gateway_has_answered_nobody_is_called() -> None:
    desk = Desk(34100)
    desk.to_gateway()
    desk.take_back()
    assert desk.hand_over() is DONE
    desk.till.answer.callback(Charge(ChargeEnd.SUCCEEDED))
    desk.listen(8)
    assert not desk.agent_events()
    assert desk.said[-1] == "payment-completed.good-bye"
    assert desk.results == [Result.SUCCESS]
    desk.nothing_is_left()


@pytest.mark.parametrize(
    ("end", "words", "result"),
    [
        (ChargeEnd.UNKNOWN, "agent.result-unknown", Result.PENDING),
        (ChargeEnd.ALREADY_PAID, "agent.already-paid", Result.ALREADY_PAID),
        (ChargeEnd.NOT_CHARGED, "agent.nothing-charged", Result.TRANSFERRED_TO_AGENT),
        (ChargeEnd.DECLINED, "agent.nothing-charged", Result.TRANSFERRED_TO_AGENT),
    ],
)
def test_whatever_came_of_it_is_said_and_counts(
    end: ChargeEnd, words: str, result: Result
) -> None:
    desk = Desk(34200)
    desk.to_gateway()
    desk.take_back()
    desk.till.answer.callback(Charge(end, Advice.OTHER_CARD))
    desk.listen(3)
    assert desk.said[-1] == words
    desk.agent_answers()
    desk.hang_up()
    assert desk.results == [result]
    desk.nothing_is_left()


def test_after_a_decline_it_is_handed_over_for_another_card_and_counts_once() -> None:
    desk = Desk(34300)
    desk.to_gateway()
    desk.take_back()
    desk.till.answer.callback(Charge(ChargeEnd.DECLINED, Advice.OTHER_CARD))
    desk.listen(3)
    desk.agent_answers()
    desk.hand_over()
    desk.listen(8)
    assert desk.steps[-1] is Step.FAILED
    desk.till.answer = succeed(Charge(ChargeEnd.SUCCEEDED))
    desk.press("1" + VISA + EXPIRY + SECURITY)
    desk.press("1")
    desk.listen(12)
    assert desk.results == [Result.SUCCESS]
    assert len(desk.till.charged) == 2
    desk.nothing_is_left()


def test_taken_back_after_the_result_the_result_stands() -> None:
    desk = Desk(34400)
    desk.till.answer = succeed(Charge(ChargeEnd.SUCCEEDED))
    desk.to_gateway()
    desk.listen(3)
    assert desk.steps[-1] is Step.COMPLETED
    assert desk.take_back() is DONE
    desk.agent_answers()
    desk.agent_hangs_up()
    desk.listen(3)
    assert desk.results == [Result.SUCCESS]
    assert desk.types[-1] is EventType.CALL_ENDED
    assert desk.take_back() is CommandOutcome.CALL_ENDED
    desk.nothing_is_left()


def test_a_debtor_who_hangs_up_while_it_is_asked_is_not_given_to_an_agent() -> None:
    desk = Desk(34500)
    desk.to_gateway()
    desk.take_back()
    desk.hang_up()
    desk.till.answer.callback(Charge(ChargeEnd.SUCCEEDED))
    assert not desk.agent_events()
    assert desk.results == [Result.SUCCESS]
    desk.nothing_is_left()


@pytest.mark.parametrize("answered", [True, False])
def test_afterwards_the_agent_has_the_call_back(answered: bool) -> None:
    desk = Desk(34600)
    desk.found = succeed(prepared(afterwards="agent"))
    desk.till.answer = succeed(Charge(ChargeEnd.SUCCEEDED))
    desk.to_gateway()
    desk.listen(8)
    assert "agent.next" in desk.said
    assert desk.told(EventType.AGENT_WANTED) == ["afterwards"]
    assert desk.results == [Result.SUCCESS]
    if answered:
        desk.agent_answers()
        desk.agent_hangs_up()
        assert desk.said[-1] == "agent.good-bye"
    else:
        desk.agent_hears(486)
        assert desk.said[-1] == "agent.not-now"
    desk.listen(3)
    assert desk.results == [Result.SUCCESS]
    desk.nothing_is_left()


def test_a_debt_paid_meanwhile_is_not_asked_for() -> None:
    desk = Desk(34700)
    paid = prepared(amount=0)
    desk.found = succeed(replace(paid, debt=replace(paid.debt, outstanding=0)))
    desk.transfer_in()
    desk.listen(5)
    assert desk.results == [Result.ALREADY_PAID]
    desk.nothing_is_left()
