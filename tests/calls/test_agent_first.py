"""Calls in which an agent talks before the journey does."""

from collections.abc import Iterator

import pytest
from twisted.internet.defer import succeed

from ivr.vocabulary import CommandOutcome, EventType, Result, Step
from tests.calls.desk import prepared
from tests.calls.exchange import OFFER
from tests.calls.led import Led
from tests.sip.wire import request

DONE, NOT_NOW = CommandOutcome.DONE, CommandOutcome.NOT_NOW


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch) -> Iterator[Led]:
    led = Led(36600, to_agents=("3000",))
    monkeypatch.setattr("ivr.calls.capture_desk.prove", led.prove)
    yield led
    led.hang_up()
    led.nothing_is_left()


def call(led: Led) -> None:
    answered = led.wire.receive(request(uri="sip:3000@127.0.0.1", body=OFFER))[-1]
    led.tag = answered.to.tag
    led.in_dialog("ACK", 1)


def test_an_agent_is_called_before_anything_is_asked(led: Led) -> None:
    call(led)
    assert led.said == ["agent.coming"]
    assert led.told(EventType.AGENT_WANTED) == ["agent-first"]
    assert EventType.TRANSACTION_CREATED in led.types
    led.agent_answers()
    assert led.talking


def test_when_nobody_answers_the_journey_speaks(led: Led) -> None:
    call(led)
    led.agent_hears(486)
    assert led.said[-1] == "help.agent-unavailable"
    led.listen(2)
    assert led.said[-1] == "welcome.greeting"
    assert led.steps[-1] is Step.WELCOME


def test_without_phones_the_journey_speaks_at_once() -> None:
    led = Led(36700, to_agents=("3000",), phones=())
    call(led)
    assert led.said == ["welcome.greeting"]
    led.hang_up()


def test_what_is_to_be_paid_must_be_told(led: Led) -> None:
    call(led)
    led.agent_answers()
    assert led.start() == [NOT_NOW]
    assert led.start(reference="99999999") == [NOT_NOW]
    assert led.start(amount=500, currency="EUR") == [NOT_NOW]
    assert led.start(reference="20261234") == [DONE]
    [told] = [e.detail for e in led.events if e.type is EventType.TRANSACTION_IDENTIFIED]
    assert (told.debt_id, told.amount, told.currency) == ("debt", 12345, "EUR")
    led.key_card()
    assert led.complete() is DONE
    assert led.results == [Result.SUCCESS]


def test_a_part_of_a_debt_may_be_agreed_on(led: Led) -> None:
    call(led)
    led.agent_answers()
    assert led.start(reference="20261234", amount=700, currency="EUR") == [DONE]
    led.key_card()
    led.complete()
    assert [money.amount for _, money, _ in led.cashier.charged] == [700]


def test_a_ledger_that_is_away_captures_nothing(led: Led) -> None:
    call(led)
    led.agent_answers()
    led.ledger.broken = True
    failed = led.command_fails()
    assert failed == ["LedgerUnavailableError"]
    led.ledger.broken = False
    assert led.start(reference="20261234") == [DONE]


def test_handed_over_without_a_debt_the_journey_asks_for_it(led: Led) -> None:
    call(led)
    led.agent_answers()
    assert led.hand_over() is DONE
    assert led.said[-1] == "welcome.greeting"


def test_a_prepared_call_whose_agent_stays_is_joined_to_them(led: Led) -> None:
    led.found = succeed(prepared(mode="stay"))
    led.transfer_in()
    assert led.said == ["agent.coming"]
    led.agent_answers()
    assert led.start() == [DONE]
    led.key_card()
    led.complete()
    assert [money.amount for _, money, _ in led.cashier.charged] == [5000]


def test_transferred_again_the_journey_goes_on(led: Led) -> None:
    led.found = succeed(prepared(mode="stay", reused=True))
    led.transfer_in()
    assert led.said == ["agent.resumed"]
