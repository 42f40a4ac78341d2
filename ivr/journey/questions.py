"""The fields and menus of the payment journey, made once from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from ivr.keypad import card_fields, reference_field
from ivr.keypad.field import Field, Menu, Timeouts
from ivr.settings import Settings, SilenceSettings
from ivr.vocabulary import Step


@dataclass(frozen=True, slots=True)
class Questions:
    """What can be asked, and how many times it may go wrong."""

    attempts: int
    reference: Field
    amount: Menu
    ready: Menu
    card_number: Field
    expiration_date: Field
    security_code: Callable[[int], Field]
    """By the length that the brand prints."""
    confirm: Menu
    another_card: Menu
    without_agent: Menu
    """What the debtor does when no agent is there: 1 goes on, 2 calls one."""


def questions(settings: Settings, today: Callable[[], date]) -> Questions:
    """Return the questions as `settings` has them; `today` is the date at the debtor's."""
    silence = settings.keypad.timeouts
    menu = _timeouts(silence.menu)
    code = _timeouts(silence.security_code)
    return Questions(
        attempts=settings.keypad.attempts,
        reference=reference_field.reference(
            _timeouts(silence.reference),
            settings.reference.shortest,
            settings.reference.longest,
        ),
        amount=Menu(Step.AMOUNT, frozenset("190"), menu),
        ready=Menu(Step.READY, frozenset("#90"), _timeouts(silence.ready)),
        card_number=card_fields.card_number(_timeouts(silence.card_number)),
        expiration_date=card_fields.expiration_date(_timeouts(silence.expiration_date), today),
        security_code=lambda length: card_fields.security_code(code, length),
        confirm=Menu(Step.CONFIRM, frozenset("12390"), menu),
        another_card=Menu(Step.FAILED, frozenset("1290"), menu),
        without_agent=Menu(Step.AGENT, frozenset("129"), menu),
    )


def _timeouts(silence: SilenceSettings) -> Timeouts:
    return Timeouts(silence.first, silence.between)
