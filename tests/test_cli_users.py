"""`solde users …`: what it does to the ledger, and how it refuses."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivr.cli import cli

Solde = Callable[..., Result]
PASSWORD = "correct horse battery"
TYPED = f"{PASSWORD}\n{PASSWORD}\n"


@pytest.fixture
def solde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Solde]:
    monkeypatch.setenv("SOLDE_NODE__DATA_DIR", str(tmp_path))

    with ThreadPoolExecutor(1) as thread:  # the tests' own loop runs in this one

        def run(*words: str, typed: str = "") -> Result:
            return thread.submit(CliRunner().invoke, cli, [*words], input=typed).result()

        assert run("migrate").exit_code == 0
        yield lambda *words, **typed: run("users", *words, **typed)


def test_a_user_is_added_changed_and_disabled(solde: Solde) -> None:
    added = solde("add", "Anna", "--name", "Anna A.", "--phone", "101", typed=TYPED)
    assert added.exit_code == 0, added.output
    assert PASSWORD not in added.output
    assert solde("list").output == "anna\tagent\tenabled\tno codes\tAnna A.\t101\n"
    assert "supervisor" in solde("role", "anna", "supervisor").output
    assert "enrols again" in solde("totp-reset", "anna").output
    assert solde("password", "anna", typed=TYPED).exit_code == 0
    assert solde("disable", "anna").exit_code == 0
    assert solde("list").output.startswith("anna\tsupervisor\tdisabled")
    assert solde("disable", "anna", "--enable").exit_code == 0
    assert solde("list").output.startswith("anna\tsupervisor\tenabled")


@pytest.mark.parametrize(
    ("words", "typed", "why"),
    [
        (("add", "anna"), "short\nshort\n", "people.shortest_password: at least 12"),
        (("add", "an na"), TYPED, "login is small letters"),
        (("add", "anna", "--role", "king"), TYPED, "king"),
        (("role", "nobody", "agent"), "", "there is no user nobody"),
        (("token", "add", "c r m", "--scope", "transactions:read"), "", "NAME is small"),
        (("token", "add", "crm", "--scope", "everything"), "", "everything"),
        (("token", "add", "crm", "--scope", "users:write", "--user", "eve"), "", "no user eve"),
        (("token", "revoke", "none"), "", "no live token"),
    ],
)
def test_what_cannot_be_done_is_refused(
    solde: Solde, words: tuple[str, ...], typed: str, why: str
) -> None:
    refused = solde(*words, typed=typed)
    assert refused.exit_code != 0
    assert why in refused.output
    assert "Traceback" not in refused.output


def test_nobody_is_added_twice(solde: Solde) -> None:
    assert solde("add", "anna", "--no-password").exit_code == 0
    again = solde("add", "anna", "--no-password")
    assert again.exit_code == 1
    assert "there is a user anna already" in again.output


def test_a_token_is_shown_once_and_revoked(solde: Solde) -> None:
    made = solde("token", "add", "crm", "--scope", "transactions:read", "--days", "30")
    assert made.exit_code == 0, made.output
    assert made.output.startswith("solde_")
    listed = solde("token", "list").output
    assert made.output.strip() not in listed
    token_id, name, state, used, scopes = listed.strip().split("\t")
    assert (name, state, used, scopes) == ("crm", "live", "never used", "transactions:read")
    assert solde("token", "revoke", token_id).exit_code == 0
    assert "\trevoked\t" in solde("token", "list").output
