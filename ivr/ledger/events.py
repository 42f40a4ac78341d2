"""Events: what happened, in the words of `ivr.vocabulary`, and how they open their rows."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.details import Direction, EventDetail, telephone
from ivr.vocabulary import EventType, Result, Step

PAYMENT_ENDS: Final = frozenset(
    {EventType.PAYMENT_SUCCEEDED, EventType.PAYMENT_DECLINED, EventType.PAYMENT_UNKNOWN}
)
"""The gateway has been asked: the last four digits may be shown (PCI DSS 3.4.1)."""
PAYMENT_EVENTS: Final = PAYMENT_ENDS | {
    EventType.PAYMENT_ATTEMPTED,
    EventType.PAYMENT_NOT_CHARGED,
}
"""Written with the attempt they tell of, in one transaction; never recorded alone."""
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")


def new_id() -> str:
    """Return an id for a call, a transaction, a debt or an attempt: 32 small letters.

    No digit is in it, so no search for card numbers ever stumbles over an id.
    """
    return uuid.uuid4().hex.translate(_LETTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpening:
    """What the row of a new call needs beside its id and time."""

    direction: Direction
    caller: str
    called: str
    sip_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionOpening:
    """What the row of a new transaction needs beside its id and time."""

    channel: str
    journey: str
    language: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `at` is aware. Raise `ValueError` for one that cannot be.

    Ids are 1 to 40 letters, digits, hyphens and underscores; `new_id` makes them.
    """

    type: EventType
    at: datetime
    call_id: str | None = None
    transaction_id: str | None = None
    step: Step | None = None
    detail: EventDetail = field(default_factory=EventDetail)
    opening: CallOpening | TransactionOpening | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("an event's time must know its zone")
        for given in (self.call_id, self.transaction_id):
            if given is not None and not _is_id(given):
                raise ValueError("an event's call or transaction id is not of its form")
        detail = self.detail
        shows_card = detail.last4 is not None or detail.expiry_masked is not None
        if shows_card and self.type not in PAYMENT_ENDS:
            raise ValueError("only a payment's end may show the card's last digits")
        missing = _missing(self)
        if missing is not None:
            raise ValueError(f"a {self.type} event needs {missing}")


def _is_id(text: str) -> bool:
    if _ID.fullmatch(text) is None:
        return False
    return any(sign.isalpha() for sign in text) or not holds_card_number(text)


def _missing(event: Event) -> str | None:
    """Say what the event's type asks for and the event has not."""
    match event.type:
        case EventType.CALL_STARTED:
            right = isinstance(event.opening, CallOpening) and event.call_id is not None
            return None if right else "its call and an opening: see call_started"
        case EventType.TRANSACTION_CREATED:
            opened = isinstance(event.opening, TransactionOpening)
            right = opened and event.transaction_id is not None and event.step is not None
            return None if right else "its transaction and an opening: see transaction_created"
        case EventType.CALL_ANSWERED | EventType.CALL_QUALITY | EventType.CALL_ENDED:
            return None if event.call_id is not None else "its call"
        case EventType.TRANSACTION_ENDED:
            right = event.transaction_id is not None and event.detail.result is not None
            return None if right else "its transaction and a result"
        case EventType.TRANSACTION_IDENTIFIED:
            detail = event.detail
            known = None not in (detail.debt_id, detail.amount, detail.currency)
            right = event.transaction_id is not None and known
            return None if right else "its transaction, debt_id, amount and currency"
        case EventType.TRANSACTION_TRANSFERRED:
            known = None not in (event.transaction_id, event.call_id)
            return None if known else "its transaction and its call"
        case EventType.COMMAND_ENDED:
            told = None not in (event.detail.command, event.detail.outcome)
            return None if told else "its command and outcome"
        case (
            EventType.TRUNK_UP
            | EventType.TRUNK_DOWN
            | EventType.TRUNK_REGISTERED
            | EventType.TRUNK_UNREGISTERED
        ):
            return None if event.detail.trunk is not None else "its trunk"
        case EventType.ENTRY_ERROR:
            told = None not in (event.step, event.detail.error, event.detail.attempt)
            return None if told else "its step, error and attempt"
        case _:
            return None


def call_started(
    call_id: str,
    at: datetime,
    *,
    direction: Direction,
    caller: str,
    called: str,
    sip_call_id: str,
) -> Event:
    """Return the event that opens a call's row. The numbers are any text of the network's."""
    caller, called = telephone(caller), telephone(called)
    return Event(
        EventType.CALL_STARTED,
        at,
        call_id,
        detail=EventDetail(direction=direction, caller=caller, called=called),
        opening=CallOpening(
            direction=direction,
            caller=caller,
            called=called,
            sip_call_id=sip_call_id[:255].replace("\0", "?"),
        ),
    )


def transaction_created(
    transaction_id: str,
    at: datetime,
    *,
    call_id: str | None,
    channel: str,
    journey: str,
    language: str,
    step: Step = Step.WELCOME,
) -> Event:
    """Return the event that opens a transaction's row."""
    return Event(
        EventType.TRANSACTION_CREATED,
        at,
        call_id,
        transaction_id,
        step,
        opening=TransactionOpening(channel=channel, journey=journey, language=language),
    )


def transaction_identified(
    transaction_id: str,
    at: datetime,
    *,
    call_id: str | None,
    debt_id: str,
    outstanding: int,
    currency: str,
) -> Event:
    """Return the event that ties a transaction to its debt. `outstanding` is minor units."""
    detail = EventDetail(debt_id=debt_id, amount=outstanding, currency=currency)
    return Event(
        EventType.TRANSACTION_IDENTIFIED, at, call_id, transaction_id, Step.REFERENCE, detail
    )


def transaction_ended(
    transaction_id: str, at: datetime, *, call_id: str | None, step: Step | None, result: Result
) -> Event:
    """Return the event that ends a transaction."""
    detail = EventDetail(result=result)
    return Event(EventType.TRANSACTION_ENDED, at, call_id, transaction_id, step, detail)
