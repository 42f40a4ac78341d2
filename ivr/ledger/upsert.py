"""INSERT … ON CONFLICT DO UPDATE, which both databases have and SQL has not."""

from collections.abc import Sequence

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_update(
    dialect: str, table: Table, key: Sequence[str], changed: Sequence[str]
) -> Insert:
    """Insert rows; where one has the same `key`, change its columns `changed` instead."""
    if dialect == "postgresql":
        new = postgresql.insert(table)
        return new.on_conflict_do_update(
            index_elements=key, set_={name: new.excluded[name] for name in changed}
        )
    row = sqlite.insert(table)
    return row.on_conflict_do_update(
        index_elements=key, set_={name: row.excluded[name] for name in changed}
    )
