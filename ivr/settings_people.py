"""The settings of who may sign in."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from ivr.settings_table import Table


class SingleSignOnSettings(Table):
    """`[people.single_sign_on]`."""

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    redirect_url: str = ""
    scope: str = "openid profile email"
    claim: str = "groups"
    agents: tuple[str, ...] = ()
    supervisors: tuple[str, ...] = ()
    administrators: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        anybody = self.agents or self.supervisors or self.administrators
        if self.issuer and not (self.client_id and self.redirect_url and anybody):
            raise ValueError(
                "with an issuer it needs client_id, redirect_url, and who is an agent, "
                "a supervisor or an administrator"
            )
        return self


class PeopleSettings(Table):
    """`[people]`. Seconds."""

    idle: float = Field(3600.0, ge=60, le=2_592_000)
    session: float = Field(43_200.0, ge=60, le=2_592_000)
    shortest_password: int = Field(12, ge=8, le=128)
    single_sign_on: SingleSignOnSettings = SingleSignOnSettings()
