"""The web side as a process."""

from collections.abc import Sequence

from ivr.ledger.database import open_database
from ivr.ledger.schema import check_schema
from ivr.monitor.app import create_app
from ivr.monitor.server import listen, serve
from ivr.monitor.transactions_api import Transfers
from ivr.settings import Settings


async def run(settings: Settings, tokens: Sequence[str]) -> None:
    """Serve the monitor until SIGTERM or SIGINT.

    Raise `ListenError` when the port is taken, `LedgerUnavailableError` when the ledger
    cannot be read or has not been migrated.
    """
    database = open_database(settings.ledger_url)
    try:
        await check_schema(database)
        app = create_app(
            database,
            tokens=tokens,
            timezone=settings.node.timezone,
            people=settings.people,
            transfers=Transfers.of(settings),
            private_addresses=settings.callbacks.private_addresses,
            streams_per_person=settings.monitor.streams_per_person,
        )
        sock = listen(settings.monitor.host, settings.monitor.port)
        await serve(app, sock, proxies=settings.monitor.proxies)
    finally:
        await database.close()
