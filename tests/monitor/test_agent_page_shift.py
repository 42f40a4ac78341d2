"""The agent's page as long as a shift: whose calls, sessions, restarts, looks."""

import asyncio
from datetime import timedelta

import pytest
from playwright.async_api import Browser

from ivr.ledger.database import Database
from ivr.ledger.people import change_user
from ivr.monitor.server import listen, serve
from ivr.vocabulary import EntryError, EventType, Step
from tests.monitor.browser import browser
from tests.monitor.clients import make_app, serving
from tests.monitor.desk import (
    SERVED_AT,
    at_desk,
    comes_and_keys,
    keys,
    number_of,
    obeying,
    obeys,
    prepares,
    transfer,
)
from tests.monitor.looks import can_be_read, fits, is_accessible
from tests.monitor.people import enrol, hire, own, quick_hashes
from tests.monitor.story import NOON, Teller, record

__all__ = ["browser", "quick_hashes"]

CARD = Step.CARD_NUMBER
PHONE = "sip:anna@pbx.example"
TAKE_BACK, HAND_OVER = "[data-action=take-back]", "[data-action=hand-over]"


async def test_after_a_transfer_to_the_agent_the_number_is_there_again(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        number = await prepares(seen)
        call = await transfer(database, number)
        await keys(database, call, 3)
        await seen.page.wait_for_selector(".prepared", state="hidden")
        await record(database, *call.hangs_up().take())
        await seen.shows(".row .result", "Sans résultat")
        await seen.page.wait_for_selector(".prepared", state="visible")
        assert await number_of(seen) == number
        # A page that is loaded anew knows it still; another tab does not.
        await seen.page.reload()
        await seen.page.wait_for_selector(".prepared .number span")
        assert await number_of(seen) == number
        other = await seen.page.context.new_page()
        await other.goto(base)
        await other.wait_for_selector(".prepared .unknown", state="visible")
        assert await other.is_hidden(".prepared .known")


async def test_an_agent_sees_own_calls_and_a_supervisor_all_with_their_agents(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    secret = await enrol(database, await hire(database, "sam", "supervisor"))
    for name in ("hers", "nobodys"):
        began = Teller(name, NOON - timedelta(seconds=30)).call_begins(
            f"+3314000{len(name):04}"
        )
        await record(database, *began.begins().enters(CARD).take())
    await own(database, "tx-hers", anna.id)
    async with serving(database) as (base, _):
        async with at_desk(browser, base, "anna") as seen:
            await seen.shows("#live-count", "1")
            assert await seen.texts(".strip .caller") == ["+33140000004"]
            assert await seen.texts(".strip .owner") == [""]
        async with at_desk(browser, base, "sam", secret) as seen:
            await seen.shows("#live-count", "2")
            assert sorted(await seen.texts(".strip .owner")) == ["", "agent : Anna"]
            assert await seen.page.is_visible("#today")
            assert await seen.page.is_hidden("#administration")


async def test_a_session_that_ends_leads_to_the_door_with_a_word(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await prepares(seen)
        await change_user(
            database, lambda: SERVED_AT, "test", anna.id, {"disabled_at": SERVED_AT}
        )
        await seen.page.wait_for_selector("#refused:not(:empty)")
        assert await seen.texts("#refused") == [
            "Votre session est terminée : identifiez-vous à nouveau."
        ]


async def test_signing_out_leaves_nothing_behind(database: Database, browser: Browser) -> None:
    await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await prepares(seen)
        await seen.page.click("#sign-out")
        await seen.page.wait_for_selector("#login")
        assert await seen.texts("#refused") == [""]
        assert await seen.page.evaluate("sessionStorage.length") == 0
        assert await seen.page.context.cookies() == []


async def test_a_monitor_that_was_away_loses_and_doubles_nothing(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]

    async def run_until(stop: asyncio.Event) -> None:
        own_sock = sock if sock.fileno() != -1 else listen("127.0.0.1", port)
        await serve(make_app(database, now=SERVED_AT), own_sock, stop=stop, signals=False)

    stop = asyncio.Event()
    first = asyncio.create_task(run_until(stop))
    async with at_desk(browser, f"http://127.0.0.1:{port}", "anna") as seen:
        call = await comes_and_keys(database, seen)
        stop.set()
        await first
        await seen.page.wait_for_selector("#connection:not([data-state=live])")
        call.enters(Step.AGENT)
        call.says(EventType.AGENT_RINGING, Step.AGENT, agent=anna.id)
        await record(database, *call.take())
        # Without a monitor a command is not sent, and says so.
        await seen.page.click(TAKE_BACK)
        await seen.shows(".told", "Reprendre l’appel : non envoyé, réessayez")
        stop = asyncio.Event()
        second = asyncio.create_task(run_until(stop))
        await seen.shows(".desk", "Votre téléphone sonne : décrochez")
        await seen.page.wait_for_selector("#connection[data-state=live]")
        assert await seen.page.locator(".strip").count() == 1
        async with obeying(database, obeys(call, anna.id)) as node:
            await seen.page.click(HAND_OVER)
            await seen.shows(".told", "Rendre l’appel : c’est fait")
            assert len(node.taken) == 1
    stop.set()
    await second


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_can_be_read_and_is_accessible(
    database: Database, browser: Browser, width: int, scheme: str
) -> None:
    anna = await hire(database, "anna", phone=PHONE)
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "anna", width=width, color_scheme=scheme) as seen,
    ):
        call = await comes_and_keys(database, seen)
        call.errs(CARD, EntryError.LUHN_FAILED).enters(CARD)
        call.says(EventType.AGENT_WANTED, Step.AGENT, reason="asked-for")
        await record(database, *call.take())
        await seen.page.wait_for_selector(".strip[data-asked]")
        await seen.page.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        await prepares(seen, "99")
        await seen.page.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        await seen.page.click("[data-action=cancel]")
        for state in ("asked", "protected"):
            if state == "protected":
                call.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=anna.id)
                call.says(EventType.CAPTURE_STARTED, CARD)
                await record(database, *call.take())
                await seen.page.wait_for_selector("[data-action=complete]")
            await fits(seen.page)
            await can_be_read(seen.page, dark=scheme == "dark")
            await is_accessible(seen.page)
        assert seen.complaints == []
