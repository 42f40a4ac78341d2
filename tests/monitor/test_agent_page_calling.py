"""The agent's page: a debtor is called, and what is to be paid is said amid a call."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Route

from ivr.ledger.commands import Command
from ivr.ledger.database import Database
from ivr.ledger.details import Direction
from ivr.ledger.events import Event, call_started
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Refusal, Step
from tests.monitor.browser import Visit, browser
from tests.monitor.clients import serving
from tests.monitor.desk import at_desk, obeying
from tests.monitor.looks import can_be_read, fits, is_accessible
from tests.monitor.people import hire, quick_hashes
from tests.monitor.story import NOON, Teller, owe, record

__all__ = ["browser", "quick_hashes"]

PHONE = "sip:anna@pbx.example"
CAPTURE = "[data-action=start-capture]"
CALLED = "Le +33140000001 sonne. L’appel paraît ici quand le débiteur décroche ; sinon vous l’entendez."  # noqa: E501


@dataclass
class Called(Teller):
    """A call that we make, with the ids that its command promised."""

    promised: dict[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> str:
        return str(self.promised["call"])

    @property
    def transaction(self) -> str:
        return str(self.promised["transaction"])

    def rings(self) -> "Called":
        """The agent has answered; the debtor's phone rings."""
        self.calling = True
        self.told.append(
            call_started(
                self.call,
                self.now(),
                direction=Direction.OUTBOUND,
                caller=PHONE,
                called=self.promised["number"],
                sip_call_id=f"{self.name}@solde",
            )
        )
        return self

    def answers(self, agent: str) -> "Called":
        """The debtor answers: they talk."""
        self.told.append(Event(EventType.CALL_ANSWERED, self.now(), self.call))
        self.begins().enters(Step.AGENT)
        self.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=agent)
        return self


def ends_with(outcome: CommandOutcome) -> Any:
    def does(_: Command) -> tuple[CommandOutcome, Sequence[Event]]:
        return outcome, ()

    return does


async def test_a_debtor_is_called_and_the_strip_appears(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna", phone=PHONE)
    await owe(database, "31415926", 12_050)
    made: list[Called] = []

    def does(command: Command) -> tuple[CommandOutcome, Sequence[Event]]:
        made.append(Called("out", NOON, promised=dict(command.data)))
        return CommandOutcome.DONE, made[0].rings().take()

    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await seen.page.keyboard.press("Alt+c")
        await seen.page.keyboard.type("+33 1.40.00-00 01")
        await seen.page.fill("#call-reference", "31415926")
        await seen.page.select_option("#call-language", "en")
        async with obeying(database, does) as node:
            node.hold.clear()
            await seen.page.keyboard.press("Enter")
            ringing = "Appel au +33140000001 : votre téléphone sonne, décrochez"
            await seen.shows("#called", ringing)
            await seen.shows("#announcements span", ringing)
            assert await seen.page.input_value("#call-number") == ""
            node.hold.set()
            await seen.shows("#called", CALLED)
            assert await seen.page.locator(".strip").count() == 0
            call = made[0]
            told = {name: call.promised[name] for name in ("number", "phone", "language")}
            assert told == {"number": "+33140000001", "phone": PHONE, "language": "en"}
            assert call.promised["reference"] == "31415926"
            await record(database, *call.answers(anna.id).take())
            await seen.shows(".strip .desk", "Vous parlez avec le débiteur")
            assert await seen.texts(".strip .caller") == ["+33140000001"]
            await seen.page.wait_for_selector(CAPTURE)
            assert await seen.texts("#called") == [""]
            assert [kind for kind, _ in node.taken] == [CommandType.CALL]
        assert seen.complaints == []


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (CommandOutcome.AGENT_UNAVAILABLE, "Appeler : le téléphone de l’agent est occupé ou ne répond pas"),  # noqa: E501
        (CommandOutcome.NOT_NOW, "Aucune ligne ne mène au 1001"),
        (CommandOutcome.EXPIRED, "Appeler : personne ne l’a exécuté à temps, réessayez"),
    ],
)  # fmt: skip
async def test_why_nobody_was_called_is_told(
    database: Database, browser: Browser, outcome: CommandOutcome, said: str
) -> None:
    await hire(database, "anna", phone=PHONE)
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await seen.page.click("#calling > summary")
        await seen.page.fill("#call-number", "1001")
        async with obeying(database, ends_with(outcome)):
            await seen.page.click("#call-button")
            await seen.shows("#called", said)
            await seen.shows("#announcements span", said)


