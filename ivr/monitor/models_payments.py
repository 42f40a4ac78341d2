"""The Payments resource: forms that are sent, and what is answered.

Names and values are those of https://www.twilio.com/docs/voice/api/payment-resource.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ivr.monitor.bodies import Plain, Text, known_currency
from ivr.monitor.models_callbacks import callback_url

_Url = Annotated[
    Plain,
    AfterValidator(callback_url),
    Field(min_length=8, max_length=2000, json_schema_extra={"format": "uri"}),
]
_Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$"), AfterValidator(known_currency)]
_Key = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NewPayment(_Form):
    """A payment to capture in a live call.

    `PaymentConnector`, `Description`, `TokenType`, `Timeout`, `Input`, `PostalCode`,
    `MinPostalCodeLength` and `ValidCardTypes` are taken and change nothing.
    """

    IdempotencyKey: _Key
    StatusCallback: _Url
    ChargeAmount: Decimal = Field(
        gt=0,
        lt=1_000_000,
        decimal_places=4,
        description="A charge is needed: cards are not kept as tokens.",
    )
    Currency: _Currency | None = Field(None, description="Default: that of the debt, else USD.")
    PaymentMethod: Literal["credit-card"] = "credit-card"
    SecurityCode: Literal["true"] = "true"
    PaymentConnector: Annotated[Plain, Field(max_length=200)] = "Default"
    Description: Annotated[Text, Field(max_length=1000)] = ""
    TokenType: Literal["one-time", "reusable", "payment-method", ""] = ""
    Input: Literal["dtmf"] = "dtmf"
    PostalCode: Annotated[Text, Field(max_length=20)] = ""
    MinPostalCodeLength: Annotated[Text, Field(max_length=4)] = ""
    Timeout: Annotated[Text, Field(max_length=6)] = ""
    ValidCardTypes: Annotated[Text, Field(max_length=200)] = ""


class ChangedPayment(_Form):
    """What to do next: either `Capture` or `Status`."""

    IdempotencyKey: _Key
    StatusCallback: _Url
    Capture: Literal["payment-card-number", "expiration-date", "security-code"] | None = None
    Status: Literal["complete", "cancel"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.Capture is None) == (self.Status is None):
            raise ValueError("give either Capture or Status")
        return self


class Payment(BaseModel):
    """A session in which a payment is captured."""

    account_sid: str
    call_sid: str
    date_created: str = Field(description="RFC 2822, in GMT.")
    date_updated: str = Field(description="RFC 2822, in GMT.")
    sid: str = Field(pattern="^PK[a-f]{32}$")
    uri: str
    status_callback_secret: str = Field(
        description="Ours: with it the signatures of this session's callbacks are verified."
    )


class PaymentRefusal(BaseModel):
    """Why a request was refused."""

    code: int
    message: str
    more_info: str
    status: int
