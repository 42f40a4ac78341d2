"""Make the pictures of the documentation: `python -m tests.monitor.screenshots docs/images`."""

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser

from ivr.ledger.database import Database, open_database
from ivr.ledger.schema import migrate
from ivr.vocabulary import AttemptState, EntryError, EventType, Result, Step
from tests.monitor.browser import chromium
from tests.monitor.clients import serving
from tests.monitor.desk import at_desk
from tests.monitor.people import own
from tests.monitor.screenshots_desk import employ, shoot, take_administration, take_desk
from tests.monitor.story import NOON, Teller, charge, owe, record

PROGRESS = EventType.ENTRY_PROGRESS
CARD = Step.CARD_NUMBER


def call(name: str, minutes: float, number: str) -> Teller:
    teller = Teller(name, NOON - timedelta(minutes=minutes))
    return teller.call_begins(number).begins().enters(Step.REFERENCE)


async def identified(database: Database, teller: Teller, debt: str, amount: int) -> None:
    await owe(database, debt, amount)
    teller.identified(debt, amount).enters(Step.AMOUNT).enters(Step.READY).enters(CARD)
    await record(database, *teller.take())


async def past(database: Database) -> None:
    for number, (amount, charged, result) in enumerate(
        [
            (12_345, AttemptState.SUCCEEDED, Result.SUCCESS),
            (8_990, None, Result.CALLER_HUNG_UP),
            (24_000, AttemptState.SUCCEEDED, Result.SUCCESS),
            (45_050, AttemptState.DECLINED, Result.CARD_DECLINED),
            (6_420, AttemptState.SUCCEEDED, Result.SUCCESS),
        ]
    ):
        teller = call(f"p{number}", 40 - 6 * number, f"+3314000{1207 + 811 * number:04}")
        await identified(database, teller, f"2718{4055 + 97 * number}", amount)
        if number % 2:
            teller.errs(CARD, EntryError.LUHN_FAILED)
        teller.enters(Step.PROCESSING)
        await record(database, *teller.take())
        if charged is not None:
            await charge(database, teller, f"2718{4055 + 97 * number}", amount, charged)
        await record(database, *teller.ends(result, Step.PROCESSING).hangs_up().take())


async def present(database: Database) -> None:
    keying = call("keying", 1.4, "+33140005561")
    await identified(database, keying, "31415926", 18_760)
    keying.errs(CARD, EntryError.LUHN_FAILED).enters(CARD)
    keying.says(PROGRESS, CARD, digits=11, brand="mastercard", attempt=2)
    await record(database, *keying.take())
    coding = call("coding", 2.2, "+33180009914")
    await identified(database, coding, "16180339", 5_200)
    coding.says(EventType.ENTRY_ACCEPTED, CARD, digits=16, brand="visa", luhn=True)
    coding.enters(Step.EXPIRATION_DATE).enters(Step.SECURITY_CODE)
    coding.says(PROGRESS, Step.SECURITY_CODE, digits=2, brand="visa", silence=4.0)
    await record(database, *coding.take())
    starting = call("starting", 0.2, "+33180002277")
    await record(database, *starting.says(PROGRESS, Step.REFERENCE, digits=5).take())


async def take_monitor(database: Database, browser: Browser, base: str, folder: Path) -> None:
    nadia, _ = await employ(database, "nadia", "Nadia Roux", "agent")
    await own(database, "tx-keying", nadia.id)
    _, secret = await employ(database, "sam", "Sam Petit", "supervisor")
    async with at_desk(browser, base, "sam", secret) as seen:
        for name, width in (("desktop", 1280), ("phone", 390)):
            await seen.page.set_viewport_size({"width": width, "height": 900})
            await seen.page.wait_for_function(
                "() => document.querySelectorAll('.row .card:not(:empty)').length === 3"
            )
            await seen.shows("#figure-entry-error .value", "3")
            await shoot(seen, folder, f"monitor-{name}")


async def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        database = open_database(f"sqlite:///{place}/ledger.db")
        await migrate(database)
        await past(database)
        await present(database)
        async with chromium() as browser, serving(database) as (base, _):
            await take_monitor(database, browser, base, folder)
            await take_desk(database, browser, base, folder)
            await take_administration(database, browser, base, folder)
        await database.close()


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