async def test_what_cannot_be_called_is_told_where_it_is_put_right(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await seen.page.click("#calling > summary")
        for number, reference, said in (
            ("sip:x@y", "", "Écrivez un numéro, comme 01 40 00 00 01."),
            ("1001", "12", "De 4 à 12 chiffres."),
            (
                "1001",
                "",
                "Personne n’a été appelé. Votre téléphone n’est pas connu : indiquez-le.",
            ),
        ):
            await seen.page.fill("#call-number", number)
            await seen.page.fill("#call-reference", reference)
            await seen.page.click("#call-button")
            await seen.shows("#call-wrong", said)
        await seen.page.fill("#call-phone", "4242424242424242")
        await seen.page.click("#call-button")
        await seen.shows(
            "#call-wrong",
            "Personne n’a été appelé. À corriger : mon téléphone. "
            "Jamais de numéro de carte ici.",
        )
        await seen.page.fill("#call-phone", PHONE)
        await seen.page.fill("#call-reference", "99999999")
        await seen.page.click("#call-button")
        await seen.shows(
            "#call-wrong",
            "Personne n’a été appelé. Aucune dette n’a cette référence : "
            "donnez aussi un montant pour la créer.",
        )


async def talks_about_nothing(database: Database, seen: Visit, agent: str) -> Teller:
    """A debtor asks for the agent before saying what it is about; they talk."""
    caller = Teller("zero", NOON - timedelta(seconds=50)).call_begins().begins()
    caller.enters(Step.REFERENCE).enters(Step.AGENT)
    caller.says(EventType.AGENT_RINGING, Step.AGENT, agent=agent)
    caller.says(EventType.AGENT_CONNECTED, Step.AGENT, agent=agent)
    await record(database, *caller.take())
    await seen.page.wait_for_selector(CAPTURE)
    return caller


async def test_a_call_about_nothing_asks_what_is_to_be_paid(
    database: Database, browser: Browser
) -> None:
    anna = await hire(database, "anna")
    await owe(database, "31415926", 500)
    taken: list[dict[str, Any]] = []
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        caller = await talks_about_nothing(database, seen, anna.id)

        def does(command: Command) -> tuple[CommandOutcome, Sequence[Event]]:
            taken.append(dict(command.data))
            caller.identified("31415926", 450)
            caller.says(EventType.CAPTURE_STARTED, Step.CARD_NUMBER)
            return CommandOutcome.DONE, caller.take()

        async with obeying(database, does):
            keyboard = seen.page.keyboard
            await keyboard.press("Alt+l")
            await keyboard.press("s")
            await keyboard.press("Enter")
            await seen.shows(".strip .wrong", "Donnez la référence d’une dette, ou un montant.")
            # In the form a letter is a letter.
            await keyboard.type("xx")
            assert await seen.page.input_value(".subject [name=reference]") == "xx"
            assert await seen.texts("[data-action=cancel] span") == ["Annuler le paiement"]
            await keyboard.press("Escape")
            assert await seen.page.is_hidden(".subject")
            assert await seen.page.evaluate("document.activeElement.dataset.action") == (
                "start-capture"
            )
            await keyboard.press("s")
            await seen.page.fill(".subject [name=reference]", "31415926")
            await seen.page.fill(".subject [name=amount]", "5,01")
            await keyboard.press("Enter")
            await seen.shows(".strip .wrong", "Il ne reste que 5,00 € à payer sur cette dette.")
            assert taken == []
            await seen.page.fill(".subject [name=amount]", "4,50")
            await keyboard.press("Enter")
            await seen.shows(".told", "Saisie protégée : c’est fait")
            await seen.page.wait_for_selector(".subject", state="hidden")
            await seen.shows(".strip .due", "31415926 · 4,50 € dus")
        said = {name: taken[0][name] for name in ("reference", "amount", "currency")}
        assert said == {"reference": "31415926", "amount": 450, "currency": "EUR"}


@pytest.mark.parametrize("width", [390, 1280])
async def test_what_is_asked_amid_a_call_fits_and_is_accessible(
    database: Database, browser: Browser, width: int
) -> None:
    anna = await hire(database, "anna")
    async with (
        serving(database) as (base, _),
        at_desk(browser, base, "anna", width=width, color_scheme="dark") as seen,
    ):
        await talks_about_nothing(database, seen, anna.id)
        await seen.page.click(CAPTURE)
        await seen.page.click(".subject .main")
        await seen.page.click("#calling > summary")
        await seen.page.click("#call-button")
        await fits(seen.page)
        await can_be_read(seen.page, dark=True)
        await is_accessible(seen.page)


async def test_each_refusal_has_words_in_both_languages(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")
    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        for language in ("fr", "en"):
            known = await seen.page.evaluate(
                f"import('/static/words-{language}.js')"
                f".then(words => Object.keys(words.{language}.refusals))"
            )
            assert set(known) == {one.value for one in Refusal}


async def test_what_has_no_words_is_said_in_english_and_marked_so(
    database: Database, browser: Browser
) -> None:
    await hire(database, "anna")

    async def refuse(route: Route) -> None:
        problem = {"code": "brand-new", "detail": "The moon is in the way."}
        await route.fulfill(
            status=409, content_type="application/problem+json", body=json.dumps(problem)
        )

    async with serving(database) as (base, _), at_desk(browser, base, "anna") as seen:
        await seen.page.route("**/api/v1/transactions", refuse)
        await seen.page.fill("#amount", "5")
        await seen.page.click("#prepare-button")
        await seen.shows("#form-wrong", "Rien n’a été préparé. The moon is in the way.")
        assert await seen.texts("#form-wrong [lang=en]") == ["The moon is in the way."]
