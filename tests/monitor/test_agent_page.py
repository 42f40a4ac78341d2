"""The agent's page in a real browser: prepare, follow, take back, hand over, paid."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from playwright.async_api import Browser

from ivr.ledger.audit import find_audit
from ivr.ledger.commands import Command
from ivr.ledger.database import Database
from ivr.ledger.events import Event
from ivr.vocabulary import (
    CommandOutcome,
    CommandType,
    EntryError,
    EventType,
    Result,
    Step,
)
from tests.monitor.browser import Visit, browser
from tests.monitor.clients import serving
from tests.monitor.desk import (
    Transferred,
    at_desk,
    comes_and_keys,
    keys,
    number_of,
    obeying,
    obeys,
    prepares,
    transfer,
)
from tests.monitor.people import hire, quick_hashes
from tests.monitor.story import NOON, Teller, charge, owe, record

__all__ = ["browser", "quick_hashes"]

CARD = Step.CARD_NUMBER
PHONE = "sip:anna@pbx.example"
TAKE_BACK, HAND_OVER = "[data-action=take-back]", "[data-action=hand-over]"


async def pays(database: Database, call: Transferred, debt: str) -> None:
    call.enters(Step.PROCESSING)
    await record(database, *call.take())
    await charge(database, call, debt, 12_050)
    call.enters(Step.COMPLETED)
    await record(database, *call.ends(Result.SUCCESS).hangs_up().take())


async def focused(seen: Visit) -> str:
    """Return what has the focus: its id or its action."""
    name: str = await seen.page.evaluate(
        "(({id, dataset, className}) => id || dataset.action || className)"
        "(document.activeElement)"
    )
    return name


async def test_a_payment_is_prepared_followed_taken_back_and_handed_over(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna", phone=PHONE)
    await owe(database, "31415926", 12_050)
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        assert await seen.texts("#who") == ["Anna · agent"]
        assert await seen.texts("#phone-hint") == [f"Vide : {PHONE}"]
        assert await seen.page.is_hidden("#today")
        await seen.page.fill("#reference", "31415926")
        await seen.page.fill("#debtor", "Mme Martin")
        await seen.page.click("#prepare-button")
        await seen.shows(".prepared .what", "Mme Martin · 31415926 · 120,50 €")
        await seen.shows(".expires", "expire dans 15:00")
        call = await transfer(database, await number_of(seen))
        call.comes().enters(CARD).errs(CARD, EntryError.LUHN_FAILED).enters(CARD)
        await record(database, *call.keying(CARD, 11, brand="visa", attempt=2).take())
        await seen.shows(".strip .due", "Mme Martin · 31415926 · 120,50 € dus")
        await seen.shows(".dots", "●●●● ●●●● ●●●")
        assert await seen.texts(".attempt") == ["essai 2"]
        await seen.page.wait_for_selector(".prepared", state="hidden")
        async with obeying(database, obeys(call, anna.id)) as node:
            await seen.page.click(TAKE_BACK)
            await seen.shows(".desk", "Vous parlez avec le débiteur")
            await seen.shows(".told", "Reprendre l’appel : c’est fait")
            assert await seen.texts("[aria-current=step]") == ["Numéro de carte"]
            await seen.page.click(HAND_OVER)
            await seen.shows(".desk", "Le paiement reprend où il en était")
            await seen.shows(".told", "Rendre l’appel : c’est fait")
            assert [kind for kind, _ in node.taken] == [
                CommandType.TAKE_BACK,
                CommandType.HAND_OVER,
            ]
        await pays(database, call, "31415926")
        await seen.shows(".row .result", "Payé")
        await seen.shows(".row .card", "Visa •••• 4242")
        assert await seen.texts(".row .amount") == ["120,50 €"]
        await seen.shows("#announcements span", "+33140000001 : Payé, 120,50 €")
        assert await seen.page.locator(".prepared").count() == 0
        assert seen.complaints == []
    acts = [(row.actor, row.action) for row in await find_audit(database)]
    assert ("user:anna", "command.take-back") in acts
    # What the page may not read it does not ask for.
    assert "access.refused" not in [action for _, action in acts]


async def test_all_of_it_by_keyboard(database: Database, browser: Browser) -> None:
    anna = await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        keyboard = seen.page.keyboard
        await keyboard.press("Alt+n")
        assert await focused(seen) == "reference"
        await keyboard.press("Enter")
        await seen.shows("#form-wrong", "Donnez la référence d’une dette, ou un montant.")
        assert await seen.page.get_attribute("#reference", "aria-invalid") == "true"
        await keyboard.press("Tab")
        await keyboard.type("12,5x")
        await keyboard.press("Enter")
        await seen.shows("#form-wrong", "Écrivez un montant, comme 120,50.")
        assert await focused(seen) == "amount"
        await keyboard.press("Backspace")
        await keyboard.press("Enter")
        await seen.page.wait_for_selector(".prepared .number span")
        assert await focused(seen) == "copy-number"
        outline = await seen.page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle"
        )
        assert outline == "solid"
        number = await number_of(seen)
        await seen.shows("#announcements span", f"Prêt : transférez l’appel au {number}")
        call = await transfer(database, number)
        await keys(database, call, 4)
        await seen.page.wait_for_selector(TAKE_BACK)
        async with obeying(database, obeys(call, anna.id)) as node:
            await keyboard.press("Alt+l")
            assert await focused(seen) == "take-back"
            await keyboard.press("t")
            await seen.shows(".desk", "Vous parlez avec le débiteur")
            await seen.shows(".told", "Reprendre l’appel : c’est fait")
            # The button has gone: its neighbour has the focus, and the letters still act.
            assert await focused(seen) == "hand-over"
            await keyboard.press("s")
            await seen.shows(".told", "Saisie protégée : c’est fait")
            await keyboard.press("3")
            await seen.shows(".told", "Redemander le cryptogramme : c’est fait")
            await keyboard.press("x")
            await seen.shows("[data-action=cancel] span", "Vraiment annuler ?")
            await keyboard.press("Tab")
            await seen.shows("[data-action=cancel] span", "Annuler le paiement")
            await keyboard.press("x")
            await keyboard.press("x")
            await seen.shows(".strip .result", "Annulé par l’agent")
            assert node.taken == [
                (CommandType.TAKE_BACK, None),
                (CommandType.START_CAPTURE, None),
                (CommandType.CAPTURE, "security-code"),
                (CommandType.CANCEL, None),
            ]
        # A letter typed into a field is only a letter.
        await keyboard.press("Alt+n")
        await keyboard.type("t")
        assert await seen.page.input_value("#reference") == "t"


async def test_a_protected_entry_is_led_field_by_field(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        call = await comes_and_keys(database, seen)
        async with obeying(database, obeys(call, anna.id)) as node:
            await seen.page.click(TAKE_BACK)
            await seen.page.click("[data-action=start-capture]")
            await seen.shows(".desk", "Saisie protégée : l’agent n’entend aucune touche")
            call.errs(CARD, EntryError.TOO_SHORT)
            await record(database, *call.keying(CARD, 5, brand="visa").take())
            await seen.shows(".dots", "●●●● ●")
            await seen.shows(
                "#announcements span",
                "Dernière erreur : Numéro de carte, trop court (essai 1)",
            )
            await seen.page.click("[data-action='capture payment-card-number']")
            await seen.shows(".attempt", "essai 2")
            call.says(EventType.ENTRY_ACCEPTED, CARD, attempt=2)
            await record(database, *call.enters(Step.EXPIRATION_DATE).take())
            await seen.shows("[aria-current=step]", "Expiration")
            assert await seen.texts(".desk") == [
                "Saisie protégée : l’agent n’entend aucune touche"
            ]
            await seen.page.click("[data-action=complete]")
            await seen.shows(".told", "Débiter la carte : c’est fait")
            assert node.taken[-1] == (CommandType.COMPLETE, None)


@pytest.mark.parametrize(
    ("outcome", "locale", "said"),
    [
        (CommandOutcome.AGENT_UNAVAILABLE, "fr-FR", "le téléphone de l’agent est occupé ou ne répond pas"),  # noqa: E501
        (CommandOutcome.AFTER_PAYMENT, "fr-FR", "la banque est interrogée, ce sera fait dès sa réponse"),  # noqa: E501
        (CommandOutcome.NOT_NOW, "fr-FR", "impossible à cette étape"),
    ],
)  # fmt: skip
async def test_what_came_of_a_command_is_told_in_words(
    database: Database, browser: Browser, outcome: CommandOutcome, locale: str, said: str
) -> None:
    await hire(database, "anna")

    def does(_: Command) -> tuple[CommandOutcome, Sequence[Event]]:
        return outcome, ()

    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "anna", locale=locale) as seen,
    ):
        await comes_and_keys(database, seen)
        async with obeying(database, does) as node:
            node.hold.clear()
            await seen.page.click(TAKE_BACK)
            await seen.shows(".told", "Reprendre l’appel : en cours…")
            button = seen.page.locator(TAKE_BACK)
            assert await button.get_attribute("aria-disabled") == "true"
            # Pressed again meanwhile, it sends nothing.
            await button.evaluate("button => button.click()")
            node.hold.set()
            await seen.shows(".told", f"Reprendre l’appel : {said}")
            await seen.shows("#announcements span", f"Reprendre l’appel : {said}")
            assert await button.get_attribute("aria-disabled") == "false"
            assert len(node.taken) == 1


async def test_a_debtor_who_presses_0_is_shown_before_the_phone_rings(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    await owe(database, "d1", 12_050)
    caller = Teller("zero", NOON - timedelta(seconds=50)).call_begins().begins()
    caller.identified("d1", 12_050).enters(CARD).errs(CARD, EntryError.TIMEOUT)
    await record(database, *caller.take())
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        # Nobody's call is not this agent's to see.
        await seen.shows("#live-count", "0")
        caller.enters(Step.AGENT)
        caller.says(EventType.AGENT_WANTED, Step.AGENT, reason="asked-for")
        await record(database, *caller.take())
        caller.says(EventType.AGENT_RINGING, Step.AGENT, agent=anna.id)
        await record(database, *caller.take())
        rings = "Le débiteur demande un agent · Votre téléphone sonne : décrochez"
        await seen.shows(".desk", rings)
        await seen.shows(".strip .due", "D1 · 120,50 € dus")
        assert await seen.texts(".strip .error") == [
            "Dernière erreur : Numéro de carte, aucune touche à temps (essai 1)"
        ]
        assert await seen.page.locator(".strip[data-asked]").count() == 1
        assert await seen.page.title() == "☎ Un débiteur demande un agent · Solde"
        await seen.shows("#announcements span", rings)
        await record(
            database, *caller.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=anna.id).take()
        )
        await seen.shows(".desk", "Vous parlez avec le débiteur")
        assert await seen.page.title() == "Solde · Paiements en direct"
        assert await seen.page.locator(".strip[data-asked]").count() == 0


async def test_an_agent_who_cannot_be_reached_is_told_why(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "anna", locale="en-GB") as seen,
    ):
        # Her own language is French: the browser's does not count.
        await seen.shows("#live-title [data-word]", "Appels en cours")
        await seen.page.click("[data-language=en]")
        call = await transfer(database, await prepares(seen, "120.50"))
        await keys(database, call, 3)
        call.enters(Step.AGENT)
        call.says(EventType.AGENT_WANTED, Step.AGENT, reason="taken-back")
        call.says(EventType.AGENT_UNAVAILABLE, Step.AGENT, reason="busy")
        await record(database, *call.take())
        await seen.shows(".desk", "The agent’s phone is busy. The debtor may go on or wait.")
        await seen.page.wait_for_selector(TAKE_BACK)
        await seen.page.wait_for_selector(HAND_OVER)


async def test_a_preparation_is_cancelled(database: Database, browser: Browser) -> None:
    await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await prepares(seen)
        await seen.page.click(".prepared .drop")
        await seen.page.wait_for_selector(".prepared", state="detached")
        await seen.shows("#announcements span", "Préparation annulée")
        assert await seen.page.is_hidden("#prepared-title")


async def test_what_is_refused_is_told(database: Database, browser: Browser) -> None:
    await hire(database, "anna")
    await owe(database, "31415926", 500)
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await seen.page.fill("#reference", "31415926")
        await seen.page.fill("#amount", "5,01")
        await seen.page.click("#prepare-button")
        await seen.shows(
            "#form-wrong",
            "Rien n’a été préparé. Il ne reste que 5,00 € à payer sur cette dette.",
        )
