"""Whose a telephone is."""

from datetime import UTC, datetime

from sqlalchemy import insert

from ivr.ledger.database import Database
from ivr.ledger.phones import owner_of_phone
from ivr.ledger.tables_agents import users

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


async def test_a_phone_is_its_users_unless_they_are_disabled(database: Database) -> None:
    rows = [
        {
            "id": name,
            "login": name,
            "name": name,
            "role": "agent",
            "language": "fr",
            "phone": phone,
            "created_at": AT,
            "disabled_at": AT if name == "gone" else None,
        }
        for name, phone in (("anna", "1001"), ("gone", "1002"), ("none", ""))
    ]
    async with database.write() as connection:
        await connection.execute(insert(users), rows)
    assert await owner_of_phone(database, "1001") == "anna"
    assert await owner_of_phone(database, "1002") is None
    assert await owner_of_phone(database, "1003") is None
