"""Signing in through an identity provider, over real sockets, and what is not believed."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr, ValidationError

from ivr.ledger.audit import find_audit
from ivr.ledger.database import Database
from ivr.ledger.people import change_user, find_user
from ivr.monitor.app import create_app
from ivr.monitor.authentication import SESSION_COOKIE
from ivr.settings_people import PeopleSettings, SingleSignOnSettings
from tests.fakes.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from tests.monitor.clients import TOKEN, client_of
from tests.monitor.people import NOBODY, hire

BACK = "http://monitor/sign-in/provider/done"
ANNA = {"sub": "s-1", "preferred_username": "Anna", "name": "Anna A.", "groups": ["desk"]}


@contextlib.asynccontextmanager
async def visiting(
    database: Database, provider: IdentityProvider
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a monitor that trusts the provider."""
    settings = SingleSignOnSettings(
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        redirect_url=BACK,
        agents=("desk",),
        supervisors=("heads",),
    )
    app = create_app(
        database,
        tokens=[TOKEN],
        now=lambda: datetime.now(UTC),
        people=PeopleSettings(single_sign_on=settings),
    )
    async with client_of(app, NOBODY) as client:
        yield client


async def _there(client: httpx.AsyncClient) -> str:
    """Go to the provider; return the address that it sends back to."""
    away = await client.get("/sign-in/provider")
    assert away.status_code == 307
    async with httpx.AsyncClient() as outside:
        return (await outside.get(away.headers["location"])).headers["location"]


async def test_somebody_comes_in_by_the_provider(database: Database) -> None:
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        door = await client.get("/", headers={"Accept": "text/html"})
        assert '<p id="provider">' in door.text
        back = await _there(client)
        entered = await client.get(back)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        me = (await client.get("/api/v1/me")).json()
        assert (me["user"]["login"], me["user"]["role"]) == ("anna", "agent")
        assert provider.authenticated == [True]
        # The same answer opens nothing again.
        assert (await client.get(back)).status_code == 403
        # At the next time they are somebody else here.
        provider.claims = {**ANNA, "groups": ["desk", "heads"]}
        await client.get(await _there(client))
        me = (await client.get("/api/v1/me")).json()
        assert me["user"]["role"] == "supervisor"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"nonce": "another"},
        {"exp": 1},
        {"groups": ["visitors"]},
        {"groups": None},
        {"azp": "another"},
        {"preferred_username": "an na"},
        {"sub": "s" * 256},
        {"sub": "s\0-1"},
    ],
)
async def test_what_is_not_proved_opens_nothing(
    database: Database, spoilt: dict[str, Any]
) -> None:
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims, provider.spoilt = ANNA, spoilt
        answer = await client.get(await _there(client))
        assert answer.status_code == 403
        assert SESSION_COOKIE not in client.cookies
    (act,) = await find_audit(database)
    assert act.action == "sign-in.refused"
    assert await find_user(database, login="anna") is None


async def test_another_key_proves_nothing(database: Database) -> None:
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        provider.signed_by = RSAKey.generate_key(2048, {"kid": "1"})
        assert (await client.get(await _there(client))).status_code == 403


async def test_an_answer_to_another_browser_opens_nothing(database: Database) -> None:
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        back = await _there(client)
        client.cookies.clear()
        assert (await client.get(back)).status_code == 403
        await _there(client)
        assert (await client.get(back)).status_code == 403
        assert provider.authenticated == []


async def test_an_account_made_here_is_not_taken_over(database: Database) -> None:
    await hire(database, "anna")
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        assert (await client.get(await _there(client))).status_code == 403


async def test_who_is_disabled_here_stays_out(database: Database) -> None:
    anna = await hire(database, "anna", sso_subject="s-1")
    at = datetime.now(UTC)
    await change_user(database, lambda: at, "test", anna.id, {"disabled_at": at})
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        assert (await client.get(await _there(client))).status_code == 403


async def test_a_provider_that_is_away_is_told(database: Database) -> None:
    async with identity_provider() as provider:
        pass
    async with visiting(database, provider) as client:
        assert (await client.get("/sign-in/provider")).status_code == 403


def test_half_a_provider_is_refused() -> None:
    with pytest.raises(ValidationError, match="redirect_url"):
        SingleSignOnSettings(issuer="https://login.example.com")


async def test_strangers_fill_no_audit_trail(database: Database) -> None:
    """Nothing can be taken out of it again."""
    async with identity_provider() as provider, visiting(database, provider) as client:
        for query in ("", "?state=x&code=y", "?error=access_denied"):
            assert (await client.get(f"/sign-in/provider/done{query}")).status_code == 403
    assert await find_audit(database) == ()


async def test_whoever_makes_answers_up_is_slowed(database: Database) -> None:
    async with identity_provider() as provider, visiting(database, provider) as client:
        provider.claims = ANNA
        client.cookies.set("solde_provider", "x.y.z")
        back = "/sign-in/provider/done?state=x&code=made-up"
        answers = [(await client.get(back)).status_code for _ in range(21)]
    assert answers == [403] * 20 + [429]
