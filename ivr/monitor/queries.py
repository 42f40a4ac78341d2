"""What the API can be asked, checked and documented by the same classes."""

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from starlette.requests import Request

from ivr.ledger.reading import MAX_ID
from ivr.monitor.problems import wrong_parameters
from ivr.vocabulary import Result

_Id = Annotated[str, Field(pattern="^[!-~]{1,40}$")]
_Limit = Annotated[int, Field(ge=1, le=200, description="Rows in a page.")]
_Cursor = Annotated[str, Field(description="`next` of the page before.", max_length=200)]


def _of_our_time(moment: datetime) -> datetime:
    # At the calendar's ends a moment cannot be said in every time zone.
    if not 1970 <= moment.year < 9999:
        raise ValueError("a year from 1970 to 9998")
    return moment


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_of_our_time),
    Field(description="ISO 8601 with its offset from UTC."),
]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoQuery(_Query):
    """No parameter at all."""


class TransactionsQuery(_Query):
    """Which transactions."""

    result: Result | None = None
    open: bool | None = Field(None, description="true: not ended yet.")
    reference: Annotated[str, Field(pattern="^[!-~]{1,20}$")] | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    created_from: Moment | None = None
    created_to: Moment | None = Field(None, description="Exclusive.")
    call_id: _Id | None = None
    limit: _Limit = 50
    cursor: _Cursor | None = None


class CallsQuery(_Query):
    """Which calls."""

    live: bool | None = Field(None, description="true: not ended yet.")
    limit: _Limit = 50
    cursor: _Cursor | None = None


class EventsQuery(_Query):
    """Where a list of events begins."""

    after: int = Field(0, ge=0, le=MAX_ID, description="Only events with a higher id.")
    limit: _Limit = 200


class StreamQuery(_Query):
    """Which events to stream."""

    after: int | None = Field(
        None,
        ge=0,
        le=MAX_ID,
        description="Only events with a higher id; without it, from now. "
        "The `Last-Event-ID` header wins.",
    )
    call_id: _Id | None = None
    transaction_id: _Id | None = None


class AuditQuery(_Query):
    """Where a page of the audit trail begins."""

    before: int | None = Field(
        None,
        ge=1,
        le=MAX_ID,
        description="Only those with a lower id: the last one's of a page.",
    )
    actor: Annotated[str, Field(pattern="^[!-~]{1,100}$")] | None = Field(
        None, description="Only theirs: `user:anna`, `token:crm`."
    )
    limit: _Limit = 50


class KpiQuery(_Query):
    """The period, half-open."""

    start: Moment | None = Field(None, alias="from", description="Default: today, 0:00.")
    end: Moment | None = Field(None, alias="to", description="Exclusive. Default: now.")


_Kind = TypeVar("_Kind", bound=BaseModel)


def read_query(kind: type[_Kind], request: Request) -> _Kind:
    """Return the request's query, checked. Raise `ProblemError` (400)."""
    given: dict[str, str | list[str]] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        # A name given twice fails as a list would: neither value is quietly dropped.
        given[name] = values[0] if len(values) == 1 else values
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise wrong_parameters(error) from None
