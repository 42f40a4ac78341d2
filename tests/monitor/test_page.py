"""The live page in a real browser: what a supervisor sees while events are written."""

import asyncio
from datetime import timedelta

import pytest
from playwright.async_api import Browser

from ivr.ledger.database import Database
from ivr.monitor.principal import Role, Scope
from ivr.monitor.server import listen, serve
from ivr.vocabulary import (
    CommandOutcome,
    CommandType,
    EntryError,
    EventType,
    Result,
    Step,
)
from tests.monitor.browser import browser, visit
from tests.monitor.clients import make_app, serving
from tests.monitor.looks import can_be_read, fits
from tests.monitor.story import NOON, Teller, charge, owe, record, trunk

__all__ = ["browser"]

CARD = Step.CARD_NUMBER
PAID = "123,45 €"


def caller(name: str = "a") -> Teller:
    """A call that begins shortly before noon, when the page is looked at."""
    return Teller(name, NOON - timedelta(seconds=75)).call_begins().begins()


def keys_the_card(teller: Teller, digits: int = 16) -> Teller:
    teller.enters(Step.REFERENCE).enters(Step.AMOUNT).enters(Step.READY).enters(CARD)
    return teller.says(
        EventType.ENTRY_PROGRESS, CARD, digits=digits, brand="visa", luhn=digits == 16
    )


async def pays(database: Database, teller: Teller) -> None:
    """Bring the call to its end: 123.45 EUR paid."""
    debt = f"debt-{teller.name}"
    await owe(database, debt)
    teller.identified(debt, 12_345)
    keys_the_card(teller).says(EventType.ENTRY_ACCEPTED, CARD, digits=16, brand="visa")
    await record(database, *teller.enters(Step.PROCESSING).take())
    await charge(database, teller, debt, 12_345)
    teller.enters(Step.COMPLETED)
    await record(database, *teller.ends(Result.SUCCESS).hangs_up().take())


async def test_a_trunk_that_is_down_is_told_until_it_is_up_again(
    database: Database, browser: Browser
) -> None:
    await record(database, trunk(EventType.TRUNK_UP), trunk(EventType.TRUNK_DOWN, "pbx"))
    async with serving(database) as (base, _), visit(browser, base) as seen:
        await seen.shows("#trunks", "Opérateur injoignable : pbx")
        await record(database, trunk(EventType.TRUNK_UNREGISTERED))
        await seen.shows("#trunks", "Opérateur injoignable : carrier, pbx")
        await record(database, trunk(EventType.TRUNK_REGISTERED))
        await seen.shows("#trunks", "Opérateur injoignable : pbx")
        await record(database, trunk(EventType.TRUNK_UP, "pbx"))
        await seen.shows("#trunks", "")
        assert await seen.page.locator("#trunks").is_hidden()


async def test_a_call_is_followed_step_by_step(database: Database, browser: Browser) -> None:
    async with serving(database) as (base, _), visit(browser, base) as seen:
        await seen.shows("#live-empty", "Aucun appel en ce moment.")
        teller = caller()
        await record(database, *teller.take())
        await seen.shows(".strip .caller", "+33140000001")
        await seen.shows("#live-count", "1")
        assert await seen.texts(".elapsed") == ["1:14"]
        await owe(database, "d1")
        await record(database, *teller.identified("d1", 12_345).take())
        await seen.shows(".strip .due", f"D1 · {PAID} dus")
        await record(database, *keys_the_card(teller, 7).take())
        await seen.shows(".dots", "●●●● ●●●")
        await seen.shows("[aria-current=step]", "Numéro de carte")
        assert await seen.page.get_attribute(".dots", "aria-label") == "7 chiffres saisis"
        assert await seen.texts(".card-brand") == ["Visa"]
        assert await seen.texts(".validity") == ["numéro invalide"]
        teller.errs(CARD, EntryError.LUHN_FAILED).enters(CARD)
        teller.says(EventType.ENTRY_PROGRESS, CARD, digits=1, attempt=2, silence=4.0)
        await record(database, *teller.take())
        await seen.shows(".silence", "silence 4 s")
        assert await seen.texts(".attempt") == ["essai 2"]
        assert await seen.texts(".strip .error") == [
            "Dernière erreur : Numéro de carte, numéro mal saisi (essai 1)"
        ]
        done = "[data-state=done]"
        assert await seen.texts(done) == ["Référence", "Montant", "Carte en main"]
        assert seen.complaints == []


