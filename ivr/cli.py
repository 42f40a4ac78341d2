"""The `solde` command. Each sub-command imports only what it needs."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from ivr.cli_common import migrate as bring_up_to_date
from ivr.cli_common import run as run_
from ivr.cli_common import settings_of
from ivr.settings import Settings

_DATE = click.DateTime(formats=["%Y-%m-%d"])


class _Commands(click.Group):
    """Imports the web side for `solde users` only."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), "users"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "users":
            from ivr.cli_users import users  # noqa: PLC0415

            return users
        return super().get_command(context, name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="solde")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file [default: $SOLDE_CONFIG, then ./solde.toml].",
)
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Take card payments by telephone keypad."""
    context.obj = config


@cli.command()
@click.pass_context
def ivr(context: click.Context) -> None:
    """Run the telephone side: SIP, RTP, keypad, gateway."""
    from ivr.calls.process import run  # noqa: PLC0415

    sys.exit(run(settings_of(context)))


@cli.command()
@click.pass_context
def monitor(context: click.Context) -> None:
    """Run the web side: live page, HTTP API, event stream, indicators."""
    from ivr.monitor.process import run  # noqa: PLC0415
    from ivr.monitor.server import ListenError  # noqa: PLC0415

    settings = settings_of(context)
    tokens = [token.get_secret_value() for token in settings.monitor.tokens]
    if not tokens:
        tokens = [secrets.token_urlsafe(24)]
        _show_page(settings, tokens[0])
    try:
        run_(run(settings, tokens))
    except ListenError as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.pass_context
def serve(context: click.Context) -> None:
    """Run both sides on this machine; the database is made when it is not there."""
    from ivr.supervisor import supervise  # noqa: PLC0415

    settings = settings_of(context)
    run_(bring_up_to_date(settings))
    environment = dict(os.environ)
    if not settings.monitor.tokens:
        token = secrets.token_urlsafe(24)
        environment["SOLDE_MONITOR__TOKENS"] = json.dumps([token])
        _show_page(settings, token)
    options = ["--config", str(context.obj)] if context.obj else []
    commands = {"ivr": [*options, "ivr"], "monitor": [*options, "monitor"]}
    sys.exit(run_(supervise(commands, environment)))


@cli.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Make the ledger's tables, or bring them up to date."""
    run_(bring_up_to_date(settings_of(context)))


@cli.group()
def debts() -> None:
    """Debts that may be paid by telephone."""


@debts.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def load_debts(context: click.Context, file: Path) -> None:
    """Load debts from a CSV FILE; a file with any error loads nothing."""
    from ivr.ledger.debts_csv import DebtsFileError, read_debts  # noqa: PLC0415

    settings = settings_of(context)
    try:
        found = read_debts(file)
    except DebtsFileError as error:
        raise click.ClickException(str(error)) from None

    async def store() -> None:
        from ivr.ledger.database import open_database  # noqa: PLC0415
        from ivr.ledger.debts import DebtsRefusedError, add_debts  # noqa: PLC0415

        database = open_database(settings.ledger_url)
        try:
            await add_debts(database, found)
        except DebtsRefusedError as error:
            raise click.ClickException(str(error)) from None
        finally:
            await database.close()

    run_(bring_up_to_date(settings))
    run_(store())
    click.echo(f"{len(found)} debts loaded")


@cli.command()
@click.option("--from", "start", type=_DATE, help="First day [default: today].")
@click.option("--to", "end", type=_DATE, help="Last day, included [default: today].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def kpi(
    context: click.Context, start: datetime | None, end: datetime | None, as_json: bool
) -> None:
    """Show the three indicators over a period of whole days."""
    from ivr.kpi_report import as_json as to_json  # noqa: PLC0415
    from ivr.kpi_report import as_text  # noqa: PLC0415
    from ivr.ledger.database import open_database  # noqa: PLC0415
    from ivr.ledger.kpi import indicators  # noqa: PLC0415

    settings = settings_of(context)
    zone = ZoneInfo(settings.node.timezone)
    today = datetime.now(zone).date()
    first = datetime.combine(start.date() if start else today, time(), zone)
    last = datetime.combine(end.date() if end else today, time(), zone) + timedelta(days=1)

    async def count() -> Any:
        database = open_database(settings.ledger_url)
        try:
            return await indicators(database, first.astimezone(UTC), last.astimezone(UTC))
        finally:
            await database.close()

    found = run_(count())
    click.echo(to_json(found) if as_json else as_text(found, zone))


@cli.command()
@click.option(
    "--act",
    type=click.Choice(["debtor", "agent"]),
    default="debtor",
    show_default=True,
    help="A debtor calls; or an agent transfers, takes back and hands over.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--mistakes", is_flag=True, help="Let the debtor mistype on the way.")
@click.option("--card", default="4242424242424242", show_default=True, help="Card to key.")
@click.option("--language", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
def demo(act: str, as_json: bool, mistakes: bool, card: str, language: str) -> None:
    """Let independent softphones call, key a card and pay, on this machine alone."""
    from ivr.demo.show import show  # noqa: PLC0415

    acting = show(act=act, as_json=as_json, mistakes=mistakes, card=card, language=language)
    sys.exit(asyncio.run(acting))


def _show_page(settings: Settings, token: str) -> None:
    host = settings.monitor.host
    click.echo(f"live page: http://{host}:{settings.monitor.port}/?token={token}")


main: Callable[[], None] = cli

if __name__ == "__main__":
    main()
