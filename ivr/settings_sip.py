"""`[sip]`: where telephones, PBXs and carriers reach us, and what they may do."""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from ivr.settings_table import Table

Network = IPv4Network | IPv6Network

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_DIGITS = 12
"""One less than the shortest card number: a trunk's name stands in events."""


class SipUser(Table):
    """One of `[[sip.users]]`."""

    name: str = Field(min_length=1)
    password: SecretStr


class SipListener(Table):
    """One of `[[sip.listeners]]`: a port beside the UDP port of `[sip]`."""

    transport: Literal["udp", "tcp", "tls"]
    host: str = "0.0.0.0"
    port: int = Field(ge=0, le=65535)
    public_host: str = ""
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    require_client: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.transport == "tls":
            if self.certificate is None or self.key is None:
                raise ValueError("a TLS port needs certificate and key")
            if self.require_client and self.client_ca is None:
                raise ValueError("require_client needs client_ca")
        elif self.certificate or self.key or self.client_ca or self.require_client:
            raise ValueError("certificates are for TLS")
        if self.transport == "udp" and (self.allow or self.deny):
            raise ValueError("for UDP say it in [sip.protection]: known, denied")
        return self


class SipTrunk(Table):
    """One of `[[sip.trunks]]`."""

    name: str = Field(min_length=1)
    domain: str = Field(min_length=1)
    transport: Literal["udp", "tcp", "tls"] | None = None
    user: str = ""
    password: SecretStr = SecretStr("")
    realm: str = ""
    register_: bool = Field(False, alias="register")
    register_expires: int = Field(600, ge=1)
    outbound_proxy: str = ""
    caller: str = ""
    caller_name: str = ""
    asserted_identity: str = ""
    allowed_sources: tuple[Network, ...] = ()
    allowed_domains: tuple[str, ...] = ()
    srtp: Literal["off", "offered", "required"] | None = None
    max_calls: int | None = Field(None, ge=0)
    ping_interval: float = Field(60.0, ge=0)
    follow_redirects: bool = False
    failover_after: float = Field(8.0, gt=0)
    answer_within: float = Field(180.0, gt=0)
    take_back: Literal["refer", "bridge"] | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.register_ and not self.user:
            raise ValueError("registering needs a user")
        return self

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if _NAME.fullmatch(name) is None or sum(map(str.isdigit, name)) > _DIGITS:
            raise ValueError(
                f"40 letters, digits, dots, hyphens and underscores; at most {_DIGITS} digits"
            )
        return name


class SipConnections(Table):
    """`[sip.connections]`."""

    per_source: int = Field(100, ge=1)
    total: int = Field(10_000, ge=1)
    idle: float = Field(1800.0, gt=0)
    finish: float = Field(10.0, gt=0)
    connect: float = Field(5.0, gt=0)
    ping: float = Field(100.0, gt=0)


class SipSessionTimer(Table):
    """`[sip.session_timer]`."""

    session_expires: int = Field(1800, ge=0)
    min_se: int = Field(90, ge=90)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if 0 < self.session_expires < self.min_se:
            raise ValueError("session_expires is below min_se")
        return self


class SipProtection(Table):
    """`[sip.protection]`."""

    known: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()
    unknown: Literal["accept", "refuse", "drop"] = "accept"
    scanners: Literal["accept", "refuse", "drop"] = "drop"
    calls_per_second: float = Field(0.0, ge=0)
    calls_at_once: int = Field(0, ge=0)
    registrations_per_second: float = Field(0.0, ge=0)
    requests_per_second: float = Field(50.0, ge=0)
    malformed_per_second: float = Field(10.0, ge=0)
    max_message: int = Field(65535, ge=1500, le=65535)
    follow_maddr: bool = False


class SipSettings(Table):
    """`[sip]`."""

    host: str = "0.0.0.0"
    port: int = Field(5060, ge=0, le=65535)
    public_host: str = ""
    max_calls: int = Field(1000, ge=1)
    realm: str = "solde"
    users: tuple[SipUser, ...] = ()
    listeners: tuple[SipListener, ...] = ()
    trunks: tuple[SipTrunk, ...] = ()
    session_timer: SipSessionTimer = SipSessionTimer()
    connections: SipConnections = SipConnections()
    protection: SipProtection = SipProtection()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        known = any(one.allowed_sources or one.allowed_domains for one in self.trunks)
        if self.protection.unknown != "accept" and not (self.protection.known or known):
            raise ValueError("protection.unknown shuts everybody out: nobody is known")
        names = [trunk.name for trunk in self.trunks]
        if len(set(names)) < len(names):
            raise ValueError("two trunks of one name")
        asks = any(one.client_ca is not None for one in self.listeners)
        for trunk in self.trunks:
            if trunk.allowed_domains and trunk.transport != "tls" and not asks:
                raise ValueError(
                    f"trunks, {trunk.name}: allowed_domains needs a listener with client_ca"
                )
        return self