async def test_an_ended_call_shows_result_amount_and_last_four(
    database: Database, browser: Browser
) -> None:
    async with serving(database) as (base, _), visit(browser, base) as seen:
        teller = caller()
        await record(database, *teller.take())
        await seen.shows(".strip .caller", "+33140000001")
        assert await seen.page.locator(".row").count() == 0
        await pays(database, teller)
        await seen.shows(".row .card", "Visa •••• 4242")
        await seen.shows(".row .caller", "+33140000001 · DEBT-A")
        assert await seen.texts(".row .result") == ["Payé"]
        assert await seen.texts(".row .amount") == [PAID]
        await seen.shows("#live-count", "0")
        await seen.shows("#announcements span", f"+33140000001 : Payé, {PAID}")
        await seen.shows("#figure-recovery .value", "100 %")
        await seen.shows("#figure-recovery .basis", f"{PAID} recouvrés sur {PAID}")
        await seen.shows("#figure-not-completed .basis", "sur 1 terminée · 0 %")
        assert seen.complaints == []


async def test_a_page_opened_later_shows_the_same(database: Database, browser: Browser) -> None:
    async with serving(database) as (base, _), visit(browser, base) as early:
        await pays(database, caller("paid"))
        await owe(database, "d1")
        teller = keys_the_card(caller().identified("d1", 500, "JPY"))
        teller.errs(CARD, EntryError.INVALID_CARD_TYPE).enters(CARD)
        await record(database, *teller.enters(Step.EXPIRATION_DATE).take())
        for digits in (1, 2, 3):
            step = Step.EXPIRATION_DATE
            await record(
                database, *teller.says(EventType.ENTRY_PROGRESS, step, digits=digits).take()
            )
        await early.shows(".dots", "●●●")
        await early.shows(".strip .due", "D1 · 500 JPY dus")
        await early.shows(".row .card", "Visa •••• 4242")
        await early.shows("#figure-entry-error .basis", "sur 2 · 50 %")
        parts = (".strip > :not(.head)", ".strip .due", ".row", ".figure", "#live-count")
        async with visit(browser, base) as late:
            await late.shows("#figure-entry-error .basis", "sur 2 · 50 %")
            for part in parts:
                assert await late.texts(part) == await early.texts(part), part


async def test_a_lost_connection_catches_up_and_counts_nothing_twice(
    database: Database, browser: Browser
) -> None:
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    base = f"http://127.0.0.1:{port}"

    async def run_until(stop: asyncio.Event) -> None:
        nonlocal sock
        if sock.fileno() == -1:
            sock = listen("127.0.0.1", port)
        await serve(
            make_app(database, now=NOON + timedelta(hours=1)), sock, stop=stop, signals=False
        )

    stop = asyncio.Event()
    first = asyncio.create_task(run_until(stop))
    async with visit(browser, base) as seen:
        teller = keys_the_card(caller())
        await record(database, *teller.take())
        await seen.shows(".dots", "●●●● ●●●● ●●●● ●●●●")
        stop.set()
        await first
        await seen.page.wait_for_selector("#connection:not([data-state=live])")
        await pays(database, caller("meanwhile"))
        await record(database, *teller.enters(Step.SECURITY_CODE).take())
        stop = asyncio.Event()
        second = asyncio.create_task(run_until(stop))
        await seen.shows("[aria-current=step]", "Cryptogramme")
        await seen.shows(".row .caller", "+33140000001 · DEBT-MEANWHILE")
        await seen.shows("#figure-recovery .basis", f"{PAID} recouvrés sur {PAID}")
        await seen.page.wait_for_selector("#connection[data-state=live]")
        assert await seen.page.locator(".row").count() == 1
        assert await seen.page.locator(".strip").count() == 1
        await pays(database, teller)
        await seen.shows("#live-count", "0")
        assert await seen.page.locator(".row").count() == 2
        stop.set()
        await second


@pytest.mark.parametrize(
    ("locale", "words"),
    [("fr-FR", "Appels en cours"), ("en-US", "Live calls"), ("de-DE", "Appels en cours")],
)
async def test_the_browser_chooses_the_language(
    database: Database, browser: Browser, locale: str, words: str
) -> None:
    async with serving(database) as (base, _), visit(browser, base, locale=locale) as seen:
        await seen.shows("#live-title [data-word]", words)


