"""Signing in: what is asked, what is refused in which words, and what the cookie is."""

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from starlette.applications import Starlette

from ivr.ledger.audit import find_audit
from ivr.ledger.database import Database
from ivr.ledger.people import change_user, find_user
from ivr.monitor import credentials
from ivr.monitor.app import create_app
from ivr.monitor.authentication import SESSION_COOKIE
from ivr.monitor.credentials import code_at, step_of
from ivr.settings_people import PeopleSettings
from tests.fakes.databases import ledger_url, postgres
from tests.monitor.clients import TOKEN, client_of
from tests.monitor.people import (
    NOBODY,
    PASSWORD,
    SIGN_IN,
    Watch,
    enrol,
    hire,
    proof,
    quick_hashes,
    sign_in,
)

# Sessions and second factors are held by the database: by both kinds.
__all__ = ["ledger_url", "postgres", "quick_hashes"]


def app_of(database: Database, watch: Watch, **settings: Any) -> Starlette:
    return create_app(database, tokens=[TOKEN], now=watch, people=PeopleSettings(**settings))


async def test_an_agent_signs_in_with_a_password(database: Database) -> None:
    anna = await hire(database, "anna", phone="101")
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        assert (await client.get("/api/v1/me")).status_code == 401
        answer = await client.post(SIGN_IN, json=proof(" Anna "))
        assert (answer.status_code, answer.content) == (204, b"")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        me = (await client.get("/api/v1/me")).json()
    assert me["user"] == {
        "id": anna.id,
        "login": "anna",
        "name": "Anna",
        "role": "agent",
        "language": "fr",
        "phone": "101",
    }
    assert me["actor"] == "user:anna"
    assert me["scopes"] == ["transactions:read", "transactions:write"]
    assert len(me["csrf"]) == 64


async def test_the_cookie_is_secure_where_the_page_is(database: Database) -> None:
    await hire(database, "anna")
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        answer = await client.post(f"https://monitor{SIGN_IN}", json=proof("anna"))
    assert "; secure" in answer.headers["set-cookie"].lower()


async def test_what_is_wrong_is_not_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hire(database, "anna")
    gone = await hire(database, "gone")
    await hire(database, "elsewhere", password_hash=None)
    await change_user(database, Watch(), "test", gone.id, {"disabled_at": Watch()()})
    compared: list[str | None] = []
    right = credentials._right

    def counted(kept: str | None, password: str) -> bool:
        compared.append(kept)
        return right(kept, password)

    monkeypatch.setattr(credentials, "_right", counted)
    tries = [
        {"login": "anna", "password": "wrong"},
        {"login": "nobody", "password": PASSWORD},
        {"login": "gone", "password": PASSWORD},
        {"login": "elsewhere", "password": PASSWORD},
        {"login": "nul\0", "password": "\ud800"},
    ]
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        answers = [await client.post(SIGN_IN, json=one) for one in tries[:4]]
        odd = await client.post(
            SIGN_IN,
            content=rb'{"login": "nul\u0000", "password": "x"}',
            headers={"Content-Type": "application/json"},
        )
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["code"] == "wrong-credentials"
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="solde"'
    assert odd.status_code == 401
    # Each took the work of one comparison.
    assert [one is not None for one in compared] == [True, False, False, False, False]


@pytest.mark.parametrize("role", ["supervisor", "administrator"])
async def test_the_first_sign_in_enrols_an_authenticator(database: Database, role: str) -> None:
    watch = Watch()
    await hire(database, "sam", role)
    async with client_of(app_of(database, watch), NOBODY) as client:
        seen_by_a_thief = (await client.post(SIGN_IN, json=proof("sam"))).json()
        shown = await client.post(SIGN_IN, json=proof("sam"))
        assert shown.status_code == 401
        told = shown.json()
        assert told["code"] == "enrolment-required"
        enrolment = told["enrolment"]
        assert enrolment["uri"].startswith("otpauth://totp/Solde:sam?")
        assert f"secret={enrolment['secret']}" in enrolment["uri"]
        assert ET.fromstring(enrolment["qr"]).tag.endswith("svg")
        old = seen_by_a_thief["enrolment"]["secret"]
        assert old != enrolment["secret"]
        wrong = await client.post(SIGN_IN, json=proof("sam", old))
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong-code")
        await sign_in(client, "sam", enrolment["secret"])
        # From now on the secret is never shown.
        again = await client.post(SIGN_IN, json=proof("sam"))
        assert (again.status_code, again.json()["code"]) == (401, "code-required")
        assert "enrolment" not in again.json()
    acts = [(row.action, row.data.get("enrolled")) for row in await find_audit(database)]
    assert ("signed-in", "time-based codes") in acts


