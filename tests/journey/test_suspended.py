"""A journey that an agent stops where it is, and lets go on."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from ivr.journey.agreed import Prepared
from ivr.journey.charging import Charge, ChargeEnd
from ivr.journey.line import AgentWantedError
from ivr.vocabulary import EntryError, EventType, Result, Step
from payment_gateway.results import Advice, Money
from tests.journey.caller import CODE, DEBT, EXPIRY, REFERENCE, VISA, Caller

AT_CARD = REFERENCE + "1#"
PREPARED = Prepared(DEBT, Money(5000, "EUR"))


def _suspend(caller: Caller) -> Caller:
    caller.conversation.suspend()
    return caller


def _go_on(caller: Caller) -> Caller:
    caller.conversation.resume()
    caller.run()
    return caller


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        ("", Step.WELCOME),
        ("2026", Step.REFERENCE),
        (REFERENCE, Step.AMOUNT),
        (REFERENCE + "1", Step.READY),
        (AT_CARD + "4242", Step.CARD_NUMBER),
        (AT_CARD + VISA + "12", Step.EXPIRATION_DATE),
        (AT_CARD + VISA + EXPIRY + "1", Step.SECURITY_CODE),
        (AT_CARD + VISA + EXPIRY + CODE, Step.CONFIRM),
    ],
)
def test_it_stops_at_once_anywhere_and_goes_on_at_the_same_step(keys: str, step: Step) -> None:
    caller = _suspend(Caller().press(keys))
    assert len(caller.suspended) == 1
    assert not caller.line.speaking()
    assert not caller.clock.getDelayedCalls()
    said = len(caller.said)
    # With an agent: whatever is pressed is no answer.
    caller.press("1#123").wait(100)
    assert (len(caller.said), caller.at()) == (said, step)
    _go_on(caller)
    assert caller.at() is step
    answers = {
        Step.WELCOME: AT_CARD + VISA + EXPIRY + CODE,
        Step.REFERENCE: AT_CARD + VISA + EXPIRY + CODE,
        Step.AMOUNT: "1#" + VISA + EXPIRY + CODE,
        Step.READY: "#" + VISA + EXPIRY + CODE,
        Step.CARD_NUMBER: VISA + EXPIRY + CODE,
        Step.EXPIRATION_DATE: EXPIRY + CODE,
        Step.SECURITY_CODE: CODE,
        Step.CONFIRM: "",
    }
    caller.press(answers[step]).press("1").listen()
    assert caller.result is Result.SUCCESS
    assert [card for _, _, card in caller.cashier.charged] == [(VISA, 12, 2030, CODE)]
    assert not caller.errors


def test_a_second_suspension_changes_nothing() -> None:
    caller = _suspend(_suspend(Caller().press(REFERENCE)))
    assert len(caller.suspended) == 1


def test_sealed_fields_that_were_wiped_are_asked_for_again() -> None:
    caller = _suspend(Caller().press(AT_CARD + VISA + EXPIRY + CODE))
    caller.journey.wipe()
    _go_on(caller)
    assert caller.at() is Step.CARD_NUMBER
    caller.press("5555555555554444" + EXPIRY + CODE + "1").listen()
    assert [card[0] for _, _, card in caller.cashier.charged] == ["5555555555554444"]


def test_during_the_charge_its_end_is_waited_for_and_never_charged_twice() -> None:
    caller = Caller().press(AT_CARD + VISA + EXPIRY + CODE)
    caller.cashier.waiting = Deferred()
    caller.press("1")
    assert caller.conversation.accompanying
    _suspend(caller).wait(9)
    assert (caller.suspended, caller.said[-1]) == ([], "payment-processing.still-waiting")
    caller.cashier.waiting.callback(Charge(ChargeEnd.SUCCEEDED))
    caller.listen()
    assert len(caller.suspended) == 1
    assert caller.journey.standing is Result.SUCCESS
    _go_on(caller).listen()
    assert caller.result is Result.SUCCESS
    assert len(caller.cashier.charged) == 1
    assert caller.said[-1] == "payment-completed.good-bye"


def test_after_a_decline_it_goes_on_at_the_choice_of_another_card() -> None:
    caller = Caller()
    caller.cashier.ends = [Charge(ChargeEnd.DECLINED, Advice.OTHER_CARD)]
    _suspend(caller.press(AT_CARD + VISA + EXPIRY + CODE + "1").listen())
    assert caller.journey.standing is Result.CARD_DECLINED
    _go_on(caller).listen().press("1" + VISA + EXPIRY + CODE + "1").listen()
    assert caller.result is Result.SUCCESS


def test_while_the_end_is_said_it_stops_and_the_end_stands() -> None:
    caller = _suspend(Caller().press(AT_CARD + VISA + EXPIRY + CODE + "1").wait(3))
    assert caller.at() is Step.COMPLETED
    assert (caller.result, caller.journey.standing) == (None, Result.SUCCESS)


def test_too_many_mistakes_are_forgiven_by_an_agent() -> None:
    caller = _suspend(Caller().press("1#2#3#"))
    standing = [caller.journey.standing]
    standing.append(_go_on(caller).journey.standing)
    assert standing == [Result.TOO_MANY_FAILED_ATTEMPTS, Result.CALLER_HUNG_UP]
    caller.press(AT_CARD)
    assert caller.at() is Step.CARD_NUMBER


def test_while_a_debt_is_looked_up_it_stops_at_the_next_step() -> None:
    caller = Caller()
    caller.debts.gate = Deferred()
    _suspend(caller.press(REFERENCE))
    assert not caller.suspended
    caller.debts.gate.callback(DEBT)
    assert caller.suspended
    assert caller.at() is Step.AMOUNT


def test_hanging_up_after_a_suspension_leaves_nothing() -> None:
    caller = _suspend(Caller().press(AT_CARD + VISA))
    caller.conversation.hang_up()
    caller.conversation.resume()
    caller.run()
    assert caller.result is Result.CALLER_HUNG_UP
    assert not caller.clock.getDelayedCalls()


@pytest.mark.parametrize(
    "keys", [REFERENCE, REFERENCE + "1", AT_CARD + VISA + EXPIRY + CODE], ids=len
)
def test_zero_in_a_menu_leads_to_an_agent_where_there_is_one(keys: str) -> None:
    caller = Caller(agents=True).press(keys).press("0")
    assert [type(why) for why in caller.suspended] == [AgentWantedError]
    assert "help.agent-unavailable" not in caller.said


def test_zero_in_a_field_is_a_digit() -> None:
    caller = Caller(agents=True).press("00000000")
    assert caller.errors == [(Step.REFERENCE, EntryError.REFERENCE_UNKNOWN)]


def test_a_prepared_payment_asks_for_no_reference_and_takes_what_was_agreed() -> None:
    caller = Caller(prepared=PREPARED)
    assert caller.said == ["welcome.handed-over"]
    caller.listen().press("1#" + VISA + EXPIRY + CODE + "1").listen()
    assert caller.result is Result.SUCCESS
    assert Step.REFERENCE not in caller.steps
    assert [money for _, money, _ in caller.cashier.charged] == [Money(5000, "EUR")]
    assert EventType.TRANSACTION_IDENTIFIED not in [event for event, _, _ in caller.events]


@pytest.mark.parametrize(
    ("prepared", "result"),
    [
        (Prepared(replace(DEBT, outstanding=0), Money(0, "EUR")), Result.ALREADY_PAID),
        (
            Prepared(replace(DEBT, has_open_attempt=True), Money(5000, "EUR")),
            Result.PENDING,
        ),
    ],
)
def test_what_was_paid_since_it_was_prepared_is_not_asked_for(
    prepared: Prepared, result: Result
) -> None:
    assert Caller(prepared=prepared).listen().listen().result is result


def test_a_payment_handed_over_again_is_greeted_so() -> None:
    assert Caller(prepared=replace(PREPARED, again=True)).said == ["agent.resumed"]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Charge(ChargeEnd.SUCCEEDED), "agent.next"),
        (Charge(ChargeEnd.NOT_CHARGED), "agent.nothing-charged"),
        (Charge(ChargeEnd.UNKNOWN), "agent.result-unknown"),
        (Charge(ChargeEnd.ALREADY_PAID), "agent.already-paid"),
        (Charge(ChargeEnd.DECLINED, Advice.STOP), "agent.next"),
    ],
)
def test_nobody_says_good_bye_to_whom_an_agent_takes_back(end: Charge, said: str) -> None:
    caller = Caller(prepared=PREPARED, agent_follows=True)
    caller.cashier.ends = [end]
    caller.listen().press("1#" + VISA + EXPIRY + CODE + "1").listen()
    assert caller.said[-1] == said
    assert caller.result is not None
