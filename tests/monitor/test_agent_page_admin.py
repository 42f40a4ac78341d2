"""The administrators' page in a real browser: users, tokens, callbacks, audit trail."""

import pytest
from playwright.async_api import Browser

from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.people import User, find_user
from tests.monitor.browser import Visit, browser
from tests.monitor.clients import client_of, make_app, serving
from tests.monitor.desk import SERVED_AT, at_desk
from tests.monitor.looks import can_be_read, fits, is_accessible
from tests.monitor.people import enrol, hire, quick_hashes
from tests.monitor.story import NOON, Teller, record

__all__ = ["browser", "quick_hashes"]

PAGE = "/administration"
NOBODY_LISTENS = "http://127.0.0.1:9/solde"


async def administrator(database: Database) -> str:
    """Add Ada; return the secret of her authenticator."""
    return await enrol(database, await hire(database, "ada", "administrator"))


async def opens(seen: Visit, section: str) -> None:
    """Unfold the form of a section."""
    await seen.page.click(f"#{section} .panel > summary")


async def test_users_are_added_changed_and_disabled(
    database: Database, browser: Browser
) -> None:
    secret = await administrator(database)
    await enrol(database, await hire(database, "sam", "supervisor"))

    async def kept(login: str) -> User:
        found = await find_user(database, login=login)
        assert found is not None
        return found

    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "ada", secret, path=PAGE) as seen,
    ):
        await opens(seen, "people")
        adding = seen.page.locator("#people > .content > .panel form")
        await adding.locator("[name=login]").fill("zoe")
        await adding.locator("[name=name]").fill("Zoé Marchand")
        await adding.locator("[name=password]").fill("short")
        await adding.locator("button").click()
        await seen.shows("#people .wrong", "Refusé. at least 12 characters")
        await adding.locator("[name=password]").fill("long enough for all")
        await adding.locator("button").click()
        zoe = seen.page.locator("[data-login=zoe]")
        await zoe.wait_for()
        await zoe.locator("summary").click()
        await zoe.locator("[name=role]").select_option("supervisor")
        await zoe.locator("[name=phone]").fill("sip:zoe@pbx.example")
        await zoe.locator("form button").click()
        await seen.shows("#announcements span", "Fait : Modifier, zoe")
        changed = await kept("zoe")
        assert (changed.role, changed.phone) == ("supervisor", "sip:zoe@pbx.example")
        # What takes a right away is pressed twice.
        disable = zoe.get_by_role("button", name="Désactiver")
        await disable.click()
        await zoe.get_by_role("button", name="Vraiment ?").click()
        await seen.shows("[data-login=zoe] .tag", "désactivé")
        assert (await kept("zoe")).disabled_at == SERVED_AT
        await zoe.get_by_role("button", name="Réactiver").click()
        await seen.shows("#announcements span", "Fait : Réactiver, zoe")
        sam = seen.page.locator("[data-login=sam]")
        await sam.get_by_role("button", name="Réinitialiser le code").click()
        await sam.get_by_role("button", name="Vraiment ?").click()
        await seen.shows("[data-login=sam] .tag", "sans code")
        # Nobody locks themselves out.
        own = seen.page.locator("[data-login=ada]")
        assert await own.get_by_role("button", name="Désactiver").count() == 0


async def test_a_token_is_shown_once_and_ends_when_revoked(
    database: Database, browser: Browser
) -> None:
    secret = await administrator(database)
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "ada", secret, path=PAGE, locale="en-GB") as seen,
    ):
        await seen.page.click("[data-language=en]")
        await seen.page.wait_for_selector("main[data-drawn=en]")
        await opens(seen, "tokens")
        await seen.page.fill("#tokens [name=name]", "crm")
        await seen.page.fill("#tokens [name=expires]", "2026-12-31")
        await seen.page.get_by_label("read own transactions").check()
        await seen.page.click("#tokens button.main")
        await seen.shows("#tokens .once p", "Shown this once: copy it now.")
        token = await seen.page.text_content("#tokens .once code")
        headers = {"Authorization": f"Bearer {token}"}
        async with client_of(make_app(database, now=SERVED_AT), headers) as client:
            assert (await client.get("/api/v1/transactions")).status_code == 200
            await seen.shows("#tokens .thing .tag", "read own transactions")
            assert "until 31 Dec 2026" in (await seen.texts("#tokens .thing .hint"))[0]
            await seen.page.get_by_role("button", name="Revoke").click()
            await seen.page.get_by_role("button", name="Really?").click()
            await seen.shows("#tokens .tag", "revoked")
            assert await seen.page.locator("#tokens .once").count() == 0
            assert (await client.get("/api/v1/transactions")).status_code == 401


