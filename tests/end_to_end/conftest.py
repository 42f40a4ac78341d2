"""Where it matters, calls are made on PostgreSQL too."""

from tests.fakes.databases import postgres

__all__ = ["postgres"]
