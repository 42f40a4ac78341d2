"""A headless Chromium that looks at the live page."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest
import pytest_twisted
from playwright.async_api import Browser, Page, async_playwright
from twisted.internet.defer import Deferred

from tests.monitor.clients import TOKEN
from tests.monitor.story import NOON

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the system's Chromium (`apt-get install chromium`)."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise RuntimeError("the tests of the live page need Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""

    async def start() -> Browser:
        return await started.__aenter__()

    async def stop() -> None:
        await started.__aexit__(None, None, None)

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return pytest_twisted.blockon(Deferred.fromFuture(asyncio.ensure_future(work)))

    started = chromium()
    yield run(start())
    run(stop())


class Visit:
    """One visit to the page, with all that went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )

    async def shows(self, selector: str, text: str) -> None:
        """Wait until one of these elements has this very text."""
        await self.page.wait_for_function(
            """([selector, text]) => [...document.querySelectorAll(selector)]
                .some(node => node.textContent.replace(/\\s+/g, " ").trim() === text)""",
            arg=[selector, text],
            timeout=30_000,
        )

    async def texts(self, selector: str) -> list[str]:
        """Return the elements' texts, with plain spaces."""
        found: list[str] = await self.page.eval_on_selector_all(
            selector,
            'nodes => nodes.map(node => node.textContent.replace(/\\s+/g, " ").trim())',
        )
        return found


@contextlib.asynccontextmanager
async def visit(
    browser: Browser, base: str, *, locale: str = "fr-FR", width: int = 1280, **context: Any
) -> AsyncIterator[Visit]:
    """Open the page by its link at noon, and wait until it is live."""
    opened = await browser.new_context(
        locale=locale,
        viewport={"width": width, "height": 900},
        timezone_id="Europe/Paris",
        **context,
    )
    try:
        visited = Visit(await opened.new_page())
        await visited.page.clock.set_fixed_time(NOON)
        await visited.page.goto(f"{base}/?token={TOKEN}")
        await visited.page.wait_for_selector("#connection[data-state=live]", timeout=30_000)
        yield visited
    finally:
        await opened.close()
