"""The monitor is tested over SQLite; what it reads is tested over both databases."""

from pathlib import Path

import pytest

from tests.fakes.databases import database

__all__ = ["database"]


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"
