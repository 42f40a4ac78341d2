"""Each role at each endpoint, the ids of others, tokens, forged requests, live streams."""

import asyncio
import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from ivr.ledger.api_tokens import add_token, revoke_token
from ivr.ledger.audit import find_audit
from ivr.ledger.database import Database
from ivr.ledger.events import transaction_created
from ivr.ledger.people import change_user
from ivr.monitor.app import create_app
from ivr.monitor.authentication import COOKIE
from ivr.monitor.principal import RIGHTS, Role, Scope
from ivr.monitor.server import listen, serve
from ivr.vocabulary import Step
from tests.fakes.databases import ledger_url, postgres
from tests.monitor.clients import BEARER, TOKEN, Listener, client_of, listening, make_app
from tests.monitor.people import (
    NOBODY,
    PASSWORD,
    Watch,
    enrol,
    hire,
    own,
    quick_hashes,
    sign_in,
)
from tests.monitor.story import NOON, Teller, record

# What is whose, and the wake of what was taken away, are the work of both databases.
__all__ = ["ledger_url", "postgres", "quick_hashes"]

ALL = frozenset(Role)
HEADS = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
# Every guarded address: who may, as is seen by any answer but 403.
RIGHTS_OF: dict[tuple[str, str], frozenset[Role]] = {
    ("GET", "/api/v1/transactions"): ALL,
    ("POST", "/api/v1/transactions"): ALL,
    ("GET", "/api/v1/transactions/{id}"): ALL,
    ("DELETE", "/api/v1/transactions/{id}"): ALL,
    ("GET", "/api/v1/transactions/{id}/events"): ALL,
    ("POST", "/api/v1/transactions/{id}/commands"): ALL,
    ("GET", "/api/v1/commands/{id}"): ALL,
    ("GET", "/api/v1/calls"): ALL,
    ("POST", "/api/v1/calls"): ALL,
    ("GET", "/api/v1/events"): ALL,
    ("GET", "/api/v1/me"): ALL,
    ("POST", "/api/v1/sign-out"): ALL,
    ("GET", "/api/v1/kpi"): HEADS,
    ("GET", "/api/v1/trunks"): ALL,
    ("GET", "/metrics"): HEADS,
    ("GET", "/api/v1/users"): ADMINISTRATORS,
    ("POST", "/api/v1/users"): ADMINISTRATORS,
    ("PATCH", "/api/v1/users/{id}"): ADMINISTRATORS,
    ("GET", "/api/v1/tokens"): ADMINISTRATORS,
    ("POST", "/api/v1/tokens"): ADMINISTRATORS,
    ("DELETE", "/api/v1/tokens/{id}"): ADMINISTRATORS,
    ("GET", "/api/v1/audit"): ADMINISTRATORS,
}
PUBLIC = {
    ("GET", "/health"),
    ("GET", "/health/ready"),
    ("POST", "/webhooks/{gateway}"),
    ("POST", "/api/v1/sign-in"),
}


