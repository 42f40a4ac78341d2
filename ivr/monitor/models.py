"""What the API answers. `/openapi.json` is made from these classes and from nothing else.

Words of the vocabulary are plain strings here: a monitor that is older than an ivr node
passes a new word on instead of failing on it.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ivr.vocabulary import (
    INTEGRATOR_ERROR,
    AttemptState,
    EntryError,
    EventType,
    Result,
    Step,
)


def _words(words: type[StrEnum]) -> dict[str, Any]:
    return {"x-extensible-enum": [word.value for word in words]}


_Step = Annotated[
    str, Field(description="Place in the journey.", json_schema_extra=_words(Step))
]
_Error = Annotated[
    str, Field(description="Why it was not taken.", json_schema_extra=_words(EntryError))
]
_ErrorType = Annotated[
    str,
    Field(
        description="The same error as `errorType` of Twilio's `<Pay>`.",
        json_schema_extra={"x-extensible-enum": sorted(set(INTEGRATOR_ERROR.values()))},
    ),
]
_Result = Annotated[str, Field(description="How it ended.", json_schema_extra=_words(Result))]
_Amount = Annotated[int, Field(description="In minor units of `currency` (cents).")]
_Currency = Annotated[str, Field(description="ISO 4217.", pattern="^[A-Z]{3}$")]
_Next = Annotated[
    str | None, Field(description="Send it as `cursor` for the next page; null at the end.")
]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)


def _absent_when_none() -> Any:
    return Field(None, exclude_if=lambda value: value is None)


class EventData(_Answer):
    """What an event tells beside its place. A field that does not apply is absent.

    Only these fields leave the monitor, whatever else an event may hold.
    """

    error: _Error | None = _absent_when_none()
    error_type: _ErrorType | None = _absent_when_none()
    attempt: int | None = _absent_when_none()
    digits: int | None = Field(
        None,
        ge=0,
        description="How many digits are keyed so far; never which.",
        exclude_if=lambda value: value is None,
    )
    brand: str | None = _absent_when_none()
    luhn: bool | None = _absent_when_none()
    capture: str | None = _absent_when_none()
    silence: float | None = _absent_when_none()
    prompt: str | None = _absent_when_none()
    prompt_version: int | None = _absent_when_none()
    result: _Result | None = _absent_when_none()
    amount: _Amount | None = _absent_when_none()
    currency: _Currency | None = _absent_when_none()
    last4: str | None = Field(
        None,
        pattern="^[0-9]{4}$",
        description="Only after the authorisation.",
        exclude_if=lambda value: value is None,
    )
    expiry_masked: str | None = _absent_when_none()
    reference: str | None = _absent_when_none()
    code: str | None = _absent_when_none()
    advice: str | None = _absent_when_none()
    reason: str | None = _absent_when_none()
    direction: str | None = _absent_when_none()
    caller: str | None = _absent_when_none()
    called: str | None = _absent_when_none()
    debt_id: str | None = _absent_when_none()
    trunk: str | None = _absent_when_none()
    loss: float | None = _absent_when_none()
    peer_loss: float | None = _absent_when_none()
    jitter: float | None = _absent_when_none()
    round_trip: float | None = _absent_when_none()
    agent: str | None = _absent_when_none()
    command: str | None = _absent_when_none()
    outcome: str | None = _absent_when_none()


class Event(_Answer):
    """Something that happened. Ids rise; a stream is resumed behind one."""

    id: int
    at: AwareDatetime
    type: Annotated[str, Field(json_schema_extra=_words(EventType))]
    node: str
    call_id: str | None
    transaction_id: str | None
    step: _Step | None
    data: EventData


class Events(_Answer):
    """Events in the order of their ids."""

    items: list[Event]


class Transaction(_Answer):
    """A payment that a debtor was led through, or is being led through."""

    id: str
    call_id: str | None
    debt_id: str | None
    owner_id: str | None = Field(description="The agent, or the program, whose it is.")
    owner: str | None = Field(description="Their name.")
    reference: str | None = Field(description="The debt's reference, as on the letter.")
    channel: str
    journey: str
    language: str
    step: _Step
    result: _Result | None = Field(description="Null while it is open.")
    amount_due: _Amount | None
    amount_paid: _Amount
    currency: _Currency | None
    brand: str | None = Field(description="Of the card that paid.")
    last4: str | None = Field(pattern="^[0-9]{4}$", description="Of the card that paid.")
    gateway_reference: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None


class Attempt(_Answer):
    """One request for money to a gateway; written down before it was made."""

    id: str
    gateway: str
    amount: _Amount
    currency: _Currency
    state: Annotated[str, Field(json_schema_extra=_words(AttemptState))]
    reference: str | None = Field(description="The gateway's own identifier.")
    code: str | None
    advice: str | None
    brand: str | None
    last4: str | None = Field(pattern="^[0-9]{4}$")
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    inquiries: int


class TransactionDetail(Transaction):
    """A transaction with its payment attempts, oldest first."""

    attempts: list[Attempt]


class Transactions(_Answer):
    """Transactions, newest first."""

    items: list[Transaction]
    next: _Next


class Call(_Answer):
    """A telephone call, live while `ended_at` is null."""

    id: str
    node: str
    direction: str
    caller: str
    called: str
    started_at: AwareDatetime
    answered_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    end_reason: str | None
    transactions: list[Transaction]
    latest: list[Event] = Field(
        description="Of a live call, the newest event of each type and step, oldest first."
    )


class Calls(_Answer):
    """Calls, newest first."""

    items: list[Call]
    next: _Next
    last_event_id: int = Field(
        description="Stream the events after this one and you miss none of these calls'."
    )


class Trunk(_Answer):
    """What an ivr node knows of one of its trunks."""

    node: str
    name: str
    up: bool | None = Field(description="It answers our OPTIONS; null: not known.")
    registered: bool | None = Field(description="We are registered there; null: not known.")
    changed_at: AwareDatetime


class Trunks(_Answer):
    """The trunks of all nodes that run, by node and name."""

    items: list[Trunk]


class Recovery(_Answer):
    """What was owed and what was paid in one currency."""

    currency: _Currency
    due: _Amount
    debts: int
    recovered: _Amount
    payments: int
    rate: float | None = Field(description="Recovered / due; null when nothing was due.")


class StepCount(_Answer):
    """How many transactions entered a step."""

    step: _Step
    transactions: int


class ErrorCount(_Answer):
    """How often entries were refused at one step for one reason."""

    step: _Step
    error: _Error
    error_type: _ErrorType
    errors: int
    transactions: int


class Kpi(_Answer):
    """The indicators of the period [`from`, `to`)."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    recovery: list[Recovery]
    transactions: int
    completed: int
    not_completed: int
    not_completed_rate: float | None
    pending: int
    open: int
    with_entry_error: int
    entry_error_rate: float | None
    funnel: list[StepCount]
    errors: list[ErrorCount]


class Health(_Answer):
    """The process runs; `/health/ready` answers only when the ledger can be used too."""

    status: str


class WebhookKept(_Answer):
    """The notice is kept; the ivr process verifies and applies it."""

    status: str = Field("kept", description="Nothing has been believed yet.")
