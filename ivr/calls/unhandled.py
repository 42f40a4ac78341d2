"""Faults that nobody has caught, told by type and place.

A message may hold a key, and a traceback's locals a card; Twisted, asyncio and Python itself
would print them.
"""

import asyncio
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast

import structlog
from twisted.logger import ILogObserver, LogEvent, STDLibLogObserver, globalLogBeginner

from ivr.faults import place

_log = structlog.get_logger(__name__)
_to_logging = STDLibLogObserver()


def of_twisted(event: LogEvent) -> None:
    """Pass an event of Twisted's log on; of a failure, type and place."""
    failure = event.get("log_failure")
    if failure is None:
        _to_logging(event)
    else:
        _log.error("fault.unhandled", where="twisted", **place(failure.value))


def of_asyncio(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Tell what a loop's exception handler is told."""
    told = place(context.get("exception"))
    _log.error("fault.unhandled", where="asyncio", what=context["message"], **told)


def tell_safely(loop: asyncio.AbstractEventLoop) -> None:
    """From now on tell every fault of this process in this way."""
    loop.set_exception_handler(of_asyncio)
    globalLogBeginner.beginLoggingTo(
        [cast("ILogObserver", of_twisted)], redirectStandardIO=False, discardBuffer=True
    )
    sys.excepthook = _of_python
    sys.unraisablehook = lambda hint: _told(hint.exc_value)
    threading.excepthook = lambda hint: _told(hint.exc_value)


def _of_python(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    _told(error)


def _told(error: BaseException | None) -> None:
    _log.critical("fault.unhandled", where="python", **place(error))