async def test_callbacks_are_added_and_their_deliveries_sent_again(
    database: Database, browser: Browser
) -> None:
    secret = await administrator(database)
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "ada", secret, path=PAGE) as seen,
    ):
        await opens(seen, "callbacks")
        await seen.page.fill("#callbacks [name=url]", NOBODY_LISTENS)
        await seen.page.click("#callbacks form summary")
        await seen.page.check("#callbacks [value='call.started']")
        await seen.page.click("#callbacks button.main")
        await seen.page.wait_for_selector("#callbacks .once")
        await seen.shows("#callbacks .thing .hint", "call.started")
        await record(database, *Teller("a").call_begins().take())
        shows = seen.page.locator("#callbacks [aria-expanded]")
        await shows.click()
        while not await seen.page.locator("#callbacks .log button").count():
            # The sender has not come to it yet: look again.
            await shows.click()
            await shows.click()
        assert await seen.texts("#callbacks .log .tag") == ["en cours"]
        await seen.page.click("#callbacks .log button")
        await seen.page.wait_for_function(
            "() => document.querySelectorAll('#callbacks .log button').length === 2"
        )
        await seen.page.get_by_role("button", name="Retirer").click()
        await seen.page.get_by_role("button", name="Vraiment ?").click()
        await seen.shows("#callbacks .empty", "Rien encore.")


async def test_the_audit_trail_is_read_by_actor_and_page(
    database: Database, browser: Browser
) -> None:
    secret = await administrator(database)
    for number in range(60):
        await audit(database, lambda: NOON, "user:anna", "command.cancel", f"tx-{number}")
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "ada", secret, path=PAGE) as seen,
    ):
        assert await seen.page.locator("#audit .log li").count() == 50
        await seen.page.get_by_role("button", name="Plus anciens").click()
        await seen.shows("#audit .log span", "user.added")
        await seen.page.fill("#audit [name=actor]", "user:ada")
        await seen.page.keyboard.press("Enter")
        await seen.page.wait_for_function(
            "() => document.querySelectorAll('#audit .log li').length === 1"
        )
        assert await seen.texts("#audit .log strong") == ["user:ada"]
        # What is done here is there at once.
        await seen.page.locator("[data-login=ada] summary").click()
        await seen.page.locator("[data-login=ada] [name=name]").fill("Ada Lambert")
        await seen.page.keyboard.press("Enter")
        await seen.shows("#audit .log span", "user.changed")


async def test_who_is_no_administrator_is_told_and_asks_for_nothing(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "anna", path=PAGE) as seen,
    ):
        await seen.shows("#not-allowed", "Cette page est réservée aux administrateurs.")
        assert await seen.page.locator("section:visible").count() == 0
        assert not [url for url in seen.requests if "/users" in url or "/audit" in url]
        assert seen.complaints == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_can_be_read_and_is_accessible(
    database: Database, browser: Browser, width: int, scheme: str
) -> None:
    secret = await administrator(database)
    async with (
        serving(database) as (base, _),
        at_desk(
            browser, base, "ada", secret, path=PAGE, width=width, color_scheme=scheme
        ) as seen,
    ):
        await opens(seen, "tokens")
        await seen.page.fill("#tokens [name=name]", "crm")
        await seen.page.check("#tokens [value='transactions:read']")
        await seen.page.click("#tokens button.main")
        await seen.page.wait_for_selector("#tokens .once")
        await seen.page.get_by_role("button", name="Révoquer").click()
        await seen.page.evaluate(
            "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
        )
        await fits(seen.page)
        await can_be_read(seen.page, dark=scheme == "dark")
        await is_accessible(seen.page)
        assert seen.complaints == []
