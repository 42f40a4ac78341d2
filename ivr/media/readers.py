"""Many sockets read together: one look each few milliseconds, not a wake-up for each packet.

A thousand callers who key send thousands of packets a second. To wake, to find out for
whom, and to go to sleep again costs more than to read one; a key can wait for 5 ms.
"""

import selectors
from collections.abc import Callable
from typing import Any

import structlog

from ivr.clock import Clock, DelayedCall
from ivr.faults import place
from ivr.media.udp import Reader

PERIOD = 0.005

_log = structlog.get_logger(__name__)


class Readers:
    """What sockets need of a reactor (`SocketReactor`), on the timers of `clock`.

    Each reader reads once in a period at most, so that a flood on one leg neither starves
    the others nor costs more than they do. The timer runs only while there are readers.
    """

    def __init__(self, clock: Clock) -> None:
        self.seconds: Callable[[], float] = clock.seconds
        self.callLater: Callable[..., DelayedCall] = clock.callLater
        self._selector = selectors.DefaultSelector()
        self._call: DelayedCall | None = None

    def addReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        """Call `reader.doRead` when its descriptor can be read. Raise `OSError`."""
        self._selector.register(reader.fileno(), selectors.EVENT_READ, reader)
        if self._call is None:
            self._call = self.callLater(PERIOD, self._look)

    def removeReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        """Stop doing so; its descriptor must still be open."""
        self._selector.unregister(reader.fileno())
        if self._call is not None and not self._selector.get_map():
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        # Anew before reading: what a packet brings may remove the last reader.
        self._call = self.callLater(PERIOD, self._look)
        for key, _ in self._selector.select(0):
            reader: Any = key.data
            try:
                reader.doRead()
            except Exception as error:  # noqa: BLE001 - the others are still to be read
                _log.error("media.read_failed", **place(error))
