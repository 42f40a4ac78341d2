"""Callbacks: which events go to which address, and how each delivery stands.

planned (once for each endpoint and event) ─ due ─ claimed by one monitor ─ ended
                                             └──── next_at, after a failure ┘

Each endpoint is sent its events in their order: only its oldest open delivery is ever due.
A claim is a lease: when its monitor dies, the delivery is due again.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger.audit import add_audit
from ivr.ledger.database import Database
from ivr.ledger.reading import EventRow
from ivr.ledger.tables import events
from ivr.ledger.tables_agents import callback_deliveries as deliveries
from ivr.ledger.tables_agents import callback_endpoints as endpoints
from ivr.vocabulary import EventType

DELIVERED: Final = "delivered"
GIVEN_UP: Final = "given-up"
REMOVED: Final = "removed"
"""The endpoint was removed before it was sent."""
LEASE: Final = timedelta(seconds=60)
"""Longer than any try may take."""
KEEPS_TRYING: Final = timedelta(days=1)
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 3600.0
_MOST_TRIES: Final = 33  # with these pauses, a day
_PLANNED_AT_ONCE: Final = 500
_FINISHED: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address that is told of events. The secret is not in the repr."""

    id: str
    url: str
    secret: str = field(repr=False)
    types: Sequence[str] = ()
    """Empty for all."""
    transaction_id: str | None = None
    """Only what happens in it; None for all."""
    payment: Mapping[str, Any] | None = None
    """Of a session of the Payments resource: what its status callbacks repeat."""
    created_at: datetime | None = None
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one endpoint, as it stands."""

    id: int
    endpoint_id: str
    event_id: int
    replay: int
    attempts: int
    next_at: datetime
    ended_at: datetime | None
    outcome: str | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this monitor, and no other, is to try now."""

    delivery: Delivery
    endpoint: Endpoint
    event: EventRow


async def add_endpoint(
    database: Database, now: Callable[[], datetime], new: Endpoint, actor: str | None = None
) -> Endpoint:
    """Add an endpoint; it is told what happens from now on. Raise `LedgerUnavailableError`.

    `actor` is who wants it, here and below: the audit trail says so in the same transaction.
    """
    async with database.write() as connection:
        added = await add_within(connection, now(), new)
        await _audit(connection, now(), actor, "callback.added", added.id)
    return added


async def add_within(connection: AsyncConnection, at: datetime, new: Endpoint) -> Endpoint:
    """Add an endpoint inside the caller's write transaction."""
    newest = select(func.coalesce(func.max(events.c.id), 0)).scalar_subquery()
    row = {name: getattr(new, name) for name in _NAMES} | {
        "types": list(new.types),
        "created_at": at,
    }
    added = await connection.execute(
        insert(endpoints).values(**row, after_event=newest).returning(endpoints)
    )
    return _endpoint(added.mappings().one())


async def find_endpoints(
    database: Database, endpoint_id: str | None = None
) -> tuple[Endpoint, ...]:
    """Return the endpoints that are told, oldest first, or only the one with this id."""
    query = select(endpoints).where(endpoints.c.disabled_at.is_(None))
    if endpoint_id is not None:
        # PostgreSQL refuses a NUL in a text; no id has one.
        query = query.where(endpoints.c.id == endpoint_id.replace("\0", ""))
    async with database.read() as connection:
        found = await connection.execute(query.order_by(endpoints.c.created_at, endpoints.c.id))
        return tuple(map(_endpoint, found.mappings()))


async def move_within(connection: AsyncConnection, endpoint_id: str, url: str) -> None:
    """Give an endpoint another address, inside the caller's write transaction."""
    await connection.execute(
        update(endpoints).where(endpoints.c.id == endpoint_id).values(url=url)
    )


async def remove_endpoint(
    database: Database,
    now: Callable[[], datetime],
    endpoint_id: str,
    actor: str | None = None,
) -> None:
    """Tell an endpoint nothing any more; its log stays."""
    async with database.write() as connection:
        await _audit(connection, now(), actor, "callback.removed", endpoint_id)
        await connection.execute(
            update(endpoints)
            .where(endpoints.c.id == endpoint_id, endpoints.c.disabled_at.is_(None))
            .values(disabled_at=now())
        )
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.ended_at.is_(None))
            .values(ended_at=now(), outcome=REMOVED)
        )


async def plan(database: Database, now: Callable[[], datetime]) -> int:
    """Make the deliveries of events that nobody has planned yet; return how many."""
    newest = select(func.max(events.c.id)).scalar_subquery()
    behind = (
        select(endpoints)
        .where(endpoints.c.disabled_at.is_(None), endpoints.c.after_event < newest)
        .order_by(endpoints.c.id)
    )
    async with database.read() as connection:
        if (await connection.execute(behind.limit(1))).first() is None:
            return 0
    planned = 0
    async with database.write() as connection:
        # Another monitor plans the endpoints that are locked.
        locked = await connection.execute(behind.with_for_update(skip_locked=True))
        for row in locked.mappings().all():
            query = select(events.c.id, events.c.type).where(events.c.id > row["after_event"])
            if row["types"]:
                query = query.where(events.c.type.in_(row["types"]))
            if row["transaction_id"] is not None:
                query = query.where(events.c.transaction_id == row["transaction_id"])
            last = (await connection.execute(select(newest))).scalar_one()
            found = (
                await connection.execute(
                    query.where(events.c.id <= last)
                    .order_by(events.c.id)
                    .limit(_PLANNED_AT_ONCE)
                )
            ).all()
            after = found[-1].id if len(found) == _PLANNED_AT_ONCE else last
            if row["payment"] is not None and any(
                one.type == EventType.TRANSACTION_ENDED for one in found
            ):
                after = _FINISHED
            at = now()
            if found:
                await connection.execute(
                    insert(deliveries),
                    [
                        {"endpoint_id": row["id"], "event_id": one.id, "next_at": at}
                        for one in found
                    ],
                )
            await connection.execute(
                update(endpoints).where(endpoints.c.id == row["id"]).values(after_event=after)
            )
            planned += len(found)
    return planned


