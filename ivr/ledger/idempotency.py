"""Requests that are made again because their answer was lost: they get the same answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.append import take_turn
from ivr.ledger.database import Database
from ivr.ledger.sessions import hash_of
from ivr.ledger.tables_agents import idempotency_keys

KEPT_FOR: Final = timedelta(days=1)


class KeyUsedError(Exception):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class Once:
    """What tells a request that is made again: who makes it, its key, what it asks."""

    actor: str
    key: str
    fingerprint: str
    """SHA-256 of what is asked, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `repeated` when it was answered before."""

    status: int
    body: str
    repeated: bool = False


async def answer_once(
    database: Database,
    now: Callable[[], datetime],
    once: Once | None,
    work: Callable[[AsyncConnection], Awaitable[Answer]],
) -> Answer:
    """Run `work` in a write transaction, and only if the request was not answered before.

    Of two at the same time one waits for the other. What `work` raises undoes it all and
    comes through: a refusal is not kept. Raise `KeyUsedError`, `LedgerUnavailableError`.
    """
    at = now()
    async with database.write() as connection:
        await take_turn(connection)
        if once is None:
            return await work(connection)
        # Its hash alone is kept: a key is any text, whatever it holds.
        key = hash_of(once.key)
        mine = (idempotency_keys.c.actor == once.actor) & (idempotency_keys.c.key == key)
        found = await connection.execute(
            select(idempotency_keys).where(mine, idempotency_keys.c.created_at > at - KEPT_FOR)
        )
        before = found.mappings().one_or_none()
        if before is not None:
            if before["fingerprint"] != once.fingerprint:
                raise KeyUsedError
            return Answer(before["status"], before["answer"], repeated=True)
        answer = await work(connection)
        # Keys of long ago go as new ones come.
        old = idempotency_keys.c.created_at <= at - KEPT_FOR
        await connection.execute(delete(idempotency_keys).where(old))
        row = {
            "actor": once.actor,
            "key": key,
            "fingerprint": once.fingerprint,
            "status": answer.status,
            "answer": answer.body,
            "created_at": at,
        }
        await connection.execute(insert(idempotency_keys), [row])
        return answer
