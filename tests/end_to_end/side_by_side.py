"""Scenarios that spend their time waiting run side by side, and are tests all the same.

    @alongside
    async def test_a_debtor_pays(folder: Path) -> None: …

All that pytest has selected begin with the first of them, a few at a time, each in a folder
of its own. Each test then ends as its scenario does.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

Scenario = Callable[[Path], Coroutine[Any, Any, None]]

_AT_ONCE = 4
"""Each keeps about a third of a core busy."""
_SCENARIO = "scenario"


class SideBySide:
    """The scenarios of a session."""

    def __init__(self, scenarios: Sequence[Scenario], folders: pytest.TempPathFactory) -> None:
        self._scenarios = scenarios
        self._folders = folders
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[Scenario, asyncio.Task[None]] = {}

    async def end(self, scenario: Scenario) -> None:
        """Wait for the end of one; the first who waits begins them all."""
        if not self._running:
            self._running = {
                one: asyncio.create_task(self._run(one)) for one in self._scenarios
            }
        await self._running[scenario]

    async def cancel(self) -> None:
        """End those that nobody waits for any more."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self, scenario: Scenario) -> None:
        async with self._gate:
            await scenario(self._folders.mktemp(scenario.__name__[:40]))


def alongside(scenario: Scenario) -> Callable[[SideBySide], Coroutine[Any, Any, None]]:
    """Make a test of `scenario`."""

    async def test(side_by_side: SideBySide) -> None:
        await side_by_side.end(scenario)

    for name in ("__doc__", "__module__", "__name__", "__qualname__"):
        setattr(test, name, getattr(scenario, name))
    setattr(test, _SCENARIO, scenario)
    return test


def scenario_of(item: pytest.Item) -> Scenario | None:
    """Return the scenario that a test is made of, if it is."""
    found: Scenario | None = getattr(getattr(item, "obj", None), _SCENARIO, None)
    return found


@pytest.fixture(scope="session")
def side_by_side(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SideBySide]:
    """The scenarios that pytest has selected."""
    selected = [found for item in request.session.items if (found := scenario_of(item))]
    made = SideBySide(selected, tmp_path_factory)
    yield made
    ended = asyncio.ensure_future(made.cancel())
    pytest_twisted.blockon(Deferred.fromFuture(ended))
