"""`[agents]` and `[transfer]`: how calls go to people, and come back."""

from typing import Literal

from pydantic import Field

from ivr.settings_table import Table


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
