"""One line of the API: the router and the OpenAPI document are made from the same list."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ivr.monitor.principal import Scope
from ivr.monitor.queries import NoQuery

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that an endpoint reads."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, who may use it, what it takes and what it answers."""

    path: str
    name: str
    summary: str
    handler: Handler
    answer: type[BaseModel]
    """What is answered, or what each event of a stream carries."""
    media_type: str = "application/json"
    method: str = "GET"
    status: int = 200
    also: tuple[int, ...] = ()
    """Other statuses with the same answer."""
    query: type[BaseModel] = NoQuery
    headers: tuple[Header, ...] = ()
    problems: tuple[int, ...] = field(default=())
    """Beside 400 and 503, and 401, 403 and 429 unless it is public."""
    public: bool = False
    scope: Scope | None = Scope.READ_ALL
    """The right that it needs; None: any that gets in. What is not filtered by owner
    needs `READ_ALL`."""
    takes_body: bool = False
    """A body of any kind; `body` says more."""
    body: type[BaseModel] | None = None
    body_type: str = "application/json"
    refusal: type[BaseModel] | None = None
    """What refusals are, as JSON, where they are not problem details."""


def json_response(answer: BaseModel, status: int = 200) -> Response:
    """Return an answer as JSON."""
    return Response(
        answer.model_dump_json(by_alias=True), status, media_type="application/json"
    )