def _addresses(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path


async def test_every_address_has_a_row(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        document = (await client.get("/openapi.json")).json()
    known = RIGHTS_OF.keys() | PUBLIC
    others = set(_addresses(document)) - known
    # What needs the right to callbacks or is compatible with another API has tests of its own.
    assert {
        path for _, path in others if not path.startswith(("/api/v1/callback", "/2010"))
    } == set()
    assert known - {("GET", "/metrics")} <= set(_addresses(document))


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_at_each_address(database: Database, role: Role) -> None:
    user = await hire(database, "sam", role)
    secret = None if role is Role.AGENT else await enrol(database, user)
    allowed: dict[tuple[str, str], bool] = {}
    async with client_of(make_app(database), NOBODY) as client:
        signed = await sign_in(client, "sam", secret)
        for method, path in RIGHTS_OF:
            if path in ("/api/v1/sign-out", "/api/v1/events"):
                continue
            answer = await client.request(
                method, path.replace("{id}", "7"), headers=signed.csrf
            )
            assert answer.status_code < 500
            allowed[method, path] = answer.status_code != 403
        # A stream never ends here: asked for a place it does not have, it refuses at once.
        answer = await client.get("/api/v1/events?after=999")
        allowed["GET", "/api/v1/events"] = answer.status_code == 409
        answer = await client.post("/api/v1/sign-out", headers=signed.csrf)
        allowed["POST", "/api/v1/sign-out"] = answer.status_code == 204
    assert allowed == {row: role in roles for row, roles in RIGHTS_OF.items()}
    refused = [
        row.data
        for row in await find_audit(database, limit=200)
        if row.action == "access.refused"
    ]
    assert len(refused) == list(allowed.values()).count(False)


async def test_an_agent_sees_only_their_own(database: Database) -> None:
    anna = await hire(database, "anna")
    for name in ("mine", "theirs", "nobodys"):
        await record(database, *Teller(name).call_begins().begins().take())
    await own(database, "tx-mine", anna.id)
    await own(database, "tx-theirs", "someone-else")
    async with client_of(make_app(database), NOBODY) as client:
        await sign_in(client, "anna")
        listed = (await client.get("/api/v1/transactions")).json()["items"]
        assert [one["id"] for one in listed] == ["tx-mine"]
        (call,) = (await client.get("/api/v1/calls?live=true")).json()["items"]
        assert call["id"] == "call-mine"
        assert {one["call_id"] for one in call["latest"]} == {"call-mine"}
        unknown = await client.get("/api/v1/transactions/tx-unknown")
        assert unknown.status_code == 404
        for other in ("tx-theirs", "tx-nobodys"):
            for rest in ("", "/events"):
                answer = await client.get(f"/api/v1/transactions/{other}{rest}")
                assert (answer.status_code, answer.text) == (404, unknown.text)
        for filtered in ("call_id=call-theirs", "reference=D1", "cursor="):
            answer = await client.get(f"/api/v1/transactions?{filtered}")
            assert "theirs" not in answer.text
        assert (await client.get("/api/v1/transactions/tx-mine")).status_code == 200
    async with client_of(make_app(database)) as client:
        assert len((await client.get("/api/v1/transactions")).json()["items"]) == 3


async def test_two_agents_in_one_call_see_each_their_own(database: Database) -> None:
    anna = await hire(database, "anna")
    teller = Teller("one").call_begins().begins()
    second = transaction_created(
        "tx-two", NOON, call_id="call-one", channel="inbound", journey="payment", language="fr"
    )
    await record(database, *teller.enters(Step.REFERENCE).take(), second)
    await own(database, "tx-one", "someone-else")
    await own(database, "tx-two", anna.id)
    async with client_of(make_app(database), NOBODY) as client:
        await sign_in(client, "anna")
        (call,) = (await client.get("/api/v1/calls")).json()["items"]
    assert [one["id"] for one in call["transactions"]] == ["tx-two"]
    assert {one["transaction_id"] for one in call["latest"]} == {None, "tx-two"}


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.READ_ALL, Scope.READ}, {Scope.USERS}])
async def test_a_token_does_what_its_scopes_say(database: Database, scopes: set[Scope]) -> None:
    _, secret = await add_token(
        database, Watch(), "test", name="crm", scopes=[scope.value for scope in scopes]
    )
    await record(database, *Teller("a").call_begins().begins().take())
    await own(database, "tx-a", "token:crm")
    await record(database, *Teller("b").call_begins().begins().take())
    basic = base64.b64encode(f"account:{secret}".encode()).decode()
    for header in (f"Bearer {secret}", f"Basic {basic}"):
        async with client_of(make_app(database), {"Authorization": header}) as client:
            me = (await client.get("/api/v1/me")).json()
            assert (me["user"], me["actor"], me["csrf"]) == (None, "token:crm", None)
            assert set(me["scopes"]) == scopes
            answer = await client.get("/api/v1/transactions")
            seen = len(answer.json()["items"]) if answer.status_code == 200 else 0
            assert seen == (0 if Scope.READ not in scopes else len(scopes))
            users = await client.get("/api/v1/users")
            assert users.status_code == (200 if Scope.USERS in scopes else 403)


async def test_no_token_is_taken_for_one_of_the_settings(database: Database) -> None:
    """Whoever has both makes things that are not each other's, and are told apart."""
    scopes = ["transactions:read", "transactions:write"]
    _, token = await add_token(database, lambda: NOON, "test", name="settings", scopes=scopes)
    free = {"amount": 100, "currency": "EUR", "language": "fr"}
    async with client_of(make_app(database)) as client:
        made = (await client.post("/api/v1/transactions", json=free)).json()
    async with client_of(make_app(database), {"Authorization": f"Bearer {token}"}) as client:
        answer = await client.get(f"/api/v1/transactions/{made['id']}")
    assert answer.status_code == 404


