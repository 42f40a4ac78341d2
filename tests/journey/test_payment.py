"""The payment journey, walked by a caller who presses keys on a moved clock."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from ivr.journey.charging import Charge, ChargeEnd
from ivr.ledger.debts import Debt
from ivr.vocabulary import EntryError, Result, Step
from payment_gateway.results import Advice, Money
from tests.journey.caller import CODE, DEBT, EXPIRY, REFERENCE, VISA, Caller


def test_the_main_path_from_welcome_to_paid() -> None:
    caller = Caller().to_confirmation().press("1").listen()
    assert caller.result is Result.SUCCESS
    assert caller.steps == [
        Step.WELCOME,
        Step.REFERENCE,
        Step.AMOUNT,
        Step.READY,
        Step.CARD_NUMBER,
        Step.EXPIRATION_DATE,
        Step.SECURITY_CODE,
        Step.CONFIRM,
        Step.PROCESSING,
        Step.COMPLETED,
    ]
    assert caller.cashier.charged == [
        ("debt", Money(12345, "EUR"), (VISA, 12, 2030, CODE)),
    ]
    assert caller.library.amounts == [("fr", 12345, "EUR")] * 3
    assert not caller.errors
    assert not caller.clock.getDelayedCalls()


def test_the_debtor_who_listens_to_every_word_pays_too() -> None:
    caller = Caller()
    for keys in (f"{REFERENCE}#", "1", "#", f"{VISA}#", f"{EXPIRY}#", f"{CODE}#", "1"):
        caller.listen().press(keys)
    assert caller.listen().result is Result.SUCCESS
    assert not caller.errors


def test_a_year_keyed_in_full_is_the_same_date() -> None:
    caller = Caller().press(REFERENCE).press("1#").press(VISA).press("122030").press(CODE)
    caller.press("1").listen()
    assert caller.cashier.charged[0][2][1:3] == (12, 2030)


def test_a_key_stops_the_prompt_and_counts() -> None:
    caller = Caller()
    assert caller.line.speaking()
    caller.press("2")
    assert not caller.line.speaking()
    caller.press("0261234")
    assert Step.AMOUNT in caller.steps


def test_keys_are_taken_ahead_of_their_question_but_never_a_confirmation() -> None:
    caller = Caller()
    caller.debts.gate = Deferred()
    caller.press(REFERENCE)
    # The debt is still being looked up while the debtor, who knows the way, keys on.
    caller.press("1#" + VISA + EXPIRY + CODE + "1")
    assert caller.at() is Step.REFERENCE
    caller.debts.gate.callback(DEBT)
    assert caller.at() is Step.CONFIRM
    assert not caller.cashier.charged
    caller.press("1").listen()
    assert caller.result is Result.SUCCESS


def test_keys_pressed_ahead_of_a_mistake_are_dropped() -> None:
    caller = Caller()
    caller.debts.gate = Deferred()
    caller.press("99999999").press("1#4242")
    caller.debts.gate.callback(None)
    assert caller.errors == [(Step.REFERENCE, EntryError.REFERENCE_UNKNOWN)]
    caller.debts.gate = None
    caller.press(REFERENCE)
    assert caller.at() is Step.AMOUNT


def test_an_unknown_reference_is_asked_for_again() -> None:
    caller = Caller().press("99999999").press(REFERENCE)
    assert caller.errors == [(Step.REFERENCE, EntryError.REFERENCE_UNKNOWN)]
    assert "reference.reference-unknown" in caller.said
    assert caller.at() is Step.AMOUNT


def test_three_mistakes_end_kindly() -> None:
    caller = Caller().press("1#").press("2#").press("3#").listen()
    assert caller.result is Result.TOO_MANY_FAILED_ATTEMPTS
    assert [error for _, error in caller.errors] == [EntryError.TOO_SHORT] * 3
    assert caller.said[-1] == "payment-failed.too-many-attempts"


def test_mistakes_at_different_steps_do_not_add_up() -> None:
    caller = Caller().press("1#").press("2#").press(REFERENCE).press("1#")
    caller.press("4242#").press("4242424242424241#").press(VISA)
    caller.press("1330#").press("1026#").press(EXPIRY).press("12#").press(CODE).press(
        "1"
    ).listen()
    assert caller.result is Result.SUCCESS
    assert [error for _, error in caller.errors] == [
        EntryError.TOO_SHORT,
        EntryError.TOO_SHORT,
        EntryError.TOO_SHORT,
        EntryError.LUHN_FAILED,
        EntryError.MONTH_INVALID,
        EntryError.DATE_PAST,
        EntryError.TOO_SHORT,
    ]


def test_silence_is_asked_again_then_ends() -> None:
    caller = Caller().wait(120)
    assert caller.result is Result.TOO_MANY_FAILED_ATTEMPTS
    assert caller.errors == [(Step.REFERENCE, EntryError.TIMEOUT)] * 3


def test_nine_repeats_and_is_no_mistake() -> None:
    caller = Caller().press(REFERENCE)
    for _ in range(5):
        caller.listen().press("9")
    assert not caller.errors
    assert caller.said.count("amount.lead-in") == 6
    caller.press("1")
    assert caller.at() is Step.READY


def test_zero_says_that_no_agent_can_be_reached_and_asks_again() -> None:
    caller = Caller().press(REFERENCE).press("0").listen()
    assert "help.agent-unavailable" in caller.said
    caller.press("1")
    assert caller.at() is Step.READY


def test_a_hash_after_a_field_that_closed_itself_is_dropped() -> None:
    caller = Caller().press(REFERENCE + "#")
    assert caller.at() is Step.AMOUNT
    caller.press("1#" + VISA + "#" + EXPIRY + "#" + CODE + "#")
    assert caller.at() is Step.CONFIRM
    assert not caller.errors


def test_a_card_can_be_corrected_before_it_is_charged() -> None:
    caller = Caller().to_confirmation().press("2").press("5555555555554444").press(EXPIRY)
    caller.press(CODE).press("1").listen()
    assert caller.result is Result.SUCCESS
    assert [card[0] for _, _, card in caller.cashier.charged] == ["5555555555554444"]


def test_a_debtor_may_stop_before_the_charge() -> None:
    caller = Caller().to_confirmation().press("3").listen()
    assert caller.result is Result.CALLER_DECLINED
    assert caller.at() is Step.CANCELLED
    assert not caller.cashier.charged


@pytest.mark.parametrize(
    "advice",
    [
        Advice.SAME_CARD_AGAIN,
        Advice.TRY_ONCE_MORE,
        Advice.OTHER_CARD,
        Advice.OTHER_CARD_OR_LINK,
    ],
)
def test_after_a_decline_another_card_pays(advice: Advice) -> None:
    caller = Caller()
    caller.cashier.ends = [Charge(ChargeEnd.DECLINED, advice)]
    caller.to_confirmation().press("1").listen()
    assert f"payment-failed.{advice}" in caller.said
    caller.press("1").press("5555555555554444").press(EXPIRY).press(CODE).press("1").listen()
    assert caller.result is Result.SUCCESS
    assert [card[0] for _, _, card in caller.cashier.charged] == [VISA, "5555555555554444"]


def test_after_a_decline_the_debtor_may_stop() -> None:
    caller = Caller()
    caller.cashier.ends = [Charge(ChargeEnd.DECLINED, Advice.OTHER_CARD)]
    caller.to_confirmation().press("1").listen().press("2").listen()
    assert caller.result is Result.CARD_DECLINED


def test_a_stop_advice_offers_no_further_card() -> None:
    caller = Caller()
    caller.cashier.ends = [Charge(ChargeEnd.DECLINED, Advice.STOP)]
    caller.to_confirmation().press("1").listen()
    assert caller.result is Result.CARD_DECLINED
    assert caller.said[-1] == "payment-failed.stop"


@pytest.mark.parametrize(
    ("end", "result", "said"),
    [
        (ChargeEnd.UNKNOWN, Result.PENDING, "unknown"),
        (ChargeEnd.NOT_CHARGED, Result.PAYMENT_CONNECTOR_ERROR, "not-charged"),
        (ChargeEnd.ALREADY_PAID, Result.ALREADY_PAID, "already-paid"),
        (ChargeEnd.IN_PROGRESS, Result.PENDING, "unknown"),
        (ChargeEnd.LEDGER_UNAVAILABLE, Result.INTERNAL_ERROR, "ledger-unavailable"),
    ],
)
def test_each_other_end_is_said_and_never_called_a_decline(
    end: ChargeEnd, result: Result, said: str
) -> None:
    caller = Caller()
    caller.cashier.ends = [Charge(end)]
    caller.to_confirmation().press("1").listen()
    assert caller.result is result
    assert caller.said[-1] == f"payment-failed.{said}"


def test_a_paid_debt_is_not_asked_for_again() -> None:
    caller = Caller(replace(DEBT, outstanding=0)).press(REFERENCE).listen()
    assert caller.result is Result.ALREADY_PAID
    assert caller.said[-1] == "amount.already-paid"


def test_a_debt_whose_payment_is_under_way_is_not_paid_twice() -> None:
    caller = Caller(replace(DEBT, has_open_attempt=True)).press(REFERENCE).listen()
    assert caller.result is Result.PENDING
    assert caller.said[-1] == "amount.in-progress"


def test_a_ledger_that_cannot_be_read_is_said_kindly() -> None:
    caller = Caller()
    caller.debts.broken = True
    caller.press(REFERENCE).listen()
    assert caller.result is Result.INTERNAL_ERROR
    assert caller.said[-1] == "payment-failed.ledger-unavailable"


def test_a_slow_gateway_is_never_silent_for_four_seconds() -> None:
    caller = Caller()
    caller.cashier.waiting = Deferred()
    caller.to_confirmation().press("1")
    silent = longest = 0.0
    for _ in range(80):
        caller.clock.advance(0.25)
        silent = 0.0 if caller.line.speaking() else silent + 0.25
        longest = max(longest, silent)
    assert 0 < longest < 4
    caller.cashier.waiting.callback(Charge(ChargeEnd.SUCCEEDED))
    assert caller.listen().result is Result.SUCCESS


def _hang_up_after(act: Callable[[Caller], object]) -> Caller:
    caller = Caller()
    act(caller)
    caller.conversation.hang_up()
    caller.line.stop()
    return caller


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "2026",
        REFERENCE,
        REFERENCE + "1",
        REFERENCE + "1#",
        REFERENCE + "1#4242",
        REFERENCE + "1#" + VISA,
        REFERENCE + "1#" + VISA + "12",
        REFERENCE + "1#" + VISA + EXPIRY,
        REFERENCE + "1#" + VISA + EXPIRY + CODE,
    ],
)
def test_hanging_up_at_any_point_is_a_result_and_charges_nothing(keys: str) -> None:
    caller = _hang_up_after(lambda c: c.press(keys))
    assert caller.result is Result.CALLER_HUNG_UP
    assert not caller.cashier.charged
    assert not caller.clock.getDelayedCalls()
    caller.press("1").wait(100)
    assert not caller.cashier.charged


@pytest.mark.parametrize(
    ("debt", "keys", "result"),
    [
        (replace(DEBT, outstanding=0), REFERENCE, Result.ALREADY_PAID),
        (replace(DEBT, has_open_attempt=True), REFERENCE, Result.PENDING),
        (DEBT, "1#2#3#", Result.TOO_MANY_FAILED_ATTEMPTS),
        (DEBT, REFERENCE + "1#" + VISA + EXPIRY + CODE + "3", Result.CALLER_DECLINED),
    ],
)
def test_who_hangs_up_while_the_end_is_said_has_had_that_end(
    debt: Debt, keys: str, result: Result
) -> None:
    caller = Caller(debt).press(keys)
    assert caller.result is None
    caller.conversation.hang_up()
    assert caller.result is result


def test_who_hangs_up_on_a_broken_ledger_has_met_an_internal_error() -> None:
    caller = Caller()
    caller.debts.broken = True
    caller.press(REFERENCE)
    caller.conversation.hang_up()
    assert caller.result is Result.INTERNAL_ERROR


def test_hanging_up_during_the_charge_waits_for_its_end() -> None:
    caller = Caller()
    caller.cashier.waiting = Deferred()
    caller.to_confirmation().press("1")
    caller.conversation.hang_up()
    assert caller.result is None
    caller.cashier.waiting.callback(Charge(ChargeEnd.SUCCEEDED))
    assert caller.result is Result.SUCCESS


def test_no_event_carries_a_digit() -> None:
    caller = Caller().to_confirmation().press("1").listen()
    assert VISA not in repr(caller.events)
    assert max(d.digits or 0 for _, _, d in caller.events) == 16
