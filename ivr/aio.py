"""The one place where asyncio's coroutines meet Twisted's Deferreds.

SQLAlchemy, httpx and the gateways are asyncio; the journey and the calls are Twisted
on the asyncio reactor. Awaiting one inside the other without this bridge fails.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

_T = TypeVar("_T")


def deferred(coroutine: Coroutine[Any, Any, _T]) -> Deferred[_T]:
    """Start an asyncio coroutine as a task; cancelling the Deferred cancels the task."""
    return Deferred.fromFuture(asyncio.ensure_future(coroutine))


def future(waiting: "Deferred[_T]") -> "asyncio.Future[_T]":
    """Return a Deferred's result as a future of the running loop."""
    return waiting.asFuture(asyncio.get_running_loop())
