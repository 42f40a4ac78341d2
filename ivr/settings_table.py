"""What all tables of the settings have in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the configuration file: known names only, and no value in any error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
