"""Whole calls take their time, so they are made side by side, before the other tests."""

from pathlib import Path

import pytest

from tests.end_to_end.side_by_side import scenario_of, side_by_side

__all__ = ["side_by_side"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let nothing that needs the machine for itself run while scenarios do."""
    here = [i for i, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ours = sorted((items[i] for i in here), key=lambda item: scenario_of(item) is None)
    for i, item in zip(here, ours, strict=True):
        items[i] = item
