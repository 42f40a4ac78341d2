"""An agent at the page, a PBX that transfers to us, and an ivr node that obeys."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from playwright.async_api import Browser

from ivr.ledger.commands import Command, end_command, take_commands
from ivr.ledger.database import Database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.preparations import claim
from ivr.ledger.wake import open_wake
from ivr.monitor.credentials import code_at
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step
from tests.monitor.browser import Visit
from tests.monitor.people import PASSWORD
from tests.monitor.story import NOON, Teller, record

SERVED_AT = NOON + timedelta(hours=1)
"""What the monitor that tests serve takes for now."""
PATIENCE = 30_000


@dataclass
class Transferred(Teller):
    """A call that a PBX has transferred here, about a transaction that was prepared."""

    prepared: str = ""

    @property
    def transaction(self) -> str:
        return self.prepared

    def comes(self) -> "Transferred":
        """The call begins and is recognised."""
        self.call_begins()
        self.says(EventType.TRANSACTION_TRANSFERRED, Step.WELCOME, reason="by-number")
        self.enters(Step.READY)
        return self

    def keying(self, step: Step, digits: int, **more: Any) -> "Transferred":
        self.says(EventType.ENTRY_PROGRESS, step, digits=digits, **more)
        return self


async def transfer(database: Database, number: str, name: str = "a") -> Transferred:
    """Let the PBX call the number that the page shows."""
    claimed = await claim(
        database, lambda: SERVED_AT, call_id=f"call-{name}", code=number.removeprefix("88")
    )
    assert claimed is not None
    return Transferred(name, NOON - timedelta(seconds=30), prepared=claimed.transaction_id)


Doing = Callable[[Command], tuple[CommandOutcome, Sequence[Event]]]


@dataclass
class Node:
    """Takes commands as an ivr node does; `does` says what comes of each."""

    database: Database
    does: Doing
    taken: list[tuple[CommandType, str | None]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: what is taken does not end yet."""

    async def run(self) -> None:
        """Obey until cancelled."""
        wake = open_wake(self.database, poll=0.01)
        try:
            while True:
                for command in await take_commands(self.database, lambda: NOON, "node-1"):
                    self.taken.append((command.type, command.data.get("field")))
                    await self.hold.wait()
                    await self._do(command)
                await wake.wait(1)
        finally:
            await wake.close()

    async def _do(self, command: Command) -> None:
        outcome, events = self.does(command)
        told = Event(
            EventType.COMMAND_ENDED,
            NOON,
            command.call_id,
            command.transaction_id,
            detail=EventDetail(command=command.type, outcome=outcome),
        )
        await record(self.database, *events, told)
        await end_command(self.database, lambda: NOON, command.id, outcome)


@contextlib.asynccontextmanager
async def obeying(database: Database, does: Doing) -> AsyncIterator[Node]:
    """Run a node beside the monitor."""
    node = Node(database, does)
    node.hold.set()
    task = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def obeys(teller: Teller, agent: str) -> Doing:
    """Do what an agent asks: they come, they go, fields are asked for."""

    def does(command: Command) -> tuple[CommandOutcome, Sequence[Event]]:
        match command.type:
            case CommandType.TAKE_BACK:
                teller.enters(Step.AGENT)
                teller.says(EventType.AGENT_WANTED, Step.AGENT, reason="taken-back")
                teller.says(EventType.AGENT_RINGING, Step.AGENT, agent=agent)
                teller.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=agent)
            case CommandType.HAND_OVER:
                teller.says(EventType.AGENT_LEFT, Step.AGENT, reason="handed-over")
                teller.says(EventType.JOURNEY_RESUMED, Step.CARD_NUMBER)
            case CommandType.START_CAPTURE:
                teller.says(EventType.SHIELD_PROVED, Step.AGENT)
                teller.says(EventType.CAPTURE_STARTED, Step.CARD_NUMBER)
                teller.says(EventType.STEP_ENTERED, Step.CARD_NUMBER, attempt=1)
            case CommandType.CAPTURE:
                step = Step(command.data["field"])
                teller.says(EventType.STEP_ENTERED, step, attempt=2)
            case CommandType.COMPLETE:
                teller.enters(Step.PROCESSING)
            case CommandType.CANCEL:
                teller.ends(Result.CANCELLED_BY_AGENT, Step.CANCELLED)
        return CommandOutcome.DONE, teller.take()

    return does


@contextlib.asynccontextmanager
async def at_desk(
    browser: Browser,
    base: str,
    login: str,
    secret: str | None = None,
    *,
    locale: str = "fr-FR",
    width: int = 1280,
    path: str = "/",
    **context: Any,
) -> AsyncIterator[Visit]:
    """Sign in by the door at noon; wait until the page is live (or at `path`, is drawn)."""
    opened = await browser.new_context(
        locale=locale,
        viewport={"width": width, "height": 900},
        timezone_id="Europe/Paris",
        **context,
    )
    opened.set_default_timeout(PATIENCE)
    try:
        page = await opened.new_page()
        await page.clock.set_fixed_time(NOON)
        await page.goto(f"{base}/")
        await page.fill("#login", login)
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        if secret is not None:
            await page.wait_for_selector("#code", state="visible")
            await page.fill("#code", code_at(secret, SERVED_AT))
            await page.keyboard.press("Enter")
        # What the door complained of, a code that was missing, is not the page's.
        await page.wait_for_selector("#connection[data-state=live]")
        seen = Visit(page)
        if path != "/":
            await page.goto(base + path)
            await page.wait_for_selector("main[data-drawn]")
        yield seen
    finally:
        await opened.close()


async def prepares(seen: Visit, amount: str = "120,50", debtor: str = "Mme Martin") -> str:
    """Fill the form in; return the number that the page shows."""
    await seen.page.fill("#amount", amount)
    await seen.page.fill("#debtor", debtor)
    await seen.page.click("#prepare-button")
    await seen.page.wait_for_selector(".prepared .number span")
    return await number_of(seen)


async def number_of(seen: Visit) -> str:
    """Return the number that the page shows."""
    return (await seen.page.text_content(".prepared .number")) or ""


async def comes_and_keys(database: Database, seen: Visit, digits: int = 11) -> Transferred:
    """Prepare, let the call come, and let the debtor key some digits of the card number."""
    call = await transfer(database, await prepares(seen))
    await keys(database, call, digits)
    await seen.page.wait_for_selector("[data-action=take-back]")
    await seen.page.wait_for_function(
        """() => /^Mme Martin · \\d{8} · 120,50.€ dus$/u
            .test(document.querySelector(".due")?.textContent)"""
    )
    return call


async def keys(database: Database, call: Transferred, digits: int) -> None:
    """Let the call come, and its debtor key."""
    call.comes().enters(Step.CARD_NUMBER)
    await record(database, *call.keying(Step.CARD_NUMBER, digits, brand="visa").take())