async def test_a_code_opens_once(database: Database) -> None:
    watch = Watch()
    secret = await enrol(database, await hire(database, "sam", "supervisor"))
    async with client_of(app_of(database, watch), NOBODY) as client:
        code = proof("sam", secret, watch())
        assert (await client.post(SIGN_IN, json=code)).status_code == 204
        assert (await client.post(SIGN_IN, json=code)).json()["code"] == "wrong-code"
        # Nor does one from before it, though its time is not over.
        earlier = proof("sam", secret, watch() - timedelta(seconds=30))
        assert (await client.post(SIGN_IN, json=earlier)).json()["code"] == "wrong-code"
        watch.advance(30)
        assert (
            await client.post(SIGN_IN, json=proof("sam", secret, watch()))
        ).status_code == 204


@pytest.mark.parametrize(
    ("seconds", "opens"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_clock_may_be_a_step_off(seconds: int, opens: bool) -> None:
    secret = credentials.new_totp_secret()
    noon = Watch()()
    code = code_at(secret, noon + timedelta(seconds=seconds))
    assert (step_of(secret, code, noon) is not None) is opens


def test_the_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B: the secret is "12345678901234567890"; the last six of its digits.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = Watch()().fromtimestamp(1_111_111_109, tz=Watch()().tzinfo)
    assert code_at(secret, at) == "081804"


async def test_an_agent_with_an_authenticator_needs_it(database: Database) -> None:
    secret = await enrol(database, await hire(database, "anna"))
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        asked = await client.post(SIGN_IN, json=proof("anna"))
        assert asked.json()["code"] == "code-required"
        await sign_in(client, "anna", secret)


async def test_signing_in_again_ends_the_session_before(database: Database) -> None:
    await hire(database, "anna")
    app = app_of(database, Watch())
    async with client_of(app, NOBODY) as client, client_of(app, NOBODY) as thief:
        await sign_in(client, "anna")
        before = client.cookies[SESSION_COOKIE]
        await sign_in(client, "anna")
        assert client.cookies[SESSION_COOKIE] != before
        thief.cookies.set(SESSION_COOKIE, before)
        assert (await thief.get("/api/v1/me")).status_code == 401


async def test_a_session_ends_unused_and_in_any_case(database: Database) -> None:
    await hire(database, "anna")
    watch = Watch()
    app = app_of(database, watch, idle=600, session=3000)
    async with client_of(app, NOBODY) as client:
        await sign_in(client, "anna")
        for _ in range(5):
            watch.advance(590)
            assert (await client.get("/api/v1/me")).status_code == 200
        watch.advance(60)
        assert (await client.get("/api/v1/me")).status_code == 401
        client.cookies.clear()
        await sign_in(client, "anna")
        watch.advance(601)
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_signing_out_ends_it(database: Database) -> None:
    await hire(database, "anna")
    app = app_of(database, Watch())
    async with client_of(app, NOBODY) as client, client_of(app, NOBODY) as thief:
        signed = await sign_in(client, "anna")
        thief.cookies.set(SESSION_COOKIE, client.cookies[SESSION_COOKIE])
        answer = await client.post("/api/v1/sign-out", headers=signed.csrf)
        assert answer.status_code == 204
        assert SESSION_COOKIE not in client.cookies
        assert (await thief.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("change", [{"password_hash": "x"}, {"totp_secret": None}])
async def test_another_proof_ends_all_sessions(
    database: Database, change: dict[str, Any]
) -> None:
    anna = await hire(database, "anna")
    secret = await enrol(database, anna)
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        await sign_in(client, "anna", secret)
        await change_user(database, Watch(), "test", anna.id, change)
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_what_is_the_same_as_before_ends_no_session(database: Database) -> None:
    anna = await hire(database, "anna")
    same = {"role": "agent", "disabled": False, "name": "Anna", "phone": "", "language": "fr"}
    app = app_of(database, Watch())
    async with client_of(app, NOBODY) as client, client_of(app) as admin:
        signed = await sign_in(client, "anna")
        for change in (same, same | {"phone": "101"}):
            answer = await admin.patch(f"/api/v1/users/{anna.id}", json=change)
            assert answer.status_code == 200
            assert (await signed.client.get("/api/v1/me")).status_code == 200
        await admin.patch(f"/api/v1/users/{anna.id}", json={"role": "supervisor"})
        assert (await signed.client.get("/api/v1/me")).status_code == 401
    told = [row.data for row in await find_audit(database) if row.action == "user.changed"]
    assert told == [{"role": "supervisor"}, {"phone": "101"}]


async def test_guessing_at_a_login_is_slowed_more_and_more(database: Database) -> None:
    await hire(database, "anna")
    watch = Watch()
    wrong = {"login": "anna", "password": "wrong"}
    async with client_of(app_of(database, watch), NOBODY) as client:
        for _ in range(5):
            assert (await client.post(SIGN_IN, json=wrong)).status_code == 401
        # Not even the right password is looked at meanwhile.
        slowed = await client.post(SIGN_IN, json=proof("anna"))
        assert (slowed.status_code, slowed.json()["code"]) == (429, "slowed")
        assert slowed.headers["retry-after"] == "2"
        watch.advance(2)
        assert (await client.post(SIGN_IN, json=wrong)).status_code == 401
        assert (await client.post(SIGN_IN, json=wrong)).headers["retry-after"] == "3"
        watch.advance(3)
        await sign_in(client, "anna")
        # Whoever came in starts anew.
        for _ in range(5):
            assert (await client.post(SIGN_IN, json=wrong)).status_code == 401


async def test_guessing_from_one_place_is_slowed(database: Database) -> None:
    watch = Watch()
    async with client_of(app_of(database, watch), NOBODY) as client:
        answers = [
            await client.post(SIGN_IN, json={"login": f"user{n}", "password": "guess"})
            for n in range(21)
        ]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]


async def test_what_was_tried_is_written_down_but_not_what_was_typed(
    database: Database,
) -> None:
    anna = await hire(database, "anna")
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        await client.post(SIGN_IN, json={"login": "hunter2", "password": "wrong"})
        await client.post(SIGN_IN, json={"login": "anna", "password": "hunter2"})
        signed = await sign_in(client, "anna")
        await client.post("/api/v1/sign-out", headers=signed.csrf)
    acts = await find_audit(database)
    assert [(row.actor, row.action, row.subject) for row in reversed(acts)] == [
        ("test", "user.added", anna.id),
        ("nobody", "sign-in.refused", ""),
        ("user:anna", "sign-in.refused", anna.id),
        ("user:anna", "signed-in", anna.id),
        ("user:anna", "signed-out", anna.id),
    ]
    assert "hunter2" not in str(acts)
    assert PASSWORD not in str(acts)


async def test_no_secret_is_in_a_repr(database: Database) -> None:
    secret = await enrol(database, await hire(database, "sam", "supervisor"))
    sam = await find_user(database, login="sam")
    assert sam is not None
    assert sam.totp_secret == secret
    assert secret not in repr(sam)
    assert "argon2" not in repr(sam)
    assert str(sam.password_hash).startswith("$argon2id$")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"Origin": "http://monitor"}, 204),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://monitor"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_another_site_signs_nobody_in(
    database: Database, headers: dict[str, str], status: int
) -> None:
    await hire(database, "anna")
    async with client_of(app_of(database, Watch()), NOBODY) as client:
        answer = await client.post(SIGN_IN, json=proof("anna"), headers=headers)
    assert answer.status_code == status
