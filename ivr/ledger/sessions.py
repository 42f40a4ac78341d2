"""Sessions of browsers. Only the hash of a cookie is kept: who reads it cannot sign in."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select, update

from ivr.ledger.audit import add_audit
from ivr.ledger.database import Database
from ivr.ledger.people import User, user_of
from ivr.ledger.revocation import tell_readers
from ivr.ledger.tables_agents import sessions, users

_LOOK: Final = timedelta(seconds=30)
"""A use is written down when the last one that was is this old: not at each request."""
_KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A live session and its user."""

    id: str
    """The hash of the cookie."""
    user: User
    csrf: str = field(repr=False)
    seen_at: datetime


async def open_session(
    database: Database,
    now: Callable[[], datetime],
    user: User,
    lifetime: timedelta,
    *,
    instead_of: str | None = None,
    data: dict[str, str] | None = None,
) -> str:
    """Begin a session, and return the cookie, which is nowhere else.

    `instead_of` is the cookie that the browser had: its session ends. `data` goes into the
    audit trail.
    """
    at = now()
    cookie = secrets.token_urlsafe(32)
    async with database.write() as connection:
        await connection.execute(delete(sessions).where(sessions.c.expires_at < at - _KEPT))
        await connection.execute(
            insert(sessions).values(
                id=hash_of(cookie),
                user_id=user.id,
                csrf=csrf_of(cookie),
                created_at=at,
                seen_at=at,
                expires_at=at + lifetime,
            )
        )
        if instead_of is not None:
            before = sessions.c.id == hash_of(instead_of)
            await connection.execute(update(sessions).where(before).values(revoked_at=at))
            await tell_readers(connection)
        actor = f"user:{user.login}"
        await add_audit(connection, at, actor, "signed-in", user.id, data)
    return cookie


async def find_session(
    database: Database, now: Callable[[], datetime], cookie: str, idle: timedelta
) -> Session | None:
    """Return the session of a cookie while it is good and its user enabled, else None."""
    at = now()
    query = (
        select(sessions, *users.columns)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.id == hash_of(cookie),
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > at,
            sessions.c.seen_at > at - idle,
            users.c.disabled_at.is_(None),
        )
    )
    async with database.read() as connection:
        row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return Session(
        row[sessions.c.id], user_of(row), row[sessions.c.csrf], row[sessions.c.seen_at]
    )


async def touch_session(
    database: Database, now: Callable[[], datetime], session: Session
) -> None:
    """Write down that a session is used, so that it is not idle."""
    at = now()
    if at - session.seen_at < _LOOK:
        return
    async with database.write() as connection:
        await connection.execute(
            update(sessions).where(sessions.c.id == session.id).values(seen_at=at)
        )


async def end_session(
    database: Database, now: Callable[[], datetime], session: Session
) -> None:
    """Sign out."""
    at = now()
    async with database.write() as connection:
        await connection.execute(
            update(sessions).where(sessions.c.id == session.id).values(revoked_at=at)
        )
        await tell_readers(connection)
        actor = f"user:{session.user.login}"
        await add_audit(connection, at, actor, "signed-out", session.user.id)


def hash_of(secret: str) -> str:
    """Return what the database keeps of a cookie or a token: 64 hexadecimal digits.

    Plain SHA-256 is right for secrets of 256 random bits: nothing is to be guessed.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def csrf_of(cookie: str) -> str:
    """Return what a page sends along to show that it, and not another site, asks."""
    return hmac.new(cookie.encode(errors="surrogatepass"), b"solde csrf", "sha256").hexdigest()
