"""`[agents]` and `[transfer]`: how calls go to people, and come back."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from ivr.settings_table import Table

_LONGEST_NUMBER: Final = 12


class AgentSettings(Table):
    """`[agents]`."""

    phones: tuple[str, ...] = ()
    take_back: Literal["refer", "bridge"] = "bridge"
    trunk: str = ""
    ring_for: float = Field(25.0, gt=0)
    retry_after: float = Field(5.0, ge=0)


class TransferSettings(Table):
    """`[transfer]`."""

    host: str = ""
    prefix: str = Field("88", pattern=r"^[0-9]{1,8}$")
    code_digits: int = Field(8, ge=6, le=12)
    valid_for: float = Field(900.0, gt=0)
    sealed_for: float = Field(120.0, ge=0)
    language: Literal["fr", "en"] = "fr"

    @model_validator(mode="after")
    def _no_card(self) -> Self:
        if len(self.prefix) + self.code_digits > _LONGEST_NUMBER:
            raise ValueError(
                f"prefix and code_digits are more than {_LONGEST_NUMBER} digits together, "
                "as long as a card number"
            )
        return self
