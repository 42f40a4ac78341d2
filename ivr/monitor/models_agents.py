"""What is asked and answered about preparing transactions and commanding calls."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from ivr.ledger.details import LARGEST_AMOUNT
from ivr.monitor.bodies import Body, Number, Phone, Plain, known_currency
from ivr.monitor.models import Transaction
from ivr.vocabulary import CommandOutcome, CommandType

_OFFERED = ("all",)
_NUMBER = r"^(\+?[0-9]{1,15}|[A-Za-z][A-Za-z0-9._-]{0,63})$"


def _offered(word: str) -> str:
    if word not in _OFFERED:
        raise ValueError("only `all` can be charged by this version")
    return word


_Reference = Annotated[str, Field(pattern=r"^[0-9]{4,12}$")]
_Amount = Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)]
_Currency = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217."), AfterValidator(known_currency)
]


class NewTransaction(Body):
    """A transaction to prepare.

    With the `reference` of a known debt it is about that debt, and `amount` is all that is
    outstanding unless less is wanted; otherwise a debt is made, and `amount` and `currency`
    are needed.
    """

    reference: _Reference | None = None
    amount: _Amount | None = Field(None, description="In minor units of `currency` (cents).")
    currency: _Currency | None = None
    debtor: Annotated[Plain, Field(max_length=200)] = Field(
        "", description="The name on a debt that is made."
    )
    language: Literal["fr", "en"]
    journey: Literal["payment"] = "payment"
    offers: list[Annotated[str, AfterValidator(_offered)]] = Field(
        ["all"],
        min_length=1,
        max_length=4,
        description="What the debtor may choose.",
        json_schema_extra={"items": {"type": "string", "enum": list(_OFFERED)}},
    )
    agent_phone: Phone = Field(
        "", description="Where the call comes back to; by default your own phone."
    )
    afterwards: Literal["agent", "good-bye"] = Field(
        "good-bye", description="What follows when it is paid."
    )
    mode: Literal["alone", "stay"] = Field(
        "alone", description="Whether the agent stays on the line."
    )

    @model_validator(mode="after")
    def _an_amount(self) -> Self:
        if self.reference is None and (self.amount is None or self.currency is None):
            raise ValueError("give the reference of a debt, or an amount and its currency")
        return self


class Transfer(BaseModel):
    """Where to transfer the debtor's call. Whoever knows one of these can use it, once."""

    uri: str = Field(description="For a PBX that transfers to SIP URIs.")
    number: str = Field(description="For a PBX that transfers to digits.")
    header: str = Field(description="For an INVITE to any of our numbers.")
    user_to_user: str = Field(description="The same as RFC 7433 has it.")
    expires_at: AwareDatetime


class PreparedTransaction(Transaction):
    """A transaction that waits for its call."""

    state: Literal["prepared"] = "prepared"
    transfer: Transfer


def _words(words: type[Any]) -> dict[str, Any]:
    return {"x-extensible-enum": [word.value for word in words]}


class NewCommand(Body):
    """What the call shall do."""

    type: Literal["take-back", "hand-over", "cancel", "start-capture", "capture", "complete"]
    field: Literal["payment-card-number", "expiration-date", "security-code"] | None = Field(
        None, description="With `capture`: what to ask for, or to ask for again."
    )
    reference: _Reference | None = Field(
        None, description="With `start-capture`: the debt, where the call is about none yet."
    )
    amount: _Amount | None = Field(
        None, description="With `start-capture`: what is to be paid, in minor units."
    )
    currency: _Currency | None = None

    @model_validator(mode="after")
    def _what_belongs_to_it(self) -> Self:
        if (self.type == "capture") != (self.field is not None):
            raise ValueError("`field` belongs to `capture`, and only to it")
        money = (self.reference, self.amount, self.currency)
        if self.type != "start-capture" and any(one is not None for one in money):
            raise ValueError("what is to be paid belongs to `start-capture` only")
        if self.currency is not None and self.amount is None:
            raise ValueError("`currency` belongs to an amount")
        return self


class NewCall(Body):
    """A debtor to call: the agent's phone rings first.

    What is to be paid may be told now, as for a prepared transaction, or with `start-capture`.
    """

    number: Annotated[Number, Field(pattern=_NUMBER)] = Field(
        description="The debtor's: called over the trunk of `[agents]`, or registered here."
    )
    phone: Phone = Field("", description="The agent's; by default your own.")
    language: Literal["fr", "en"]
    reference: _Reference | None = None
    amount: _Amount | None = Field(None, description="In minor units of `currency` (cents).")
    currency: _Currency | None = None
    debtor: Annotated[Plain, Field(max_length=200)] = Field(
        "", description="The name on a debt that is made."
    )

    @model_validator(mode="after")
    def _a_currency(self) -> Self:
        if self.reference is None and (self.amount is None) != (self.currency is None):
            raise ValueError("give an amount and its currency together")
        return self


class CommandAnswer(BaseModel):
    """A command as it stands."""

    id: int
    type: Annotated[str, Field(json_schema_extra=_words(CommandType))]
    transaction_id: str | None
    call_id: str | None
    sent_at: AwareDatetime
    taken_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    outcome: Annotated[str, Field(json_schema_extra=_words(CommandOutcome))] | None = Field(
        description="Null until it has ended."
    )
