"""`solde users …`: who may sign in, and which programs have tokens."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from ivr.cli_common import run, settings_of
from ivr.ledger.api_tokens import NAME, add_token, list_tokens, revoke_token
from ivr.ledger.database import Database, open_database
from ivr.ledger.people import (
    NO_SECOND_FACTOR,
    LoginTakenError,
    NewUser,
    add_user,
    change_user,
    find_user,
    list_users,
)
from ivr.ledger.schema import check_schema
from ivr.monitor.credentials import hash_password
from ivr.monitor.principal import Role, Scope
from ivr.settings import Settings

_T = TypeVar("_T")

_ACTOR = "command-line"
_ROLE = click.Choice([role.value for role in Role])


@dataclass(frozen=True, slots=True)
class Desk:
    """The ledger, for one piece of work at a time."""

    settings: Settings

    def run(self, work: Callable[[Database], Coroutine[Any, Any, _T]]) -> _T:
        """Open the ledger, do the work with it, and close it."""

        async def opened() -> _T:
            database = open_database(self.settings.ledger_url)
            try:
                await check_schema(database)
                return await work(database)
            finally:
                await database.close()

        return run(opened())


def _now() -> datetime:
    return datetime.now(UTC)


@click.group()
@click.pass_context
def users(context: click.Context) -> None:
    """People who sign in, and tokens of programs."""
    context.obj = Desk(settings_of(context))


@users.command("add")
@click.argument("login")
@click.option("--name", help="As it is shown [default: the login].")
@click.option("--role", type=_ROLE, default=Role.AGENT.value, show_default=True)
@click.option("--language", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.option("--phone", default="", help="Where calls ring: a SIP URI or a registered user.")
@click.option("--no-password", is_flag=True, help="Who signs in elsewhere only.")
@click.pass_obj
def add(
    desk: Desk,
    login: str,
    name: str | None,
    role: str,
    language: str,
    phone: str,
    no_password: bool,
) -> None:
    """Add a user; the password is asked for."""
    try:
        new = NewUser(
            login=login.lower(),
            name=name or login,
            role=role,
            language=language,
            phone=phone,
            password_hash=None if no_password else _asked_password(desk),
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    try:
        desk.run(lambda database: add_user(database, _now, _ACTOR, new))
    except LoginTakenError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{new.login} added as {role}")
    if role != Role.AGENT:
        click.echo("The first sign-in shows how to enrol an authenticator.")


@users.command("list")
@click.pass_obj
def list_(desk: Desk) -> None:
    """List users by login."""
    for user in desk.run(list_users):
        state = "disabled" if user.disabled_at else "enabled"
        code = "codes" if user.totp_used is not None else "no codes"
        click.echo(f"{user.login}\t{user.role}\t{state}\t{code}\t{user.name}\t{user.phone}")


@users.command("role")
@click.argument("login")
@click.argument("role", type=_ROLE)
@click.pass_obj
def role_(desk: Desk, login: str, role: str) -> None:
    """Give a user another role; their sessions end."""
    _change(desk, login, {"role": role}, f"is {role} now")


@users.command("password")
@click.argument("login")
@click.pass_obj
def password(desk: Desk, login: str) -> None:
    """Give a user another password; their sessions end."""
    _change(desk, login, {"password_hash": _asked_password(desk)}, "has another password")


@users.command("disable")
@click.argument("login")
@click.option("--enable", is_flag=True, help="Let them in again.")
@click.pass_obj
def disable(desk: Desk, login: str, enable: bool) -> None:
    """Let a user in no more; their sessions, tokens and streams end."""
    at = None if enable else _now()
    _change(desk, login, {"disabled_at": at}, "is enabled" if enable else "is disabled")


@users.command("totp-reset")
@click.argument("login")
@click.pass_obj
def totp_reset(desk: Desk, login: str) -> None:
    """Forget a user's authenticator; the next sign-in enrols another."""
    _change(desk, login, dict(NO_SECOND_FACTOR), "enrols again at the next sign-in")


@users.group("token")
def token() -> None:
    """Tokens of programs."""


@token.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="May be given several times.",
)
@click.option("--user", "login", help="Whose it is, and whose rights it has at most.")
@click.option("--days", type=click.IntRange(1), help="It ends then [default: never].")
@click.pass_obj
def token_add(
    desk: Desk, name: str, scopes: tuple[str, ...], login: str | None, days: int | None
) -> None:
    """Make a token for the program NAME; it is shown this once."""
    if not NAME.fullmatch(name):
        raise click.ClickException("NAME is small letters, digits and . _ -, at most 30")

    async def make(database: Database) -> str:
        _, secret = await add_token(
            database,
            _now,
            _ACTOR,
            name=name,
            scopes=scopes,
            user_id=None if login is None else await _id_of(database, login),
            expires_at=None if days is None else _now() + timedelta(days=days),
        )
        return secret

    click.echo(desk.run(make))


@token.command("list")
@click.pass_obj
def token_list(desk: Desk) -> None:
    """List tokens, newest first, with the id that revokes them."""
    for one in desk.run(list_tokens):
        state = "revoked" if one.revoked_at else "live"
        used = one.used_at.isoformat(timespec="minutes") if one.used_at else "never used"
        click.echo("\t".join((one.id, one.name, state, used, " ".join(one.scopes))))


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@click.pass_obj
def token_revoke(desk: Desk, token_id: str) -> None:
    """End a token at once."""
    if not desk.run(lambda database: revoke_token(database, _now, _ACTOR, token_id)):
        raise click.ClickException("there is no live token with this id")
    click.echo("revoked")


def _change(desk: Desk, login: str, changes: dict[str, Any], said: str) -> None:
    async def change(database: Database) -> None:
        user_id = await _id_of(database, login)
        await change_user(database, _now, _ACTOR, user_id, changes)

    desk.run(change)
    click.echo(f"{login} {said}")


async def _id_of(database: Database, login: str) -> str:
    user = await find_user(database, login=login.lower())
    if user is None:
        raise click.ClickException(f"there is no user {login}")
    return user.id


def _asked_password(desk: Desk) -> str:
    given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    shortest = desk.settings.people.shortest_password
    if len(given) < shortest:
        raise click.ClickException(f"people.shortest_password: at least {shortest} characters")
    return hash_password(given)
