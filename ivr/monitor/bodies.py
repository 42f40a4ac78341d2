"""Reading what is sent: JSON or a form, checked by the class that documents it."""

import hashlib
import re
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from babel.numbers import list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from ivr.ledger.card_shape import holds_card_number
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
_E164: Final = re.compile(r"\+[0-9]{1,15}")
"""Many a mobile number has 13 digits, and one in ten passes a card's check."""

_Kind = TypeVar("_Kind", bound=BaseModel)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("plain text without NUL")
    return text


def no_card(text: str) -> str:
    """Return `text`. Raise `ValueError` for what may be a card number, typed by mistake."""
    if holds_card_number(text):
        raise ValueError("this looks like a card number, which is never kept here")
    return text


def _no_card_in_a_phone(phone: str) -> str:
    user, _, host = phone.partition("@")
    if _E164.fullmatch(user.removeprefix("sip:").removeprefix("sips:")):
        user = ""
    # Together a host's parts have as many digits as a card number, and may pass its check.
    for part in (user, *re.split("[.:]", host)):
        no_card(part)
    return phone


def _printable(text: str) -> str:
    if any(sign < " " or sign > "~" for sign in text):
        raise ValueError("printable ASCII only")
    return text


def known_currency(code: str) -> str:
    """Return `code`. Raise `ValueError` for one that ISO 4217 has never had."""
    if code.upper() not in list_currencies():
        raise ValueError("a currency of ISO 4217, as EUR")
    return code


def _number(text: str) -> str:
    return text if _E164.fullmatch(text) else no_card(text)


Text = Annotated[str, AfterValidator(_no_nul)]
"""A text that both databases can keep."""
Plain = Annotated[Text, AfterValidator(no_card)]
"""One that people type: no card number is in it."""
Number = Annotated[Text, AfterValidator(_number)]
"""A telephone number, perhaps with its country's."""
Phone = Annotated[
    str,
    AfterValidator(_printable),
    AfterValidator(_no_card_in_a_phone),
    Field(max_length=255, description="A SIP URI or a user of our registrar."),
]


class Body(BaseModel):
    """What is sent. A name that is not known is refused, so that no wish is lost quietly."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True
    )


async def read_typed(request: Request, media_type: str, name: str) -> bytes:
    """Return the request's body, which is of `media_type`. Raise `ProblemError` (413, 415)."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != media_type:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {name}, as Content-Type: {media_type}."
        )
    return await read_body(request, LARGEST)


async def read_json(kind: type[_Kind], request: Request) -> _Kind:
    """Return the request's JSON, checked. Raise `ProblemError` (400, 413, 415)."""
    raw = await read_typed(request, _JSON, "JSON")
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
    return Once(principal_of(request).holder, given, print_)


def key_used() -> ProblemError:
    """Return the refusal of a key that was used for another request."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"This {KEY.name} was used for another request; use a new one for each.",
        code="idempotency-key-used",
    )
