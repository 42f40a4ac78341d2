"""Users: who may sign in, as what, with which proofs. Each change is in the audit trail."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.audit import add_audit
from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.database import Database, RowRefusedError
from ivr.ledger.events import new_id
from ivr.ledger.revocation import tell_readers
from ivr.ledger.tables_agents import sessions, users

LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")
_SECRETS: Final = frozenset({"password_hash", "totp_secret"})
"""The audit trail says that these changed, and never to what."""

NO_SECOND_FACTOR: Final[Mapping[str, Any]] = {"totp_secret": None, "totp_used": None}
"""Changes after which the next sign-in enrols again."""


class LoginTakenError(Exception):
    """Another user has this login, or this identity of the identity provider."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as they stand. No secret is in the repr."""

    id: str
    login: str
    name: str
    role: str
    language: str
    phone: str
    """Where calls ring: a SIP URI or a user of our registrar; empty for nowhere."""
    password_hash: str | None = field(repr=False)
    totp_secret: str | None = field(repr=False)
    totp_used: int | None
    """The time step of the last code; None until the first one proves the enrolment."""
    sso_subject: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to add. Raise `ValueError` saying what is not right."""

    login: str
    name: str
    role: str
    language: str = "fr"
    phone: str = ""
    password_hash: str | None = field(default=None, repr=False)
    sso_subject: str | None = None

    def __post_init__(self) -> None:
        if not LOGIN.fullmatch(self.login):
            raise ValueError("login is small letters, digits and . _ @ + -, at most 80")
        if "\0" in self.name + self.phone:
            raise ValueError("name and phone are plain text")
        if any(map(holds_card_number, (self.login, self.name, self.phone.partition("@")[0]))):
            raise ValueError("this looks like a card number, which is never kept here")


async def add_user(
    database: Database, now: Callable[[], datetime], actor: str, new: NewUser
) -> User:
    """Add a user. Raise `LoginTakenError`, `LedgerUnavailableError`."""
    at = now()
    row = {one.name: getattr(new, one.name) for one in fields(new)}
    statement = insert(users).values(id=new_id(), created_at=at, **row).returning(users)
    try:
        async with database.write() as connection:
            added = user_of((await connection.execute(statement)).mappings().one())
            told = {"login": added.login, "role": added.role}
            await add_audit(connection, at, actor, "user.added", added.id, told)
    except RowRefusedError:
        raise LoginTakenError(f"there is a user {new.login} already") from None
    return added


async def find_user(
    database: Database,
    *,
    user_id: str | None = None,
    login: str | None = None,
    sso_subject: str | None = None,
) -> User | None:
    """Return the one user with this id, login or subject, or None."""
    for column, value in (
        (users.c.id, user_id),
        (users.c.login, login),
        (users.c.sso_subject, sso_subject),
    ):
        # PostgreSQL refuses a NUL in a text; no id has one.
        if value is not None and "\0" not in value:
            async with database.read() as connection:
                found = await connection.execute(select(users).where(column == value))
                row = found.mappings().one_or_none()
            return None if row is None else user_of(row)
    return None


async def list_users(database: Database) -> tuple[User, ...]:
    """Return all users by login."""
    async with database.read() as connection:
        found = await connection.execute(select(users).order_by(users.c.login))
        return tuple(map(user_of, found.mappings()))


async def change_user(
    database: Database,
    now: Callable[[], datetime],
    actor: str,
    user_id: str,
    changes: Mapping[str, Any],
) -> User | None:
    """Set columns of a user; return them as they stand then, or None when there is none.

    A user who is disabled or gets another proof or role loses all sessions. What is the same
    as before changes nothing, and nothing is written down of it.
    """
    at = now()
    mine = users.c.id == user_id
    async with database.write() as connection:
        found = await connection.execute(select(users).where(mine).with_for_update())
        row = found.mappings().one_or_none()
        if row is None:
            return None
        new = {name: value for name, value in changes.items() if row[name] != value}
        if not new:
            return user_of(row)
        changed = await _set(connection, mine, **new)
        told = {name: _told(name, value) for name, value in new.items()}
        await add_audit(connection, at, actor, "user.changed", user_id, told)
        if new.keys() & {"disabled_at", "role", *_SECRETS}:
            await revoke_sessions_of(connection, at, user_id)
        return changed


async def renew_totp(database: Database, user_id: str, secret: str) -> bool:
    """Give a user whose enrolment is not proved yet another secret; whether that was so."""
    unproved = (users.c.id == user_id) & users.c.totp_used.is_(None)
    async with database.write() as connection:
        return await _set(connection, unproved, totp_secret=secret) is not None


async def use_totp(database: Database, user_id: str, secret: str, step: int) -> bool:
    """Use up the code of a time step: False when it, or a later one, was used before."""
    unused = or_(users.c.totp_used.is_(None), users.c.totp_used < step)
    mine = (users.c.id == user_id) & (users.c.totp_secret == secret) & unused
    async with database.write() as connection:
        return await _set(connection, mine, totp_used=step) is not None


async def revoke_sessions_of(connection: AsyncConnection, at: datetime, user_id: str) -> None:
    """End all sessions of a user, in the transaction that says why."""
    live = (sessions.c.user_id == user_id) & sessions.c.revoked_at.is_(None)
    await connection.execute(update(sessions).where(live).values(revoked_at=at))
    await tell_readers(connection)


def user_of(row: RowMapping) -> User:
    """Return the user of a row that has all columns of the table."""
    return User(**{one.name: row[users.c[one.name]] for one in fields(User)})


async def _set(
    connection: AsyncConnection, which: ColumnElement[bool], **values: Any
) -> User | None:
    changed = await connection.execute(
        update(users).where(which).values(**values).returning(users)
    )
    row = changed.mappings().one_or_none()
    return None if row is None else user_of(row)


def _told(name: str, value: Any) -> Any:
    if name in _SECRETS:
        return "changed" if value is not None else "removed"
    return value.isoformat() if isinstance(value, datetime) else value
