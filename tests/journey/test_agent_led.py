"""An agent leads the capture: fields follow each other, and any can be asked for again."""

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from ivr.journey.agent_led import AgentLedCapture
from ivr.journey.questions import questions
from ivr.journey.sealed_card import SealedCard
from ivr.ledger.details import EventDetail
from ivr.settings import Settings
from ivr.vocabulary import EntryError, EventType, Step
from tests.journey.caller import TODAY

NUMBER, AMEX, EXPIRY, CODE = "4242424242424242", "378282246310005", "1230", "123"


class Keypad:
    """A line whose keys are pressed by the test; `before` counts those for somebody else."""

    def __init__(self) -> None:
        self.before = ""
        self.on_key: Callable[[str, float], None] = self._somebody_else

    def _somebody_else(self, key: str, gap: float) -> None:
        self.before += key if gap else ""

    def press(self, keys: str) -> None:
        for key in keys:
            self.on_key(key, 0.3)


class Led:
    """A capture, its keypad and what it records."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.line = Keypad()
        self.card = SealedCard()
        self.told: list[tuple[EventType, Step, EventDetail]] = []
        asked = questions(Settings(), lambda: TODAY)
        self.capture = AgentLedCapture(self.clock, self.line, asked, self._record, self.card)

    def _record(self, event: EventType, step: Step, detail: EventDetail | None = None) -> None:
        self.told.append((event, step, detail or EventDetail()))

    def entered(self) -> list[Step]:
        return [step for kind, step, _ in self.told if kind is EventType.STEP_ENTERED]

    def errors(self) -> list[tuple[Step, EntryError | None, int | None]]:
        return [
            (step, detail.error, detail.attempt)
            for kind, step, detail in self.told
            if kind is EventType.ENTRY_ERROR
        ]


@pytest.fixture
def led() -> Led:
    led = Led()
    led.capture.start()
    return led


def taken(led: Led) -> tuple[str, int, int, str] | None:
    """What the card is, once it is complete."""
    if not led.capture.ready:
        return None
    with led.card.take() as card:
        return (
            card.number_text(),
            card.expiry_month,
            card.expiry_year,
            card.security_code_text(),
        )


def test_the_fields_follow_each_other(led: Led) -> None:
    led.line.press(NUMBER + EXPIRY + CODE)
    assert led.entered() == [
        Step.CARD_NUMBER,
        Step.EXPIRATION_DATE,
        Step.SECURITY_CODE,
        Step.CONFIRM,
    ]
    assert led.capture.ready
    assert taken(led) == (NUMBER, 12, 2030, CODE)
    assert taken(led) is None


def test_a_card_is_not_taken_before_it_is_complete(led: Led) -> None:
    led.line.press(NUMBER + EXPIRY + "12")
    assert taken(led) is None
    assert taken(led) is None


def test_a_field_waits_for_its_first_key_as_long_as_it_takes(led: Led) -> None:
    led.clock.advance(3600)
    assert led.errors() == []
    led.line.press(NUMBER)
    assert led.entered()[-1] is Step.EXPIRATION_DATE


def test_a_mistake_is_told_and_the_field_listens_again(led: Led) -> None:
    led.line.press(NUMBER[:-1] + "3#")
    led.line.press(NUMBER[:6])
    led.clock.advance(60)
    led.line.press(NUMBER)
    assert led.errors() == [
        (Step.CARD_NUMBER, EntryError.LUHN_FAILED, 1),
        (Step.CARD_NUMBER, EntryError.TOO_SHORT, 2),
    ]
    assert led.entered()[-1] is Step.EXPIRATION_DATE


def test_a_field_is_asked_for_again_and_what_was_right_stays(led: Led) -> None:
    led.line.press(NUMBER + EXPIRY + CODE)
    assert led.capture.ask(Step.EXPIRATION_DATE)
    assert taken(led) is None
    led.line.press("0531")
    assert taken(led) == (NUMBER, 5, 2031, CODE)


def test_another_number_asks_for_what_belongs_to_it(led: Led) -> None:
    led.line.press(NUMBER + EXPIRY + CODE)
    led.capture.ask(Step.CARD_NUMBER)
    led.line.press(AMEX)
    assert led.entered()[-1] is Step.EXPIRATION_DATE
    led.line.press(EXPIRY + "123")
    assert taken(led) is None
    led.line.press("4")
    assert taken(led) == (AMEX, 12, 2030, "1234")


def test_what_is_no_card_field_is_not_asked_for(led: Led) -> None:
    assert not led.capture.ask(Step.REFERENCE)
    assert not AgentLedCapture.ask(Led().capture, Step.CARD_NUMBER)


def test_keys_go_back_to_whom_they_went_before(led: Led) -> None:
    led.line.press(NUMBER[:4])
    led.capture.stop("cancelled")
    led.line.press("9")
    assert led.line.before == "9"
    assert not led.capture.running
    assert led.clock.getDelayedCalls() == []
    kind, _, detail = led.told[-1]
    assert (kind, detail.reason) == (EventType.CAPTURE_STOPPED, "cancelled")


def test_it_goes_on_with_what_was_sealed_before(led: Led) -> None:
    led.line.press(NUMBER)
    led.capture.stop("agent-hung-up")
    led.capture.start()
    assert led.entered()[-1] is Step.EXPIRATION_DATE


def test_no_event_can_tell_a_digit(led: Led) -> None:
    led.line.press(NUMBER + EXPIRY + CODE)
    told = repr(led.told) + repr(led.card) + repr(led.capture)
    assert NUMBER not in told
    assert all(NUMBER[n : n + 4] not in told for n in range(13))
