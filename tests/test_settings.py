"""The configuration file, the environment and secrets in files."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from ivr.resources import shipped
from ivr.settings import Settings, SettingsError, load

SHIPPED = shipped("config") / "solde.toml"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def _leaves(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in model:
        if isinstance(value, BaseModel):
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _documented(table: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in table.items():
        if isinstance(value, dict):
            found |= _documented(value, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_each_setting_stands_in_the_shipped_file_with_its_default() -> None:
    documented = _documented(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    # These are shown as comments: none is the default.
    lists = {"sip.users", "sip.listeners", "sip.trunks"}
    assert documented | lists == set(_leaves(Settings()))
    assert load(SHIPPED) == Settings()


def test_each_line_of_the_shipped_file_that_sets_has_words_above_its_block() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    blocks = "\n".join(lines).split("\n\n")
    for block in blocks:
        assert block.lstrip().startswith(("#", "[")), block


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[sip]\nport = 5070\nrealm = "mine"\n')
    monkeypatch.setenv("SOLDE_SIP__PORT", "5080")
    settings = load(file)
    assert (settings.sip.port, settings.sip.realm) == (5080, "mine")


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("rk_test_secret\n")
    monkeypatch.setenv("SOLDE_GATEWAY__STRIPE__API_KEY_FILE", str(secret))
    assert load().gateway.stripe.api_key == SecretStr("rk_test_secret")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[sip]\nport = 99999\n", "sip.port"),
        ("[sip]\nprot = 1\n", "sip.prot"),
        ("[media]\nfirst_port = 3000\nlast_port = 2000\n", "last_port is below first_port"),
        ('[node]\ntimezone = "Mars/Base"\n', "no such time zone"),
        ('[transfer]\nprefix = "12345"\ncode_digits = 8\n', "as long as a card number"),
        ('[[numbers]]\nnumber = "1"\nlanguage = "de"\n', "numbers.0.language"),
        ("[sip\n", "not TOML"),
        (
            '[[sip.listeners]]\ntransport = "tls"\nport = 5061\n',
            "sip.listeners.0: .*certificate and key",
        ),
        (
            '[[sip.listeners]]\ntransport = "tcp"\nport = 5060\nkey = "a"\n',
            "certificates are for TLS",
        ),
        (
            (
                '[[sip.listeners]]\ntransport = "tls"\nport = 5061\ncertificate = "a"\n'
                'key = "b"\nrequire_client = true\n'
            ),
            "require_client needs client_ca",
        ),
        (
            '[[sip.listeners]]\ntransport = "udp"\nport = 5060\nallow = ["192.0.2.0/24"]\n',
            "for UDP say it in",
        ),
        (
            '[[sip.trunks]]\nname = "a"\ndomain = "b"\nallowed_sources = ["192.0.2.1/24"]\n',
            "sip.trunks.0.allowed_sources.0",
        ),
        ('[[sip.trunks]]\nname = "a"\ndomain = "b"\nregister = true\n', "needs a user"),
        ('[[sip.trunks]]\nname = "a"\ndomain = "b"\nkey = "c"\n', "go together"),
        (
            (
                '[[sip.trunks]]\nname = "a"\ndomain = "b"\n[[sip.trunks]]\nname = "a"\n'
                'domain = "c"\n'
            ),
            "two trunks of one name",
        ),
        ('[sip.protection]\nunknown = "drop"\n', "nobody is known"),
        ('[monitor]\ntokens = ["a-short-token"]\n', "monitor.tokens: .*16 characters"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "solde.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=named.replace("[", r"\[")):
        load()


def test_a_refusal_never_shows_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "solde.toml"
    file.write_text('[gateway.stripe]\napi_key = ["rk_live_secret"]\n')
    with pytest.raises(SettingsError) as refused:
        load()
    assert "gateway.stripe.api_key" in str(refused.value)
    assert "rk_live_secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_variable_of_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLDE_SPI__PORT", "5060")
    with pytest.raises(SettingsError, match="SOLDE_SPI__PORT: no such setting"):
        load()


def test_a_missing_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.toml")
    monkeypatch.setenv("SOLDE_SIP__REALM_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="SOLDE_SIP__REALM_FILE"):
        load()
