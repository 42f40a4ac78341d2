"""The pictures of the agent's and the administrators' pages."""

from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser

from ivr.ledger import callbacks
from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.people import User, change_user
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.monitor.browser import Visit
from tests.monitor.desk import Transferred, at_desk, obeying, obeys, prepares, transfer
from tests.monitor.people import enrol, hire
from tests.monitor.story import NOON, Teller, owe, record

CARD = Step.CARD_NUMBER


async def employ(database: Database, login: str, name: str, role: str) -> tuple[User, str]:
    """Add a user by their full name; return them and the secret of their authenticator."""
    user = await hire(database, login, role, phone=f"sip:{login}@pbx.example")
    await change_user(database, lambda: NOON, "command-line", user.id, {"name": name})
    secret = "" if role == "agent" else await enrol(database, user)
    return user, secret


async def shoot(seen: Visit, folder: Path, name: str) -> None:
    """Take one picture of the whole page."""
    await seen.page.screenshot(
        path=folder / f"{name}.png", full_page=True, animations="disabled"
    )


async def take_desk(database: Database, browser: Browser, base: str, folder: Path) -> None:
    """Take the agent's pictures: prepared, at work, asked for, on a telephone."""
    agent, _ = await employ(database, "camille", "Camille Durand", "agent")
    async with at_desk(browser, base, "camille") as seen:
        number = await prepares(seen, "120,50", "Mme Martin")
        await seen.page.click("#prepare > summary")
        await shoot(seen, folder, "agent-prepare")
        await seen.page.click("#prepare > summary")
        await take_calling(database, seen, folder, agent)
        call = await transfer(database, number, "martin")
        await mistypes(database, call)
        await asks_for_an_agent(database, agent)
        await seen.shows(
            ".desk", "Le débiteur demande un agent · Votre téléphone sonne : décrochez"
        )
        await seen.page.wait_for_function(
            "() => document.querySelectorAll('.due:not(:empty)').length === 2"
        )
        await shoot(seen, folder, "agent-calls")
        await seen.page.set_viewport_size({"width": 390, "height": 900})
        async with obeying(database, obeys(call, agent.id)):
            strip = seen.page.locator(f"[data-call={call.call}]")
            await strip.locator("[data-action=take-back]").click()
            await strip.locator("[data-action=start-capture]").click()
            await seen.shows(".told", "Saisie protégée : c’est fait")
            await record(database, *call.keying(CARD, 9, brand="visa").take())
            await seen.shows(".dots", "●●●● ●●●● ●")
            await shoot(seen, folder, "agent-phone")


async def take_calling(database: Database, seen: Visit, folder: Path, agent: User) -> None:
    """Take the form that calls, beside a call that is about nothing yet; let that one end."""
    caller = Teller("lost", NOON - timedelta(seconds=70)).call_begins("+33140009914").begins()
    caller.enters(Step.REFERENCE).enters(Step.AGENT)
    caller.says(EventType.AGENT_RINGING, Step.AGENT, agent=agent.id)
    caller.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=agent.id)
    await record(database, *caller.take())
    await seen.page.click("[data-action=start-capture]")
    await seen.page.click("#calling > summary")
    await seen.page.fill("#call-number", "+33 1 40 00 00 01")
    await shoot(seen, folder, "agent-calling")
    await seen.page.click("#calling > summary")
    await record(database, *caller.ends(Result.CALLER_HUNG_UP, Step.AGENT).hangs_up().take())
    await seen.page.wait_for_selector(".strip", state="detached")


async def mistypes(database: Database, call: Transferred) -> None:
    """Key a card number twice."""
    call.comes().enters(CARD).errs(CARD, EntryError.LUHN_FAILED).enters(CARD)
    await record(database, *call.keying(CARD, 11, brand="visa", attempt=2, silence=4.0).take())


async def asks_for_an_agent(database: Database, agent: User) -> None:
    """Press 0, in a call that nobody has prepared."""
    await owe(database, "27189930", 8_990)
    caller = Teller("zero", NOON - timedelta(seconds=95)).call_begins("+33180002277").begins()
    caller.identified("27189930", 8_990).enters(Step.AMOUNT).enters(Step.READY)
    caller.errs(Step.READY, EntryError.TIMEOUT).enters(Step.AGENT)
    caller.says(EventType.AGENT_WANTED, Step.AGENT, reason="asked-for")
    caller.says(EventType.AGENT_RINGING, Step.AGENT, agent=agent.id)
    await record(database, *caller.take())


async def take_administration(
    database: Database, browser: Browser, base: str, folder: Path
) -> None:
    """Take the administrators' picture."""
    _, secret = await employ(database, "ada", "Ada Lambert", "administrator")
    new = callbacks.Endpoint(
        id="crm", url="https://crm.example/solde", secret="", types=("transaction.ended",)
    )
    await callbacks.add_endpoint(database, lambda: NOON, new)
    await audit(database, lambda: NOON, "user:ada", "callback.added", "crm")
    async with at_desk(browser, base, "ada", secret, path="/administration") as seen:
        await seen.page.click("#tokens .panel > summary")
        await seen.page.fill("#tokens [name=name]", "crm")
        for scope in ("transactions:read", "transactions:write"):
            await seen.page.check(f"#tokens [value='{scope}']")
        await seen.page.click("#tokens .main")
        await seen.page.wait_for_selector("#tokens .once")
        await seen.page.click("[data-login=camille] summary")
        await shoot(seen, folder, "administration")
