"""A card is keyed while debtor and agent talk, and charged when the agent says so."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from ivr.journey.charging import Charge, ChargeEnd
from ivr.media.leak_test import Proof
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step
from tests.calls.desk import ANSWER, EXPIRY, SECURITY, VISA
from tests.calls.exchange import OFFER
from tests.calls.led import CHANGED, DECLINED, LEAKS, PAID, PROVED, Led

DONE, ALREADY, NOT_NOW = CommandOutcome.DONE, CommandOutcome.ALREADY, CommandOutcome.NOT_NOW
UNPROVED = CommandOutcome.SHIELD_UNPROVED
MASTERCARD = "5555555555554444"


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch) -> Iterator[Led]:
    led = Led(36300)
    monkeypatch.setattr("ivr.calls.capture_desk.prove", led.prove)
    led.talk()
    yield led
    led.hang_up()


def test_a_card_is_keyed_and_charged_while_they_talk(led: Led) -> None:
    assert led.start() == [DONE]
    assert led.capture_events == ["shield.proved", "capture.started"]
    led.key_card()
    assert led.entered_last() is Step.CONFIRM
    assert led.complete() is DONE
    assert led.steps[-2:] == [Step.PROCESSING, Step.COMPLETED]
    assert [money.amount for _, money, _ in led.cashier.charged] == [5000]
    assert led.cashier.charged[0][2] == (VISA, 12, 2030, SECURITY)
    assert led.capture_events[-1] == "capture.stopped:charged"
    assert led.results == [Result.SUCCESS]
    assert led.talking
    assert led.wiped
    led.agent_hangs_up()
    assert led.said[-1] == "agent.good-bye"
    led.listen(4)
    assert led.results == [Result.SUCCESS]
    led.nothing_is_left()


def test_it_is_charged_once_however_often_it_is_completed(led: Led) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    assert [led.complete(), led.complete()] == [DONE, ALREADY]
    assert led.start() == [ALREADY]
    assert led.ask(Step.CARD_NUMBER) is NOT_NOW
    led.press("4242")
    answer.callback(PAID)
    assert led.complete() is ALREADY
    assert led.start() == [NOT_NOW]
    assert len(led.cashier.charged) == 1
    assert led.results == [Result.SUCCESS]
    led.hang_up()
    led.nothing_is_left()


def test_nothing_is_captured_where_nobody_talks(monkeypatch: pytest.MonkeyPatch) -> None:
    led = Led(36400)
    monkeypatch.setattr("ivr.calls.capture_desk.prove", led.prove)
    led.to_card()
    assert led.start() == [NOT_NOW]
    assert led.complete() is NOT_NOW
    assert led.ask(Step.CARD_NUMBER) is NOT_NOW
    led.take_back()
    led.agent_hears(180)
    assert led.start() == [NOT_NOW]
    assert led.tests == 0
    led.hang_up()
    led.nothing_is_left()


def test_started_twice_it_runs_once(led: Led) -> None:
    gate = Deferred[Proof]()
    led.proofs = [gate]
    first = led.start()
    assert (first, led.start()) == ([], [ALREADY])
    gate.callback(PROVED)
    assert first == [DONE]
    assert led.start() == [ALREADY]
    assert led.capture_events == ["shield.proved", "capture.started"]
    led.hang_up()


def test_unproved_the_agent_is_told_and_the_debtor_can_go_on_alone(led: Led) -> None:
    led.proofs = [LEAKS]
    assert led.start() == [UNPROVED]
    assert led.capture_events == ["shield.unproved:tone"]
    led.press(VISA)
    assert EventType.ENTRY_PROGRESS not in led.types
    assert led.hand_over() is DONE
    led.listen(3)
    assert led.steps[-1] is Step.AMOUNT
    led.hang_up()
    led.nothing_is_left()


def test_the_real_leak_test_proves_the_shield_of_this_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = Led(36500)
    led.talk()
    outcomes = led.start()
    led.listen(5)
    assert outcomes == [DONE]
    led.in_dialog("INVITE", 2, body=OFFER.replace(b"101", b"96"))
    led.in_dialog("ACK", 2)
    led.listen(5)
    assert led.capture_events == ["shield.proved", "capture.started", "shield.proved"]
    led.hang_up()
    led.nothing_is_left()


def test_each_reinvite_proves_it_again_and_the_capture_goes_on(led: Led) -> None:
    led.start()
    led.press(VISA[:6])
    led.in_dialog("INVITE", 2, body=OFFER.replace(b"101", b"96"))
    led.in_dialog("ACK", 2)
    assert led.tests == 2
    led.press(VISA[6:])
    assert led.entered_last() is Step.EXPIRATION_DATE
    led.hang_up()
    led.nothing_is_left()


def test_a_reinvite_that_breaks_the_shield_ends_the_capture_at_once(led: Led) -> None:
    led.start()
    led.press(VISA + EXPIRY)
    led.proofs = [LEAKS]
    led.in_dialog("INVITE", 2, body=OFFER.replace(b"101", b"96"))
    led.in_dialog("ACK", 2)
    assert led.capture_events[-2:] == [
        "shield.unproved:tone",
        "capture.stopped:shield-unproved",
    ]
    led.press(SECURITY)
    assert led.complete() is NOT_NOW
    # What was valid is not lost: the debtor keys the rest alone.
    led.hand_over()
    led.listen(3)
    assert led.steps[-1] is Step.SECURITY_CODE
    led.hang_up()
    led.nothing_is_left()


def test_a_leak_test_that_fails_ends_the_capture_too(led: Led) -> None:
    led.start()
    gate = Deferred[Proof]()
    led.proofs = [gate]
    led.in_dialog("INVITE", 2, body=OFFER)
    led.in_dialog("ACK", 2)
    gate.errback(ValueError("a bug"))
    assert led.capture_events[-1] == "capture.stopped:shield-unproved"
    led.hang_up()


def test_a_reinvite_amid_the_test_repeats_the_test(led: Led) -> None:
    led.proofs = [CHANGED, PROVED]
    assert led.start() == [DONE]
    assert led.capture_events == ["shield.proved", "capture.started"]
    led.hang_up()


def test_a_call_that_never_stands_still_is_not_proved(led: Led) -> None:
    led.proofs = [CHANGED] * 9
    assert led.start() == [UNPROVED]
    assert led.capture_events == ["shield.unproved:changed"]
    led.hang_up()


@pytest.mark.parametrize(
    "happens",
    [
        lambda led: led.hang_up(),
        lambda led: led.agent_hangs_up(),
        lambda led: led.hand_over(),
        lambda led: led.cancel(),
    ],
    ids=["debtor-hangs-up", "agent-hangs-up", "handed-over", "cancelled"],
)
def test_nothing_begins_when_it_is_over_before_it_is_proved(
    led: Led, happens: Callable[[Led], Any]
) -> None:
    gate = Deferred[Proof]()
    led.proofs = [gate]
    outcomes = led.start()
    happens(led)
    gate.callback(PROVED)
    assert outcomes == [NOT_NOW]
    assert EventType.CAPTURE_STARTED not in led.types
    led.hang_up()
    led.nothing_is_left()


def test_a_field_that_is_asked_for_again_holds_the_charge_back(led: Led) -> None:
    led.start()
    led.key_card()
    assert led.ask(Step.EXPIRATION_DATE) is DONE
    assert led.complete() is NOT_NOW
    led.press("05")
    assert led.complete() is NOT_NOW
    led.press("31")
    assert led.complete() is DONE
    assert led.cashier.charged[0][2] == (VISA, 5, 2031, SECURITY)
    led.hang_up()
    led.nothing_is_left()


@pytest.mark.parametrize("field", [None, "reference", "no-such-field", 7])
def test_only_fields_of_the_card_are_asked_for(led: Led, field: object) -> None:
    led.start()
    assert led.command(CommandType.CAPTURE, field=field) is NOT_NOW
    led.hang_up()


def test_an_incomplete_card_is_not_charged(led: Led) -> None:
    led.start()
    led.press(VISA + EXPIRY)
    assert led.complete() is NOT_NOW
    assert not led.cashier.charged
    led.hang_up()
    assert led.results == [Result.TRANSFERRED_TO_AGENT]
    led.nothing_is_left()


def test_who_hangs_up_amid_the_charge_has_paid_if_the_gateway_says_so(led: Led) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    led.hang_up()
    assert not led.results
    answer.callback(PAID)
    assert led.results == [Result.SUCCESS]
    led.nothing_is_left()


@pytest.mark.parametrize(
    ("end", "result"),
    [(ChargeEnd.DECLINED, Result.CARD_DECLINED), (ChargeEnd.UNKNOWN, Result.PENDING)],
)
def test_who_hangs_up_amid_the_charge_is_recorded_as_it_ends(
    led: Led, end: ChargeEnd, result: Result
) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    led.hang_up()
    answer.callback(Charge(end))
    assert led.results == [result]
    led.nothing_is_left()


@pytest.mark.parametrize("handed_over", [False, True])
def test_when_the_agent_leaves_amid_the_charge_the_debtor_hears_its_end(
    led: Led, handed_over: bool
) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    if handed_over:
        assert led.hand_over() is DONE
    else:
        led.agent_hangs_up()
    assert led.said[-1] == "payment-processing.wait"
    assert led.take_back() is CommandOutcome.AFTER_PAYMENT
    led.listen(2)
    answer.callback(PAID)
    led.listen(2)
    assert led.results == [Result.SUCCESS]
    assert len(led.cashier.charged) == 1
    led.hang_up()
    led.nothing_is_left()


def test_an_agent_who_leaves_amid_the_charge_is_not_needed_for_its_end(led: Led) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    led.agent_hangs_up()
    led.listen(3)
    answer.callback(PAID)
    led.listen(4)
    assert "payment-completed.thanks" in led.said
    led.listen(8)
    assert led.results == [Result.SUCCESS]
    led.nothing_is_left()


def test_a_charge_is_not_cancelled(led: Led) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    assert led.cancel() is NOT_NOW
    answer.callback(PAID)
    assert led.cancel() is NOT_NOW
    assert led.results == [Result.SUCCESS]
    led.hang_up()
    led.nothing_is_left()


def test_cancelled_the_card_is_wiped_and_the_talk_goes_on(led: Led) -> None:
    led.start()
    led.press(VISA + EXPIRY)
    assert led.cancel() is DONE
    assert led.capture_events[-1] == "capture.stopped:cancelled"
    assert led.wiped
    assert led.results == [Result.CANCELLED_BY_AGENT]
    assert led.talking
    assert led.start() == [NOT_NOW]
    assert led.complete() is NOT_NOW
    led.hang_up()
    assert led.results == [Result.CANCELLED_BY_AGENT]
    led.nothing_is_left()


def test_declined_another_card_is_asked_for(led: Led) -> None:
    led.cashier.ends = [DECLINED, PAID]
    led.start()
    led.key_card()
    led.complete()
    assert led.steps[-2:] == [Step.FAILED, Step.CARD_NUMBER]
    assert not led.results
    led.key_card(MASTERCARD)
    assert led.complete() is DONE
    assert led.cashier.charged[1][2][0] == MASTERCARD
    assert led.results == [Result.SUCCESS]
    led.hang_up()
    led.nothing_is_left()


@pytest.mark.parametrize("who", ["debtor", "agent"])
def test_declined_and_left_at_that_the_card_was_declined(led: Led, who: str) -> None:
    led.cashier.ends = [DECLINED]
    led.start()
    led.key_card()
    led.complete()
    led.press(MASTERCARD)
    if who == "debtor":
        led.hang_up()
    else:
        led.agent_hangs_up()
        led.listen(60)
    assert led.results == [Result.CARD_DECLINED]
    led.nothing_is_left()


def test_declined_and_cancelled_it_was_cancelled(led: Led) -> None:
    led.cashier.ends = [DECLINED]
    led.start()
    led.key_card()
    led.complete()
    assert led.cancel() is DONE
    assert led.results == [Result.CANCELLED_BY_AGENT]
    led.hang_up()


def test_not_charged_the_agent_may_begin_again(led: Led) -> None:
    led.cashier.ends = [Charge(ChargeEnd.NOT_CHARGED)]
    led.start()
    led.key_card()
    led.complete()
    assert led.capture_events[-1] == "capture.stopped:not-charged"
    assert not led.results
    assert led.start() == [DONE]
    led.key_card()
    led.complete()
    assert led.results == [Result.SUCCESS]
    led.hang_up()
    led.nothing_is_left()


def test_not_known_nothing_is_charged_again(led: Led) -> None:
    led.cashier.ends = [Charge(ChargeEnd.UNKNOWN)]
    led.start()
    led.key_card()
    led.complete()
    assert led.results == [Result.PENDING]
    assert led.start() == [NOT_NOW]
    assert led.complete() is ALREADY
    led.hang_up()
    led.nothing_is_left()


def test_handed_over_amid_the_capture_the_journey_asks_for_what_is_missing(led: Led) -> None:
    led.start()
    led.press(VISA + "12")
    assert led.hand_over() is DONE
    assert led.capture_events[-1] == "capture.stopped:handed-over"
    assert led.said[-1] == "agent.resumed"
    led.press(EXPIRY + SECURITY)
    assert led.steps[-1] is Step.CONFIRM
    led.press("1")
    assert led.cashier.charged[0][2] == (VISA, 12, 2030, SECURITY)
    led.listen(12)
    assert led.results == [Result.SUCCESS]
    led.nothing_is_left()


def test_the_agent_leaves_amid_the_capture_and_the_debtor_goes_on(led: Led) -> None:
    led.start()
    led.press(VISA + EXPIRY)
    led.agent_hangs_up()
    assert led.said[-1] == "agent.left"
    led.press("1")
    led.listen(3)
    assert led.steps[-1] is Step.SECURITY_CODE
    led.hang_up()
    led.nothing_is_left()


def test_what_is_sealed_is_wiped_in_its_time_and_asked_for_anew(led: Led) -> None:
    led.start()
    led.press(VISA)
    led.listen(16)
    led.press(EXPIRY)
    led.listen(16)
    assert led.entered_last() is Step.SECURITY_CODE
    led.listen(15)
    assert led.entered_last() is Step.CARD_NUMBER
    assert led.wiped
    led.key_card()
    assert led.complete() is DONE
    led.hang_up()
    led.nothing_is_left()


def test_a_complete_card_is_not_kept_for_ever(led: Led) -> None:
    led.start()
    led.key_card()
    led.listen(31)
    assert led.wiped
    assert led.entered_last() is Step.CARD_NUMBER
    assert led.complete() is NOT_NOW
    led.hang_up()
    led.nothing_is_left()


def test_a_charge_longer_than_the_seal_is_left_alone(led: Led) -> None:
    led.start()
    led.key_card()
    answer = led.hold_charge()
    led.complete()
    led.listen(40)
    answer.callback(PAID)
    assert led.results == [Result.SUCCESS]
    led.hang_up()
    led.nothing_is_left()


@pytest.mark.parametrize(
    "data",
    [
        {"amount": 99_999, "currency": "EUR"},
        {"amount": 0, "currency": "EUR"},
        {"amount": 5000, "currency": "USD"},
        {"amount": "50"},
        {"reference": "00000000"},
    ],
)
def test_what_is_not_owed_is_not_captured(led: Led, data: dict[str, Any]) -> None:
    assert led.start(**data) == [NOT_NOW]
    assert led.tests == 0
    assert led.start() == [DONE]
    led.hang_up()


def test_another_amount_may_be_agreed_on_the_line(led: Led) -> None:
    assert led.start(amount=777, currency="EUR") == [DONE]
    [told] = [e.detail for e in led.events if e.type is EventType.TRANSACTION_IDENTIFIED]
    assert (told.debt_id, told.amount, told.currency) == ("debt", 777, "EUR")
    led.key_card()
    led.complete()
    assert led.cashier.charged[0][1].amount == 777
    led.hang_up()


def test_the_agents_side_may_change_its_media_too(led: Led) -> None:
    led.start()
    agent = led.agent_leg
    agent.answer(ANSWER.replace(b"101", b"97"))
    assert led.tests == 2
    led.hang_up()
