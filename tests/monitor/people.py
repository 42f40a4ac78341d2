"""Users who sign in, and what they carry afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import update

from ivr.ledger.database import Database
from ivr.ledger.people import NewUser, User, add_user, renew_totp, use_totp
from ivr.ledger.tables import transactions
from ivr.monitor import credentials
from ivr.monitor.credentials import code_at, new_totp_secret
from tests.monitor.story import NOON

PASSWORD = "correct horse battery"
SIGN_IN = "/api/v1/sign-in"
NOBODY: dict[str, str] = {}


class Watch:
    """A clock that a test moves."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


# As little work as argon2 can be.
_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_HASH = _HASHER.hash(PASSWORD)


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare with nobody's hash as quickly as with those of `hire`."""
    monkeypatch.setattr(credentials, "_of_nobody", lambda: _HASH)


async def hire(database: Database, login: str, role: str = "agent", **more: Any) -> User:
    """Add a user with the password of these tests."""
    new = NewUser(
        login=login, name=login.title(), role=role, **{"password_hash": _HASH, **more}
    )
    return await add_user(database, lambda: NOON, "test", new)


async def enrol(database: Database, user: User) -> str:
    """Give a user an authenticator, used long ago; return its secret."""
    secret = new_totp_secret()
    assert await renew_totp(database, user.id, secret)
    assert await use_totp(database, user.id, secret, 1)
    return secret


def proof(login: str, secret: str | None = None, at: datetime = NOON) -> dict[str, str]:
    """What somebody signs in with."""
    given = {"login": login, "password": PASSWORD}
    return given if secret is None else {**given, "code": code_at(secret, at)}


@dataclass
class Signed:
    """A client with a session, and the header that its changes need."""

    client: httpx.AsyncClient
    csrf: dict[str, str]


async def sign_in(
    client: httpx.AsyncClient, login: str, secret: str | None = None, at: datetime = NOON
) -> Signed:
    """Sign in; the client keeps the cookie."""
    answer = await client.post(SIGN_IN, json=proof(login, secret, at))
    assert answer.status_code == 204, answer.text
    me = (await client.get("/api/v1/me")).json()
    return Signed(client, {"X-CSRF-Token": me["csrf"]})


async def own(database: Database, transaction_id: str, owner: str) -> None:
    """Make a transaction somebody's."""
    async with database.write() as connection:
        await connection.execute(
            update(transactions)
            .where(transactions.c.id == transaction_id)
            .values(owner_id=owner)
        )