async def test_a_token_never_has_more_rights_than_its_user(database: Database) -> None:
    anna = await hire(database, "anna")
    _, secret = await add_token(
        database, Watch(), "test", name="anna-crm", scopes=list(Scope), user_id=anna.id
    )
    bearer = {"Authorization": f"Bearer {secret}"}
    async with client_of(make_app(database), bearer) as client:
        me = (await client.get("/api/v1/me")).json()
        assert set(me["scopes"]) == RIGHTS[Role.AGENT]
        assert me["user"]["login"] == "anna"
        await change_user(database, Watch(), "test", anna.id, {"disabled_at": NOON})
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_token_ends_in_time_or_when_it_is_revoked(database: Database) -> None:
    watch = Watch()
    token, secret = await add_token(
        database,
        watch,
        "test",
        name="crm",
        scopes=["transactions:read"],
        expires_at=NOON + timedelta(hours=1),
    )
    app = create_app(database, tokens=[TOKEN], now=watch)
    async with client_of(app, {"Authorization": f"Bearer {secret}"}) as client:
        assert (await client.get("/api/v1/me")).status_code == 200
        watch.advance(3600)
        assert (await client.get("/api/v1/me")).status_code == 401
        watch.advance(-60)
        assert (await client.get("/api/v1/me")).status_code == 200
        assert await revoke_token(database, watch, "test", token.id)
        assert (await client.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-CSRF-Token": "wrong"}, 403),
        ({"X-CSRF-Token": "right", "Origin": "https://evil.example"}, 403),
        ({"X-CSRF-Token": "right", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-CSRF-Token": "right", "Origin": "http://monitor"}, 204),
        ({"X-CSRF-Token": "right"}, 204),
    ],
)
@pytest.mark.parametrize("by", ["session", "settings"])
async def test_a_cookie_alone_changes_nothing(
    database: Database, headers: dict[str, str], status: int, by: str
) -> None:
    await hire(database, "anna")
    async with client_of(make_app(database), NOBODY) as client:
        if by == "session":
            await sign_in(client, "anna")
        else:
            await client.get(f"/?token={TOKEN}")
            assert COOKIE in client.cookies
        csrf = (await client.get("/api/v1/me")).json()["csrf"]
        sent = {name: csrf if value == "right" else value for name, value in headers.items()}
        answer = await client.post("/api/v1/sign-out", headers=sent)
        assert answer.status_code == status
        still = (await client.get("/api/v1/me")).status_code
        assert still == (401 if status == 204 else 200)


async def test_one_sessions_proof_is_not_anothers(database: Database) -> None:
    for login in ("anna", "bob"):
        await hire(database, login)
    app = make_app(database)
    async with client_of(app, NOBODY) as anna, client_of(app, NOBODY) as bob:
        await sign_in(anna, "anna")
        of_bob = await sign_in(bob, "bob")
        answer = await anna.post("/api/v1/sign-out", headers=of_bob.csrf)
    assert answer.status_code == 403


async def _follow(app: Starlette, act: Any, login: str = "anna") -> tuple[Listener, bool]:
    sock = listen("127.0.0.1", 0)
    host, port = sock.getsockname()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(app, sock, stop=stop, signals=False))
    try:
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            signed = await sign_in(client, login)
            async with client.stream("GET", "/api/v1/events") as response:
                listener = Listener(response)
                assert (await listener.next()).data is None
                await act(client, signed.csrf, listener)
                return listener, await listener.ended()
    finally:
        stop.set()
        await task


@pytest.mark.parametrize("how", ["sign-out", "disable", "role"])
async def test_a_live_stream_ends_with_its_session(database: Database, how: str) -> None:
    anna = await hire(database, "anna")
    await record(database, *Teller("a").call_begins().begins().take())
    await own(database, "tx-a", anna.id)

    async def act(client: httpx.AsyncClient, csrf: dict[str, str], listener: Listener) -> None:
        await record(database, *Teller("b").call_begins().begins().take())
        await record(database, *Teller("a").enters(Step.REFERENCE).take())
        told = await listener.next()
        # Another's call is passed over.
        assert told.data["transaction_id"] == "tx-a"
        if how == "sign-out":
            assert (await client.post("/api/v1/sign-out", headers=csrf)).status_code == 204
        elif how == "disable":
            await change_user(database, Watch(), "test", anna.id, {"disabled_at": NOON})
        else:
            await change_user(database, Watch(), "test", anna.id, {"role": "supervisor"})

    # The heartbeat is far off: only the wake of what was taken away ends it.
    app = make_app(database, heartbeat=3600)
    _, ended = await _follow(app, act)
    assert ended


