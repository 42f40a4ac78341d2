"""What the API takes and answers about people, tokens and the audit trail."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from ivr.ledger.api_tokens import NAME
from ivr.ledger.people import LOGIN
from ivr.monitor.bodies import Body, Phone, Plain
from ivr.monitor.principal import Role, Scope
from ivr.monitor.queries import Moment

_Login = Annotated[Plain, Field(pattern=f"^{LOGIN.pattern}$")]
_Name = Annotated[Plain, Field(min_length=1, max_length=200)]
_Password = Annotated[SecretStr, Field(max_length=1024)]
_Language = Literal["fr", "en"]
_TokenName = Annotated[Plain, Field(pattern=f"^{NAME.pattern}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)


class Nothing(_Answer):
    """No answer but the status."""


class Credentials(Body):
    """What somebody signs in with."""

    login: Annotated[str, Field(max_length=200)]
    password: _Password
    code: Annotated[str, Field(pattern="^[0-9 ]{6,10}$")] | None = Field(
        None, description="Of the authenticator, when it is asked for: `code-required`."
    )


class Myself(_Answer):
    """The person who asks."""

    id: str
    login: str
    name: str
    role: Role
    language: str
    phone: str


class Me(_Answer):
    """Who asks, and what they may do."""

    user: Myself | None = Field(description="Null for a program of its own.")
    actor: str
    scopes: list[Scope]
    csrf: str | None = Field(
        description="Send it as `X-CSRF-Token` with what changes something; null with a token."
    )


class User(_Answer):
    """Somebody who may sign in."""

    id: str
    login: str
    name: str
    role: Role
    language: str
    phone: str
    has_password: bool
    has_second_factor: bool
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None


class Users(_Answer):
    """Users by login."""

    items: list[User]


class NewUser(Body):
    """A user to add."""

    login: _Login
    name: _Name
    role: Role
    language: _Language = "fr"
    phone: Phone = ""
    password: _Password


class UserChange(Body):
    """What is to change of a user; what is left out stays."""

    name: _Name | None = None
    role: Role | None = None
    language: _Language | None = None
    phone: Phone | None = None
    password: _Password | None = None
    disabled: bool | None = None
    second_factor: Literal["reset"] | None = Field(
        None, description="`reset`: the next sign-in shows a new secret."
    )


class NewToken(Body):
    """A token to make."""

    name: _TokenName = Field(description="Of the program: what it makes belongs to this name.")
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    user_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,40}$")] | None = Field(
        None, description="Whose it is, and whose rights it has at most."
    )
    expires_at: Moment | None = None


class Token(_Answer):
    """A token; its secret is nowhere."""

    id: str
    name: str
    user_id: str | None
    scopes: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    used_at: AwareDatetime | None = Field(description="To the minute.")
    revoked_at: AwareDatetime | None


class MadeToken(Token):
    """A new token, with its secret this once."""

    token: str


class Tokens(_Answer):
    """Tokens, newest first."""

    items: list[Token]


class Act(_Answer):
    """One line of the audit trail."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    subject: str
    data: dict[str, Any]


class Acts(_Answer):
    """Lines of the audit trail, newest first."""

    items: list[Act]
