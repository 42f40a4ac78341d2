"""Refusals as problem details (RFC 9457): each says why, in words to act on."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.database import LedgerUnavailableError

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class WrongParameter(BaseModel):
    """One parameter that cannot be used."""

    parameter: str
    detail: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field("about:blank", description="The status code says all there is to say.")
    title: str
    status: int
    detail: str
    errors: list[WrongParameter] | None = Field(None, exclude_if=lambda value: value is None)


class ProblemError(Exception):
    """Raised by a handler to refuse the request."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[WrongParameter] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers


def wrong_parameters(error: ValidationError) -> ProblemError:
    """Return the refusal of a query; it repeats no value that was sent."""
    found = [
        WrongParameter(
            parameter=".".join(str(part) for part in one["loc"]) or "query",
            detail="there is no such parameter"
            if one["type"] == "extra_forbidden"
            else one["msg"],
        )
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    names = ", ".join(one.parameter for one in found)
    return ProblemError(
        HTTPStatus.BAD_REQUEST, f"The query cannot be used: see {names}.", errors=found
    )


def problem_response(
    status: HTTPStatus,
    detail: str,
    *,
    errors: Sequence[WrongParameter] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document."""
    problem = Problem(
        title=status.phrase, status=status, detail=detail, errors=list(errors) or None
    )
    return Response(problem.model_dump_json(), status, headers, media_type=MEDIA_TYPE)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - Starlette's handlers are not generic
    return problem_response(
        error.status, error.detail, errors=error.errors, headers=error.headers
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    details = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address; /openapi.json lists what is.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at this address.",
    }
    return problem_response(status, details.get(status, error.detail), headers=error.headers)


async def _ledger(_request: Request, error: Exception) -> Response:
    _log.error("ledger not readable", reason=str(error))
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The ledger cannot be read or written now; try again in a moment.",
        headers={"Retry-After": "5"},
    )


async def _fault(request: Request, error: Exception) -> Response:
    _log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The monitor failed here; its log says why."
    )


HANDLERS = {
    ProblemError: _refused,
    HTTPException: _http,
    LedgerUnavailableError: _ledger,
    Exception: _fault,
}