async def due_endpoints(database: Database, now: Callable[[], datetime]) -> tuple[str, ...]:
    """Return the endpoints whose oldest open delivery is due."""
    query = (
        select(deliveries.c.endpoint_id)
        .where(deliveries.c.id.in_(_HEADS), deliveries.c.next_at <= now())
        .order_by(deliveries.c.next_at)
    )
    async with database.read() as connection:
        return tuple((await connection.execute(query)).scalars())


async def claim_delivery(
    database: Database, now: Callable[[], datetime], endpoint_id: str
) -> Claimed | None:
    """Claim an endpoint's oldest open delivery; None when it is not due, or claimed."""
    at = now()
    head = select(deliveries).where(
        deliveries.c.endpoint_id == endpoint_id,
        deliveries.c.id.in_(_HEADS),
        deliveries.c.next_at <= at,
    )
    async with database.write() as connection:
        row = (await connection.execute(head)).mappings().one_or_none()
        if row is None:
            return None
        claimed = await connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id == row["id"],
                deliveries.c.attempts == row["attempts"],
                deliveries.c.ended_at.is_(None),
            )
            .values(attempts=row["attempts"] + 1, next_at=at + LEASE)
            .returning(deliveries)
        )
        mine = claimed.mappings().one_or_none()
        if mine is None:
            return None
        told = await connection.execute(select(endpoints).where(endpoints.c.id == endpoint_id))
        event = await connection.execute(select(events).where(events.c.id == row["event_id"]))
        return Claimed(
            Delivery(**mine),
            _endpoint(told.mappings().one()),
            EventRow(**event.mappings().one()),
        )


async def settle_delivery(
    database: Database,
    now: Callable[[], datetime],
    claimed: Claimed,
    *,
    status: int | None,
    error: str | None,
) -> None:
    """Write down how a try went: `error` is None when it was delivered.

    A failure is tried again after a pause that doubles up to an hour, for a day. The claim
    of a monitor that took longer than its lease changes nothing.
    """
    at, delivery = now(), claimed.delivery
    values: dict[str, Any] = {"last_status": status, "last_error": error}
    old = delivery.replay == 0 and at - claimed.event.at > KEEPS_TRYING
    if error is None:
        values |= {"ended_at": at, "outcome": DELIVERED}
    elif old or delivery.attempts >= _MOST_TRIES:
        values |= {"ended_at": at, "outcome": GIVEN_UP}
    else:
        values |= {"next_at": at + pause_after(delivery.attempts)}
    async with database.write() as connection:
        await connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id == delivery.id,
                deliveries.c.attempts == delivery.attempts,
                deliveries.c.ended_at.is_(None),
            )
            .values(**values)
        )


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed tries, a fifth more or less."""
    seconds = min(_FIRST_PAUSE * 2.0 ** min(attempts - 1, 20), _LONGEST_PAUSE)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - no secret


async def find_deliveries(
    database: Database, endpoint_id: str, *, before: int | None = None, limit: int = 50
) -> tuple[Delivery, ...]:
    """Return an endpoint's deliveries, newest first, those with an id below `before`."""
    query = select(deliveries).where(deliveries.c.endpoint_id == endpoint_id)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    async with database.read() as connection:
        found = await connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
        return tuple(Delivery(**row) for row in found.mappings())


async def replay_delivery(
    database: Database,
    now: Callable[[], datetime],
    endpoint_id: str,
    delivery_id: int,
    actor: str | None = None,
) -> Delivery | None:
    """Send an event again; return the new delivery, or None when there is no such one."""
    async with database.write() as connection:
        # Two replays of one event at a time wait for each other.
        locked = select(endpoints.c.id).where(
            endpoints.c.id == endpoint_id, endpoints.c.disabled_at.is_(None)
        )
        if (await connection.execute(locked.with_for_update())).first() is None:
            return None
        event_id = await connection.scalar(
            select(deliveries.c.event_id).where(
                deliveries.c.id == delivery_id, deliveries.c.endpoint_id == endpoint_id
            )
        )
        if event_id is None:
            return None
        last = select(func.max(deliveries.c.replay)).where(
            deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id == event_id
        )
        row = {
            "endpoint_id": endpoint_id,
            "event_id": event_id,
            "replay": (await connection.execute(last)).scalar_one() + 1,
            "next_at": now(),
        }
        await _audit(connection, now(), actor, "callback.replayed", endpoint_id)
        added = await connection.execute(insert(deliveries).values(**row).returning(deliveries))
        return Delivery(**added.mappings().one())


_NAMES: Final = tuple(one.name for one in fields(Endpoint))
_HEADS: Final = (
    select(func.min(deliveries.c.id))
    .where(deliveries.c.ended_at.is_(None))
    .group_by(deliveries.c.endpoint_id)
)


async def _audit(
    connection: AsyncConnection, at: datetime, actor: str | None, action: str, subject: str
) -> None:
    if actor is not None:
        await add_audit(connection, at, actor, action, subject)


def _endpoint(row: RowMapping) -> Endpoint:
    return Endpoint(**{name: row[name] for name in _NAMES})
