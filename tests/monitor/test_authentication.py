"""Who gets in, by token and by cookie, and what stays shut."""

import pytest

from ivr.ledger.database import Database
from ivr.monitor.app import create_app
from ivr.monitor.authentication import COOKIE
from tests.monitor.clients import BEARER, OTHER_TOKEN, TOKEN, client_of, make_app

GUARDED = [
    "/api/v1/transactions",
    "/api/v1/transactions/x",
    "/api/v1/transactions/x/events",
    "/api/v1/calls",
    "/api/v1/events",
    "/api/v1/kpi",
    "/metrics",
    "/",
]


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="solde"'),
        ({"Authorization": "Bearer"}, 'Bearer realm="solde"'),
        ({"Authorization": "Bearer wrong"}, 'Bearer realm="solde", error="invalid_token"'),
        ({"Authorization": f"Basic {TOKEN}"}, 'Bearer realm="solde", error="invalid_token"'),
        (
            {"Authorization": f"Bearer {TOKEN}x"},
            'Bearer realm="solde", error="invalid_token"',
        ),
        ({"Cookie": f"{COOKIE}={TOKEN}"}, 'Bearer realm="solde"'),
        ({"Cookie": f"{COOKIE}="}, 'Bearer realm="solde"'),
    ],
)
async def test_without_a_right_token_nothing_is_told(
    database: Database, path: str, headers: dict[str, str], challenge: str
) -> None:
    async with client_of(make_app(database), headers) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("token", [TOKEN, OTHER_TOKEN])
async def test_each_token_opens(database: Database, scheme: str, token: str) -> None:
    headers = {"Authorization": f"{scheme} {token}"}
    async with client_of(make_app(database), headers) as client:
        assert (await client.get("/api/v1/calls")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/openapi.json"])
async def test_these_are_for_everyone(database: Database, path: str) -> None:
    async with client_of(make_app(database), {}) as client:
        assert (await client.get(path)).status_code == 200


async def test_a_link_with_the_token_becomes_a_cookie(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        answer = await client.get(f"/?token={TOKEN}")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        assert TOKEN not in str(answer.headers)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secure" not in cookie
        # The client keeps the cookie from here on.
        page = await client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert (await client.get("/api/v1/calls")).status_code == 200


async def test_the_cookie_is_secure_where_the_page_is(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        answer = await client.get(f"https://monitor/?token={TOKEN}")
    assert "; secure" in answer.headers["set-cookie"].lower()


async def test_the_cookie_is_no_bearer_token(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        await client.get(f"/?token={TOKEN}")
        stolen = client.cookies[COOKIE]
    async with client_of(make_app(database), {"Authorization": f"Bearer {stolen}"}) as thief:
        assert (await thief.get("/api/v1/calls")).status_code == 401


async def test_the_cookie_ends_with_its_token(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        await client.get(f"/?token={TOKEN}")
        cookies = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    restarted = create_app(database, tokens=[TOKEN])
    changed = create_app(database, tokens=["a-new-token"])
    async with client_of(restarted, cookies) as client:
        assert (await client.get("/api/v1/calls")).status_code == 200
    async with client_of(changed, cookies) as client:
        assert (await client.get("/api/v1/calls")).status_code == 401


async def test_a_browser_without_a_cookie_is_shown_the_door(database: Database) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    async with client_of(make_app(database), browser) as client:
        door = await client.get("/")
        assert door.status_code == 401
        assert '<form method="post"' in door.text
        assert (await client.get("/?token=wrong")).status_code == 401
        assert (await client.post("/", data={"token": "wrong"})).status_code == 401
        assert (await client.post("/", content=b"\xff=\xff")).status_code == 401
        assert (await client.post("/", content=b"x" * 5000)).status_code == 413
        assert COOKIE not in client.cookies
        entered = await client.post("/", data={"token": f" {TOKEN} "})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("tokens", [[], [""], ["good", "  "]])
async def test_a_monitor_without_a_token_is_refused(
    database: Database, tokens: list[str]
) -> None:
    with pytest.raises(ValueError, match="token"):
        create_app(database, tokens=tokens)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/calls",
        "/nowhere",
        "/static/page.js",
        "/openapi.json",
        "/metrics",
        "/health",
    ],
)
async def test_every_answer_has_the_headers_of_safety(database: Database, path: str) -> None:
    async with client_of(make_app(database), BEARER) as client:
        headers = (await client.get(path)).headers
    policy = dict(
        rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