async def test_the_language_is_switched_by_keyboard_and_kept(
    database: Database, browser: Browser
) -> None:
    await pays(database, caller())
    async with serving(database) as (base, _), visit(browser, base) as seen:
        await seen.shows(".row .amount", PAID)
        reached = []
        for _step in range(3):
            await seen.page.keyboard.press("Tab")
            reached.append(await seen.page.evaluate("document.activeElement.textContent"))
        assert reached == ["Aller aux appels en cours", "FR", "EN"]
        await seen.page.keyboard.press("Enter")
        await seen.shows("#live-title [data-word]", "Live calls")
        await seen.shows(".row .amount", "€123.45")
        await seen.shows("#figure-recovery .basis", "€123.45 recovered of €123.45")
        assert await seen.page.get_attribute("html", "lang") == "en"
        assert await seen.page.get_attribute("[data-language=en]", "aria-pressed") == "true"
        await seen.page.reload()
        await seen.shows("#live-title [data-word]", "Live calls")


async def test_every_word_of_the_vocabulary_is_said_in_both_languages(
    database: Database, browser: Browser
) -> None:
    async with serving(database) as (base, _), visit(browser, base) as seen:
        said = await seen.page.evaluate(
            """async () => {
                const {words, choose} = await import("/static/words.js");
                const {ADMIN} = await import("/static/admin-words.js");
                const {EVENT_TYPES} = await import("/static/calls.js");
                const kinds = ["steps", "errors", "results", "commands", "outcomes", "desk",
                    "roles", "capture"];
                const all = {types: EVENT_TYPES};
                for (const language of ["fr", "en"]) {
                    choose(language);
                    const own = words(), admin = ADMIN[language];
                    all[language] = {
                        words: Object.keys(own).sort(), admin: Object.keys(admin).sort(),
                        scopes: Object.keys(admin.scopeNames),
                        reasons: Object.entries(own.desk).map(
                            ([type, said]) => [type, ...Object.keys(said)]),
                    };
                    for (const kind of kinds) all[language][kind] = Object.keys(own[kind]);
                }
                return all;
            }"""
        )
    assert set(said["types"]) == {kind.value for kind in EventType}
    assert said["fr"] == said["en"]
    vocabularies = {
        "steps": Step,
        "errors": EntryError,
        "results": Result,
        "commands": CommandType,
        "outcomes": CommandOutcome,
        "roles": Role,
        "scopes": Scope,
    }
    for name, words in vocabularies.items():
        assert set(said["fr"][name]) == {word.value for word in words}, name
    at_desk = ("agent.", "journey.", "capture.", "shield.")
    assert set(said["fr"]["desk"]) == {
        kind.value for kind in EventType if kind.startswith(at_desk)
    }
    keyed = (Step.CARD_NUMBER, Step.EXPIRATION_DATE, Step.SECURITY_CODE)
    assert set(said["fr"]["capture"]) == {step.value for step in keyed}


async def test_a_caller_cannot_write_into_the_page(
    database: Database, browser: Browser
) -> None:
    hostile = "<img src=x onerror=document.title='taken'>"
    teller = Teller("a", NOON).call_begins(hostile).begins()
    async with serving(database) as (base, _), visit(browser, base) as seen:
        await record(database, *teller.take())
        await seen.shows(".strip .caller", hostile)
        await record(database, *teller.ends(Result.CALLER_HUNG_UP).hangs_up().take())
        await seen.shows(".row .caller", hostile)
        assert await seen.page.title() == "Solde · Paiements en direct"
        assert await seen.page.locator("main img").count() == 0


async def test_nothing_is_fetched_from_elsewhere(database: Database, browser: Browser) -> None:
    async with serving(database) as (base, _), visit(browser, base) as seen:
        await record(database, *caller().take())
        await seen.shows("#live-count", "1")
        assert seen.requests
        assert [url for url in seen.requests if not url.startswith(f"{base}/")] == []
        assert seen.complaints == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_and_can_be_read(
    database: Database, browser: Browser, width: int, scheme: str
) -> None:
    await pays(database, caller("paid"))
    teller = keys_the_card(caller()).errs(CARD, EntryError.INVALID_CARD_TYPE).enters(CARD)
    await record(database, *teller.says(EventType.ENTRY_PROGRESS, CARD, digits=19).take())
    async with (
        serving(database) as (base, _),
        visit(browser, base, width=width, color_scheme=scheme) as seen,
    ):
        await seen.shows(".dots", "●●●● ●●●● ●●●● ●●●● ●●●")
        await seen.page.wait_for_selector(".row .card")
        await fits(seen.page)
        await can_be_read(seen.page, dark=scheme == "dark")
