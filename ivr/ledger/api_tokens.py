"""Tokens of programs. Only hashes are kept: a token is shown once, when it is made."""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping, insert, or_, select, update

from ivr.ledger.audit import add_audit
from ivr.ledger.database import Database
from ivr.ledger.events import new_id
from ivr.ledger.people import User, user_of
from ivr.ledger.revocation import tell_readers
from ivr.ledger.sessions import hash_of
from ivr.ledger.tables_agents import api_tokens, users

PREFIX: Final = "solde_"
"""So that a token that was pasted somewhere is recognised."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,29}")
_LOOK: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it stands; not the secret itself."""

    id: str
    name: str
    """Which program it is of; several tokens may have it, one following the other."""
    user_id: str | None
    """Whose rights it has at most; None for a program of its own."""
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


async def add_token(
    database: Database,
    now: Callable[[], datetime],
    actor: str,
    *,
    name: str,
    scopes: Iterable[str],
    user_id: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a token; return it and its secret.

    Raise `RowRefusedError` when there is no such user, `LedgerUnavailableError`.
    """
    at = now()
    secret = PREFIX + secrets.token_urlsafe(32)
    row = {
        "id": new_id(),
        "hash": hash_of(secret),
        "name": name,
        "user_id": user_id,
        "scopes": sorted(scopes),
        "created_at": at,
        "expires_at": expires_at,
    }
    async with database.write() as connection:
        made = await connection.execute(insert(api_tokens).returning(api_tokens), [row])
        token = _token(made.mappings().one())
        told = {"name": name, "scopes": list(token.scopes), "user": user_id}
        await add_audit(connection, at, actor, "token.added", token.id, told)
    return token, secret


async def find_token(
    database: Database, now: Callable[[], datetime], secret: str
) -> tuple[Token, User | None] | None:
    """Return a good token and its user; None when it is unknown, over, or its user disabled."""
    query = (
        select(api_tokens, *users.columns)
        .outerjoin(users, users.c.id == api_tokens.c.user_id)
        .where(
            api_tokens.c.hash == hash_of(secret),
            api_tokens.c.revoked_at.is_(None),
            or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now()),
            users.c.disabled_at.is_(None),
        )
    )
    async with database.read() as connection:
        row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return _token(row), None if row[users.c.id] is None else user_of(row)


async def touch_token(database: Database, now: Callable[[], datetime], token: Token) -> None:
    """Write down when a token was last used, to the minute."""
    at = now()
    if token.used_at is not None and at - token.used_at < _LOOK:
        return
    async with database.write() as connection:
        await connection.execute(
            update(api_tokens).where(api_tokens.c.id == token.id).values(used_at=at)
        )


async def list_tokens(database: Database) -> tuple[Token, ...]:
    """Return all tokens, newest first."""
    query = select(api_tokens).order_by(api_tokens.c.created_at.desc(), api_tokens.c.id)
    async with database.read() as connection:
        return tuple(map(_token, (await connection.execute(query)).mappings()))


async def revoke_token(
    database: Database, now: Callable[[], datetime], actor: str, token_id: str
) -> bool:
    """End a token at once; whether there was a live one of this id."""
    at = now()
    if "\0" in token_id:
        return False
    live = (api_tokens.c.id == token_id) & api_tokens.c.revoked_at.is_(None)
    async with database.write() as connection:
        ended = await connection.execute(
            update(api_tokens).where(live).values(revoked_at=at).returning(api_tokens.c.name)
        )
        name = ended.scalar_one_or_none()
        if name is None:
            return False
        await tell_readers(connection)
        await add_audit(connection, at, actor, "token.revoked", token_id, {"name": name})
    return True


def _token(row: RowMapping) -> Token:
    columns = api_tokens.c
    return Token(
        id=row[columns.id],
        name=row[columns.name],
        user_id=row[columns.user_id],
        scopes=tuple(row[columns.scopes]),
        created_at=row[columns.created_at],
        expires_at=row[columns.expires_at],
        used_at=row[columns.used_at],
        revoked_at=row[columns.revoked_at],
    )
