"""Shared by all tests: plain `async def` tests run as asyncio tasks under Twisted."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import pytest_twisted
from hypothesis import settings
from twisted.internet.defer import Deferred

# A loaded machine is slow, not wrong.
settings.register_profile("solde", deadline=None)
settings.load_profile("solde")


def _on_the_reactor(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Deferred[None]]:
    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(test(*args, **kwargs)))

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _on_the_reactor(item.obj)


__all__ = ["pytest_twisted"]
