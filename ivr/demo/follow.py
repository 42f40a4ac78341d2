"""Following a call by the monitor's events, and answering it as the debtor does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ivr.demo.debtor import Debtor
from ivr.demo.phone_client import Phone
from ivr.demo.watcher import events
from ivr.vocabulary import EventType, Step

Say = Callable[[str], None]
Event = dict[str, Any]

_LISTENS = 2.0  # seconds of a question after which the debtor keys
_LISTENS_TO_THE_AMOUNT = 6.5


async def _nothing_else(_event: Event) -> None:
    """Leave all to the debtor."""


async def watch(client: Any, heard: asyncio.Queue[Event]) -> None:
    """Put each event of the stream into `heard`, for ever."""
    async for event in events(client):
        heard.put_nowait(event)


async def converse(
    phone: Phone,
    debtor: Debtor,
    heard: asyncio.Queue[Event],
    say: Say,
    also: Callable[[Event], Awaitable[None]] = _nothing_else,
) -> list[Event]:
    """Answer each question once it has been heard for a while, until the call ends.

    `also` is what else happens at an event. Return all events.
    """
    told: list[Event] = []
    step: Step | None = None
    asked = False
    ended: set[str] = set()
    while not ended >= {EventType.CALL_ENDED, EventType.TRANSACTION_ENDED}:
        patience = _LISTENS_TO_THE_AMOUNT if step in (Step.AMOUNT, Step.CONFIRM) else _LISTENS
        try:
            async with asyncio.timeout(patience if asked else None):
                event = await heard.get()
        except TimeoutError:
            asked = False
            answer = debtor.answer(step) if step else None
            for keys in answer or ():
                await phone.press(keys.keys, gap_ms=keys.gap_ms)
            continue
        told.append(event)
        _tell(event, say)
        await also(event)
        ended.add(event["type"])
        if event["type"] == EventType.STEP_ENTERED:
            step = Step(event["step"])
        asked = asked or event["type"] == EventType.PROMPT_PLAYED
    return told


def _tell(event: Event, say: Say) -> None:
    data = event["data"]
    if event["type"] == EventType.PROMPT_PLAYED:
        return
    details = "  ".join(f"{name}={value}" for name, value in data.items())
    say(f"{event['at'][11:23]}  {event['type']:24}{event['step'] or '':22}{details}")
