"""What a stage tells on its event stream, for tests to wait on."""

import asyncio
from types import TracebackType
from typing import Any, Self

from ivr.demo.stage import Stage
from ivr.demo.watcher import events
from ivr.vocabulary import EventType

Event = dict[str, Any]

PATIENCE = 90.0
"""Seconds until a wait gives up: far more than an idle machine needs."""


class NothingHappenedError(AssertionError):
    """What was waited for did not come; the message tells the last events."""


class EventLog:
    """All events of a ledger, from the first, as one reader of the stream gets them."""

    def __init__(self, stage: Stage) -> None:
        """Take the stage whose monitor is read."""
        self.events: list[Event] = []
        self._stage = stage
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def all(self, kind: EventType, **wanted: str | None) -> list[Event]:
        """Return the events of `kind` so far; `wanted` are their own fields or their data's."""
        return [event for event in self.events if _is(event, kind, wanted)]

    async def wait_for(
        self, kind: EventType, *, after: int = 0, count: int = 1, **wanted: str | None
    ) -> Event:
        """Return the `count`-th such event with an id above `after`, once it is there."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = [e for e in self.all(kind, **wanted) if e["id"] > after]
                    if len(found) >= count:
                        return found[count - 1]
                    self._check_reading()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            last = [f"{e['type']} {e['step']} {e['data']}" for e in self.events[-8:]]
            raise NothingHappenedError(
                f"no {kind} {wanted or ''} after event {after}; the last: {last}"
            ) from None

    def _check_reading(self) -> None:
        if self._reading is not None and self._reading.done():
            self._reading.result()
            raise NothingHappenedError("the event stream has ended")

    async def _read(self) -> None:
        try:
            async with self._stage.client() as client:
                async for event in events(client):
                    self.events.append(event)
                    self._news.set()
        finally:
            self._news.set()


def _is(event: Event, kind: EventType, wanted: dict[str, str | None]) -> bool:
    return event["type"] == kind and all(
        (event[name] if name in event else event["data"].get(name)) == value
        for name, value in wanted.items()
    )
