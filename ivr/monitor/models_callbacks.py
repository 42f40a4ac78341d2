"""What is asked and answered about callbacks, and what they say."""

from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from ivr.ledger.reading import MAX_ID
from ivr.monitor.bodies import Body, Plain
from ivr.monitor.models import Event, Transaction
from ivr.monitor.queries import NoQuery
from ivr.vocabulary import EventType


def callback_url(text: str) -> str:
    """Return `text`. Raise `ValueError` unless it is an absolute address without a user."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise ValueError("not an address") from None
    if any(sign <= " " for sign in text):
        raise ValueError("an address without spaces")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise ValueError("an absolute http or https address without a user")
    return text


class NewCallbackEndpoint(Body):
    """An address to tell what happens from now on."""

    url: Annotated[Plain, AfterValidator(callback_url)] = Field(
        min_length=8, max_length=2000, json_schema_extra={"format": "uri"}
    )
    types: list[EventType] = Field(
        [], max_length=100, description="Types of events; none for all."
    )


class CallbackEndpoint(BaseModel):
    """An address that is told."""

    id: str
    url: str
    types: list[str]
    created_at: AwareDatetime


class NewCallbackSecret(CallbackEndpoint):
    """An address that is told, with what it verifies signatures with: shown this once."""

    secret: str


class CallbackEndpoints(BaseModel):
    """The addresses that are told, oldest first."""

    items: list[CallbackEndpoint]


class CallbackDelivery(BaseModel):
    """One event for one endpoint."""

    id: int
    event_id: int
    replay: int = Field(description="0, and one more each time it was asked for again.")
    attempts: int
    next_at: AwareDatetime
    ended_at: AwareDatetime | None
    outcome: Literal["delivered", "given-up", "removed"] | None = Field(
        description="Null while it is tried."
    )
    last_status: int | None
    last_error: str | None


class CallbackDeliveries(BaseModel):
    """Deliveries, newest first."""

    items: list[CallbackDelivery]


class DeliveriesQuery(NoQuery):
    """Which deliveries."""

    before: int | None = Field(None, ge=1, le=MAX_ID, description="Only lower ids.")
    limit: int = Field(50, ge=1, le=200)


class CallbackData(BaseModel):
    """The event, and its transaction as it stands when this is sent."""

    event: Event
    transaction: Transaction | None


class CallbackMessage(BaseModel):
    """What a callback says."""

    type: Annotated[
        str, Field(json_schema_extra={"x-extensible-enum": [one.value for one in EventType]})
    ]
    timestamp: AwareDatetime
    data: CallbackData
