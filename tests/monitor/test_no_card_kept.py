"""A card number that somebody types where it does not belong is neither kept nor told."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.database import Database
from ivr.ledger.people import NewUser
from ivr.monitor.models_agents import NewCall
from tests.monitor.clients import client_of, make_app
from tests.monitor.people import PASSWORD, hire, quick_hashes
from tests.monitor.test_payments_api import CALL, CREATE, a_live_call

__all__ = ["quick_hashes"]
CARD = "4111111111111111"
SPACED = "4111 1111 1111 1111"
FREE = {"amount": 4_200, "currency": "EUR", "language": "fr"}
USER = {"login": "anna", "name": "Anna", "role": "agent", "password": PASSWORD}
TOKEN = {"name": "crm", "scopes": ["transactions:read"]}


def kept(ledger_url: str) -> str:
    """What the ledger's files hold."""
    file = Path(ledger_url.removeprefix("sqlite:///"))
    found = [one.read_bytes() for one in file.parent.glob(file.name + "*")]
    return b"".join(found).decode("latin-1")


def none_in(text: str) -> bool:
    return CARD not in text and SPACED not in text


@pytest.mark.parametrize("card", [CARD, SPACED])
@pytest.mark.parametrize(
    ("address", "body", "name", "form"),
    [
        ("/api/v1/transactions", FREE, "debtor", "{}"),
        ("/api/v1/transactions", FREE, "agent_phone", "{}"),
        ("/api/v1/transactions", FREE, "agent_phone", "sip:{}@pbx"),
        ("/api/v1/transactions", FREE, "agent_phone", "sip:anna@{}"),
        ("/api/v1/transactions", FREE, "reference", "{}"),
        ("/api/v1/users", USER, "login", "{}"),
        ("/api/v1/users", USER, "name", "Anna {}"),
        ("/api/v1/users", USER, "phone", "sip:{}@pbx"),
        ("/api/v1/tokens", TOKEN, "name", "{}"),
        ("/api/v1/callbacks", {}, "url", "https://crm.test/{}"),
        ("/api/v1/sign-in", {"password": "x"}, "login", "{}"),
        ("/api/v1/sign-in", {"login": "x"}, "password", "{}"),
        ("/api/v1/sign-in", {"login": "x", "password": "x"}, "code", "{}"),
    ],
)
async def test_a_text_that_is_a_card_number_is_refused(
    database: Database,
    ledger_url: str,
    address: str,
    body: dict[str, Any],
    name: str,
    form: str,
    card: str,
) -> None:
    async with client_of(make_app(database)) as client:
        answer = await client.post(address, json={**body, name: form.format(card)})
    assert answer.status_code in (400, 401), answer.text
    assert none_in(answer.text)
    await database.close()
    assert none_in(kept(ledger_url))


@pytest.mark.parametrize("name", ["name", "phone"])
async def test_a_change_that_is_a_card_number_is_refused(database: Database, name: str) -> None:
    anna = await hire(database, "anna")
    async with client_of(make_app(database)) as client:
        answer = await client.patch(f"/api/v1/users/{anna.id}", json={name: CARD})
    assert answer.status_code == 400
    assert none_in(answer.text)


@pytest.mark.parametrize("name", ["login", "name", "phone"])
def test_nor_has_a_user_of_the_command_line_one(name: str) -> None:
    given: dict[str, Any] = {"login": "anna", "name": "Anna", "role": "agent", name: CARD}
    with pytest.raises(ValueError, match="card") as refused:
        NewUser(**given)
    assert none_in(str(refused.value))


async def test_a_key_is_kept_as_a_hash(database: Database, ledger_url: str) -> None:
    key = {"Idempotency-Key": CARD}
    async with client_of(make_app(database)) as client:
        made = await client.post("/api/v1/transactions", json=FREE, headers=key)
        again = await client.post("/api/v1/transactions", json=FREE, headers=key)
    assert made.status_code == 201
    assert made.json() == again.json()
    await database.close()
    assert none_in(kept(ledger_url))


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (CALL, {"PaymentConnector": CARD}),
        (CALL, {"PaymentConnector": f"Default {SPACED}"}),
        (CALL, {"StatusCallback": f"https://crm.test/{CARD}"}),
        # The precision of a calculation would hide what stands far behind the point.
        (CALL, {"ChargeAmount": "1." + "0" * 30 + CARD}),
        (CALL, {CARD: "1"}),
        (CALL.replace("AC1", CARD), {}),
        (CALL.replace("call-live", CARD), {}),
    ],
)
async def test_nor_is_one_in_a_form_of_the_payments_resource(
    database: Database, ledger_url: str, address: str, wrong: dict[str, str]
) -> None:
    await a_live_call(database)
    async with client_of(make_app(database)) as client:
        answer: httpx.Response = await client.post(f"{address}.json", data=CREATE | wrong)
    assert answer.status_code in (400, 404)
    assert none_in(answer.text)
    await database.close()
    assert none_in(kept(ledger_url))


async def test_an_address_may_have_as_many_digits(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        # The digits of each pass a card's check.
        for phone in ("sip:anna@192.168.100.200:5060", "sip:+4915112345678@pbx"):
            assert holds_card_number(phone)
            wanted = FREE | {"agent_phone": phone}
            answer = await client.post("/api/v1/transactions", json=wanted)
            assert answer.status_code == 201
        account = CALL.replace("AC1", "AC4111111111111111aaaaaaaaaaaaaaaa")
        paid = await client.post(f"{account}.json", data=CREATE)
    assert paid.status_code == 404


@pytest.mark.parametrize("phone", ["sip:anna@pbx\r\nReason: x", "sip:änna@pbx", "a\x7fb"])
async def test_a_phone_is_printable(database: Database, phone: str) -> None:
    anna = await hire(database, "anna")
    async with client_of(make_app(database)) as client:
        for answer in (
            await client.post("/api/v1/users", json=USER | {"login": "b", "phone": phone}),
            await client.patch(f"/api/v1/users/{anna.id}", json={"phone": phone}),
            await client.post("/api/v1/transactions", json=FREE | {"agent_phone": phone}),
        ):
            assert answer.status_code == 400


def test_a_number_with_its_country_may_have_as_many_digits() -> None:
    wanted = {"number": "+4915112345678", "language": "en"}
    assert NewCall.model_validate(wanted).number == wanted["number"]
    with pytest.raises(ValueError, match="card"):
        NewCall.model_validate(wanted | {"number": "4915112345678"})
