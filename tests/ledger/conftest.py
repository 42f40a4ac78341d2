"""Each test that asks for a database runs on SQLite and on PostgreSQL."""

from tests.fakes.databases import database, ledger_url, postgres

__all__ = ["database", "ledger_url", "postgres"]
