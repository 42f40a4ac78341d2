"""What the sub-commands of `solde` have in common."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from ivr.logs import configure
from ivr.settings import Settings, SettingsError, load

_T = TypeVar("_T")


def settings_of(context: click.Context) -> Settings:
    """Read the settings that the command line names, and begin to log as they say."""
    try:
        settings = load(context.obj)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    settings.node.data_dir.mkdir(parents=True, exist_ok=True)
    configure(settings.log.level, settings.log.format)
    return settings


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end; a ledger that cannot be used is told by its setting."""
    from ivr.ledger.database import LedgerUnavailableError  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except LedgerUnavailableError as error:
        raise click.ClickException(f"ledger.url: {error}") from None


async def migrate(settings: Settings) -> None:
    """Make the ledger's tables, or bring them up to date."""
    from ivr.ledger.database import open_database  # noqa: PLC0415
    from ivr.ledger.schema import migrate as bring_up_to_date  # noqa: PLC0415

    database = open_database(settings.ledger_url)
    try:
        await bring_up_to_date(database)
    finally:
        await database.close()
