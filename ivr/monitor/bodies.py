"""Reading what is sent: JSON or a form, checked by the class that documents it."""

import hashlib
import re
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from ivr.ledger.idempotency import Once
from ivr.monitor.endpoint import Header
from ivr.monitor.principal import principal_of
from ivr.monitor.problems import ProblemError, WrongParameter, wrong_parameters
from ivr.monitor.webhooks import read_body

LARGEST: Final = 64 * 1024
KEY: Final = Header(
    "Idempotency-Key",
    "Any text of your own, 1 to 255 printable ASCII characters: the same request with the "
    "same key within a day is answered as before and done once.",
)
_KEY_FORM: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_JSON: Final = "application/json"

_Kind = TypeVar("_Kind", bound=BaseModel)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("plain text without NUL")
    return text


Text = Annotated[str, AfterValidator(_no_nul)]
"""A text that both databases can keep."""


class Body(BaseModel):
    """What is sent. A name that is not known is refused, so that no wish is lost quietly."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True
    )


async def read_json(kind: type[_Kind], request: Request) -> _Kind:
    """Return the request's JSON, checked. Raise `ProblemError` (400, 413, 415)."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != _JSON:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send JSON, as Content-Type: {_JSON}."
        )
    raw = await read_body(request, LARGEST)
    try:
        from_json(raw)
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise wrong_parameters(error, "body") from None


def once(request: Request, body: BaseModel, key: str | None = None) -> Once | None:
    """Return what tells this request from others, or None without a key.

    `key` wins over the header. Raise `ProblemError` (400) for a key not of its form.
    """
    given = request.headers.get(KEY.name) if key is None else key
    if given is None:
        return None
    if _KEY_FORM.fullmatch(given) is None:
        wrong = WrongParameter(parameter=KEY.name, detail=KEY.description)
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"{KEY.name} is not of its form.", errors=[wrong]
        )
    asked = f"{request.method} {request.url.path}\n{body.model_dump_json()}"
    print_ = hashlib.sha256(asked.encode()).hexdigest()
    return Once(principal_of(request).actor, given, print_)


def key_used() -> ProblemError:
    """Return the refusal of a key that was used for another request."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"This {KEY.name} was used for another request; use a new one for each.",
        code="idempotency-key-used",
    )
