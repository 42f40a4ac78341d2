"""The settings: `config/solde.toml` has each one with its default and a comment.

Later sources win: defaults, the configuration file, `SOLDE_…` variables, and
`SOLDE_…_FILE` variables, which name a file that holds the value (for secrets).
"""

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ivr.settings_agents import AgentSettings, TransferSettings
from ivr.settings_people import PeopleSettings
from ivr.settings_sip import SipSettings
from ivr.settings_table import Table

_PREFIX = "SOLDE_"
_FILE = "_FILE"
_SHORTEST_TOKEN = 16
_NOT_SETTINGS = frozenset({"SOLDE_CONFIG"})


class SettingsError(Exception):
    """The configuration cannot be used; the message names the setting, never a secret."""


class NodeSettings(Table):
    """`[node]`."""

    name: str = Field(default_factory=socket.gethostname)
    timezone: str = "Europe/Paris"
    data_dir: Path = Path("var")
    retry_after: int = Field(30, ge=1)

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no such time zone: {zone}") from None
        return zone


class LedgerSettings(Table):
    """`[ledger]`."""

    url: SecretStr = SecretStr("")


class MediaSettings(Table):
    """`[media]`."""

    first_port: int = Field(20000, ge=1024, le=65534)
    last_port: int = Field(29998, ge=1024, le=65534)
    in_band: Literal["fallback", "auto", "on", "off"] = "fallback"
    srtp: Literal["off", "offered", "required"] = "off"
    silence_after: float = Field(60.0, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_port < self.first_port:
            raise ValueError("last_port is below first_port")
        return self


class Number(Table):
    """One of `[[numbers]]`: a dedicated payment number, its language, who talks first."""

    number: str = Field(min_length=1)
    language: Literal["fr", "en"]
    route: Literal["journey", "agent"] = "journey"


class PromptSettings(Table):
    """`[prompts]`."""

    folder: str = ""


class ReferenceSettings(Table):
    """`[reference]`."""

    shortest: int = Field(8, ge=4, le=12)
    longest: int = Field(8, ge=4, le=12)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.longest < self.shortest:
            raise ValueError("longest is below shortest")
        return self


class SilenceSettings(Table):
    """Seconds before the first key, and between two keys."""

    first: float = Field(gt=0)
    between: float = Field(gt=0)


def _silence(first: float, between: float) -> SilenceSettings:
    return SilenceSettings(first=first, between=between)


class TimeoutSettings(Table):
    """`[keypad.timeouts]`."""

    reference: SilenceSettings = _silence(10, 4)
    menu: SilenceSettings = _silence(8, 8)
    ready: SilenceSettings = _silence(45, 45)
    card_number: SilenceSettings = _silence(15, 5)
    expiration_date: SilenceSettings = _silence(10, 4)
    security_code: SilenceSettings = _silence(10, 4)


class KeypadSettings(Table):
    """`[keypad]`."""

    attempts: int = Field(3, ge=1, le=10)
    timeouts: TimeoutSettings = TimeoutSettings()


class SandboxSettings(Table):
    """`[gateway.sandbox]`."""

    book: str = ""
    slow: float = Field(6.0, ge=0)


class StripeSettings(Table):
    """`[gateway.stripe]`."""

    api_key: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    api_base: str = ""


class GatewaySettings(Table):
    """`[gateway]`."""

    name: str = "sandbox"
    deadline: float = Field(45.0, gt=0)
    inquiry_interval: float = Field(30.0, gt=0)
    statement_suffix: str = Field("", max_length=22)
    sandbox: SandboxSettings = SandboxSettings()
    stripe: StripeSettings = StripeSettings()


class MonitorSettings(Table):
    """`[monitor]`."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    tokens: tuple[SecretStr, ...] = ()
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    streams_per_person: int = Field(20, ge=1)

    @field_validator("tokens")
    @classmethod
    def _long(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(one.get_secret_value().strip()) < _SHORTEST_TOKEN for one in tokens):
            raise ValueError(f"a token has {_SHORTEST_TOKEN} characters at least")
        return tokens


class CallbackSettings(Table):
    """`[callbacks]`."""

    private_addresses: Literal["allow", "refuse"] = "allow"


class LogSettings(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class _Environment(EnvSettingsSource):
    """`SOLDE_…`, and `SOLDE_…_FILE` naming a file that holds the value."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        for name, value in os.environ.items():
            if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
                continue
            if name.endswith(_FILE):
                name, value = name.removesuffix(_FILE), _secret(name, value)  # noqa: PLW2901
            if name.removeprefix(_PREFIX).split("__")[0].lower() not in Settings.model_fields:
                raise SettingsError(f"{name}: no such setting")
            found[name.lower()] = value
        return found


class Settings(BaseSettings):
    """All settings, checked. `load` reads them."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    node: NodeSettings = NodeSettings()
    ledger: LedgerSettings = LedgerSettings()
    sip: SipSettings = SipSettings()
    media: MediaSettings = MediaSettings()
    numbers: tuple[Number, ...] = (
        Number(number="3000", language="fr"),
        Number(number="3001", language="en"),
    )
    agents: AgentSettings = AgentSettings()
    transfer: TransferSettings = TransferSettings()
    prompts: PromptSettings = PromptSettings()
    reference: ReferenceSettings = ReferenceSettings()
    keypad: KeypadSettings = KeypadSettings()
    gateway: GatewaySettings = GatewaySettings()
    monitor: MonitorSettings = MonitorSettings()
    callbacks: CallbackSettings = CallbackSettings()
    people: PeopleSettings = PeopleSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _known_trunk(self) -> Self:
        wanted = self.agents.trunk
        if wanted and wanted not in {one.name for one in self.sip.trunks}:
            raise ValueError(f"agents.trunk: no such trunk: {wanted}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by ours
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no hidden files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - *_FILE instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file (which comes as init arguments)."""
        return (_Environment(settings_cls), init_settings)

    @property
    def ledger_url(self) -> str:
        """The ledger's URL, which may hold a password."""
        return self.ledger.url.get_secret_value() or f"sqlite:///{self.in_data_dir('solde.db')}"

    @property
    def sandbox_book(self) -> Path:
        """The sandbox gateway's file."""
        return Path(self.gateway.sandbox.book or self.in_data_dir("sandbox.db"))

    def in_data_dir(self, name: str) -> Path:
        """Return the absolute path of a file in the data folder."""
        return self.node.data_dir.absolute() / name


def load(path: Path | None = None) -> Settings:
    """Read the settings from `path`, else `$SOLDE_CONFIG`, else `./solde.toml`, else defaults.

    Raise `SettingsError` with each wrong setting's name and what is wrong with it.
    """
    file = _configuration_file(path)
    try:
        return Settings(**(_read(file) if file else {}))
    except ValidationError as error:
        lines = [f"{_name(e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)]
        raise SettingsError(f"{file or 'settings'}: " + "; ".join(lines)) from None


def _configuration_file(path: Path | None) -> Path | None:
    if path is not None:
        return path
    named = os.environ.get("SOLDE_CONFIG")
    if named:
        return Path(named)
    here = Path("solde.toml")
    return here if here.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    if values.get("node", {}).get("name") == "":
        del values["node"]["name"]
    return values


def _secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: cannot read {path}: {error}") from None


def _name(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
