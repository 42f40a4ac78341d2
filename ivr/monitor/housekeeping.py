"""What the monitor does by itself: ending what was prepared or asked, and nobody came for."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from ivr.ledger.commands import expire_commands
from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.preparations import expire

EVERY = 5.0
"""Seconds between two looks; nothing is claimed late, whatever they are."""

log = structlog.get_logger(__name__)


async def keep_house(
    database: Database, now: Callable[[], datetime], stopped: asyncio.Event
) -> None:
    """Look again and again until stopped. Any number of monitors may."""
    while not stopped.is_set():
        try:
            ended = await expire(database, now)
            await expire_commands(database, now)
        except LedgerUnavailableError as error:
            log.warning("house-not-kept", why=str(error))
        else:
            if ended:
                log.info("preparations-expired", transactions=ended)
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY):
                await stopped.wait()
