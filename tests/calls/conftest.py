"""Charges are tested on both kinds of database."""

from tests.fakes.databases import database, ledger_url, postgres

__all__ = ["database", "ledger_url", "postgres"]
