"""Refusals as problem details (RFC 9457): each says why, in words to act on."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.database import LedgerUnavailableError
from ivr.vocabulary import Refusal

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class WrongParameter(BaseModel):
    """One parameter that cannot be used."""

    parameter: str
    detail: str


class Enrolment(BaseModel):
    """What an authenticator needs to make codes (RFC 6238)."""

    uri: str = Field(description="otpauth://…")
    secret: str = Field(description="The same, to be typed: base32.")
    qr: str = Field(description="The same, to be photographed: an SVG element.")


class Owed(BaseModel):
    """What is outstanding on a debt."""

    amount: int = Field(description="In minor units of `currency` (cents).")
    currency: str = Field(description="ISO 4217.")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field("about:blank", description="The status code says all there is to say.")
    title: str
    status: int
    detail: str
    code: str | None = Field(
        None,
        description="A word for programs, where the status alone does not tell what to do.",
        exclude_if=lambda value: value is None,
    )
    errors: list[WrongParameter] | None = Field(None, exclude_if=lambda value: value is None)
    enrolment: Enrolment | None = Field(None, exclude_if=lambda value: value is None)
    owed: Owed | None = Field(None, exclude_if=lambda value: value is None)


class ProblemError(Exception):
    """Raised by a handler to refuse the request."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[WrongParameter] = (),
        enrolment: Enrolment | None = None,
        owed: Owed | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.enrolment = enrolment
        self.owed = owed
        self.errors = errors
        self.headers = headers


def wrong_parameters(error: ValidationError, what: str = "query") -> ProblemError:
    """Return the refusal of a query or body; it repeats no value that was sent."""
    found = [
        WrongParameter(
            parameter=_name(".".join(str(part) for part in one["loc"]) or what),
            detail="there is no such parameter"
            if one["type"] == "extra_forbidden"
            else one["msg"],
        )
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    names = ", ".join(one.parameter for one in found)
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        f"The {what} cannot be used: see {names}.",
        code=Refusal.WRONG_FIELDS,
        errors=found,
    )


def _name(sent: str) -> str:
    # A name that is not known is what somebody typed, too.
    return "…" if holds_card_number(sent) else sent


def problem_response(
    status: HTTPStatus,
    detail: str,
    *,
    code: str | None = None,
    errors: Sequence[WrongParameter] = (),
    enrolment: Enrolment | None = None,
    owed: Owed | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document."""
    problem = Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        errors=list(errors) or None,
        enrolment=enrolment,
        owed=owed,
    )
    return Response(problem.model_dump_json(), status, headers, media_type=MEDIA_TYPE)


def _in_their_words(
    request: Request,
    status: HTTPStatus,
    detail: str,
    *,
    code: str | None = None,
    errors: Sequence[WrongParameter] = (),
    enrolment: Enrolment | None = None,
    owed: Owed | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document, or at the addresses of the Payments resource its errors."""
    if not request.url.path.startswith(_THEIRS):
        return problem_response(
            status,
            detail,
            code=code,
            errors=errors,
            enrolment=enrolment,
            owed=owed,
            headers=headers,
        )
    number = int(code) if code is not None and code.isdigit() else _CODES.get(status)
    told = {
        "code": number or 20_000 + status,
        "message": " ".join([detail, *(f"{one.parameter}: {one.detail}." for one in errors)]),
        "more_info": f"https://www.twilio.com/docs/errors/{number or 20_000 + status}",
        "status": status.value,
    }
    return JSONResponse(told, status, headers)


_THEIRS = "/2010-04-01/"
_CODES = {
    HTTPStatus.BAD_REQUEST: 20001,
    HTTPStatus.UNAUTHORIZED: 20003,
    HTTPStatus.FORBIDDEN: 20006,
    HTTPStatus.METHOD_NOT_ALLOWED: 20004,
}
"""Their numbers where they are not 20000 and the status."""


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - Starlette's handlers are not generic
    return _in_their_words(
        request,
        error.status,
        error.detail,
        code=error.code,
        errors=error.errors,
        enrolment=error.enrolment,
        owed=error.owed,
        headers=error.headers,
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    details = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address; /openapi.json lists what is.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{_name(request.method)} is not possible here.",
    }
    detail = details.get(status, error.detail)
    return _in_their_words(request, status, detail, headers=error.headers)


async def _ledger(request: Request, error: Exception) -> Response:
    _log.error("ledger not readable", reason=str(error))
    return _in_their_words(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The ledger cannot be read or written now; try again in a moment.",
        code=Refusal.LEDGER_UNAVAILABLE,
        headers={"Retry-After": "5"},
    )


async def _fault(request: Request, error: Exception) -> Response:
    _log.error("request failed", path=request.url.path, exc_info=error)
    return _in_their_words(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The monitor failed here; its log says why.",
        code=Refusal.INTERNAL_ERROR,
    )


HANDLERS = {
    ProblemError: _refused,
    HTTPException: _http,
    LedgerUnavailableError: _ledger,
    Exception: _fault,
}