async def test_a_live_stream_ends_with_its_token(database: Database) -> None:
    token, secret = await add_token(
        database, Watch(), "test", name="crm", scopes=["transactions:read"]
    )
    sock = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    app = make_app(database, heartbeat=3600)
    task = asyncio.create_task(serve(app, sock, stop=stop, signals=False))
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    try:
        bearer = {"Authorization": f"Bearer {secret}"}
        async with listening(base, "", bearer) as ending, listening(base) as staying:
            assert await revoke_token(database, Watch(), "test", token.id)
            assert await ending.ended()
            await record(database, *Teller("a").call_begins().take())
            assert (await staying.next()).event == "call.started"
    finally:
        stop.set()
        await task


async def test_a_stream_ends_when_its_session_is_over(database: Database) -> None:
    await hire(database, "anna")
    watch = Watch()

    async def act(
        _client: httpx.AsyncClient, _csrf: dict[str, str], listener: Listener
    ) -> None:
        assert (await listener.next()).comments == ["still here"]
        watch.advance(3601)

    app = create_app(database, tokens=[TOKEN], now=watch, heartbeat=0.1)
    _, ended = await _follow(app, act)
    assert ended


async def test_an_administrator_keeps_users_and_tokens(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        new = {"login": "anna", "name": "Anna", "role": "agent", "password": PASSWORD}
        short = await client.post("/api/v1/users", json={**new, "password": "short"})
        assert (short.status_code, short.json()["errors"][0]["parameter"]) == (400, "password")
        assert "short" not in short.json()["detail"]
        anna = (await client.post("/api/v1/users", json=new)).json()
        assert (anna["login"], anna["has_password"]) == ("anna", True)
        assert (await client.post("/api/v1/users", json=new)).status_code == 409
        changed = await client.patch(
            f"/api/v1/users/{anna['id']}", json={"phone": "101", "disabled": True}
        )
        assert changed.json()["phone"] == "101"
        assert changed.json()["disabled_at"] is not None
        assert (await client.patch("/api/v1/users/nobody", json={})).status_code == 404
        made = await client.post(
            "/api/v1/tokens", json={"name": "crm", "scopes": ["transactions:read"]}
        )
        assert made.status_code == 201
        secret = made.json()["token"]
        listed = await client.get("/api/v1/tokens")
        assert secret not in listed.text
        assert [one["name"] for one in listed.json()["items"]] == ["crm"]
        gone = await client.delete(f"/api/v1/tokens/{made.json()['id']}")
        assert gone.status_code == 204
        again = await client.delete(f"/api/v1/tokens/{made.json()['id']}")
        assert again.status_code == 404
        trail = await client.get("/api/v1/audit?limit=200")
    acts = [one["action"] for one in reversed(trail.json()["items"])]
    assert acts == ["user.added", "user.changed", "token.added", "token.revoked"]
    assert secret not in trail.text
    assert PASSWORD not in trail.text


async def test_nobody_gives_away_a_right_they_have_not(database: Database) -> None:
    _, secret = await add_token(
        database, Watch(), "test", name="hr", scopes=[Scope.USERS, *RIGHTS[Role.AGENT]]
    )
    head = await hire(database, "head", "administrator")
    async with client_of(make_app(database), {"Authorization": f"Bearer {secret}"}) as client:
        new = {"login": "anna", "name": "Anna", "role": "agent", "password": PASSWORD}
        assert (await client.post("/api/v1/users", json=new)).status_code == 201
        above = {**new, "login": "eve", "role": "administrator"}
        assert (await client.post("/api/v1/users", json=above)).status_code == 403
        taken = await client.patch(f"/api/v1/users/{head.id}", json={"password": PASSWORD})
        assert taken.status_code == 403
        token = {"name": "more", "scopes": ["callbacks:write"]}
        assert (await client.post("/api/v1/tokens", json=token)).status_code == 403
    async with client_of(make_app(database), BEARER) as client:
        assert len((await client.get("/api/v1/users")).json()["items"]) == 2
