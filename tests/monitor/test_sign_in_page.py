"""The sign-in page in a real browser: password, enrolment, code, refusal, token."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from playwright.async_api import Page

from ivr.ledger.database import Database
from ivr.monitor.app import create_app
from ivr.monitor.credentials import code_at
from ivr.monitor.server import listen, serve
from tests.monitor.browser import chromium
from tests.monitor.clients import TOKEN
from tests.monitor.people import PASSWORD, hire, quick_hashes

__all__ = ["quick_hashes"]


@contextlib.asynccontextmanager
async def door(database: Database, locale: str = "fr-FR") -> AsyncIterator[Page]:
    """Serve the monitor and open its address in a browser."""
    sock = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    app = create_app(database, tokens=[TOKEN], now=lambda: datetime.now(UTC))
    task = asyncio.create_task(serve(app, sock, stop=stop, signals=False))
    try:
        async with chromium() as browser:
            context = await browser.new_context(locale=locale)
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{sock.getsockname()[1]}/")
            yield page
    finally:
        stop.set()
        await task


async def _send(page: Page, login: str, password: str = PASSWORD) -> None:
    await page.fill("#login", login)
    await page.fill("#password", password)
    await page.keyboard.press("Enter")


async def _says(page: Page, words: str) -> None:
    await page.wait_for_function(
        "words => document.querySelector('#refused').textContent === words", arg=words
    )


async def test_an_agent_comes_in_by_keyboard_alone(database: Database) -> None:
    await hire(database, "anna")
    async with door(database) as page:
        assert await page.evaluate("document.activeElement.id") == "login"
        assert not await page.is_visible("#second")
        await _send(page, "anna", "wrong")
        await _says(page, "Identifiant ou mot de passe incorrect.")
        await _send(page, "anna")
        await page.wait_for_selector("#live")
        cookies = await page.context.cookies()
        assert [(one["name"], one["httpOnly"]) for one in cookies] == [("solde_session", True)]


async def test_a_supervisor_enrols_and_comes_in(database: Database) -> None:
    await hire(database, "sam", "supervisor")
    async with door(database, "en-GB") as page:
        await _send(page, "sam")
        await page.wait_for_selector("#qr svg", state="visible")
        box = await page.locator("#qr svg").bounding_box()
        assert box is not None
        assert box["width"] > 100
        secret = (await page.text_content("#secret") or "").replace(" ", "")
        assert await page.evaluate("document.activeElement.id") == "code"
        await page.fill("#code", "000 000")
        await page.keyboard.press("Enter")
        await _says(page, "The code is wrong or was used: wait for the next one.")
        await page.fill("#code", code_at(secret, datetime.now(UTC)))
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#connection[data-state=live]")


async def test_a_token_still_opens(database: Database) -> None:
    async with door(database) as page:
        await page.click("summary")
        await page.fill("#token", TOKEN)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#connection[data-state=live]")
