"""Pages of rows by a cursor over (time, id), newest first.

A cursor marks the last row given out, so rows that arrive meanwhile move nothing.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Select, and_, or_


class CursorError(ValueError):
    """The cursor is not one that a page gave out."""


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Some rows, and the cursor of the rows after them (None: there are none)."""

    items: tuple[_Row, ...]
    next: str | None = None


def utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC. Raise `ValueError` for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its offset from UTC")
    return moment.astimezone(UTC)


def paged(
    query: Select[Any], at: Column[Any], key: Column[Any], limit: int, cursor: str | None
) -> Select[Any]:
    """Return `query` for the rows after `cursor`, and one row more than `limit`.

    The row too many tells `page_of` that there is a next page. Raise `CursorError`.
    """
    if cursor is not None:
        last_at, last_key = _read(cursor)
        query = query.where(or_(at < last_at, and_(at == last_at, key < last_key)))
    return query.order_by(at.desc(), key.desc()).limit(limit + 1)


def page_of(
    rows: Sequence[_Row], limit: int, places: Sequence[tuple[datetime, str]]
) -> Page[_Row]:
    """Return the first `limit` rows; `places` are the time and the id of each row."""
    if len(rows) <= limit:
        return Page(tuple(rows))
    at, key = places[limit - 1]
    mark = base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode()
    return Page(tuple(rows[:limit]), mark)


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        mark = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
        at, separator, key = mark.partition("|")
        moment = utc(datetime.fromisoformat(at))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise CursorError("the cursor is not one of this list") from error
    if not separator or "\0" in key:
        raise CursorError("the cursor is not one of this list")
    return moment, key
