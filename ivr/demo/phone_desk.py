"""The desk a phone stands on: commands in, events out, one JSON object a line.

    {"do": "register"}
    {"do": "call", "number": "+33187210001"}
    {"do": "keys", "keys": "4242#", "press_ms": 100, "gap_ms": 80, "tones": "events"}
    {"do": "take_calls"}
    {"do": "hang_up"}
    {"do": "quit"}

`number` may be left out where the phone was started with one; `tones` may be `in-band`. The
events are `registered`, `ringing` (somebody calls), `answered`, `refused` (with `status`,
`reason`, `retry_after`), `keys-sent` (with `count`), `hung-up` (with `by`, `near` or `far`,
`heard`, the WAV file, and `events`, how many packets of keys came) and `error` (with `do` and
`reason`). No event carries a key's value.
"""

import contextlib
import json
import threading
from collections.abc import Iterable
from typing import Any, Final, Protocol

_WRITING: Final = threading.Lock()
_THAT_WAIT: Final = ("register", "call")


class CallRefusedError(Exception):
    """A call ended without an answer, and that was reported where it was seen."""


class Telephone(Protocol):
    """What a phone can be told. Each method raises ValueError or OSError when it cannot."""

    def log_in(self) -> None:
        """Register; return when registered."""

    def dial(self, number: str) -> None:
        """Call `number`; return when the far end is heard of. May raise CallRefusedError."""

    def take_calls(self) -> None:
        """Answer who calls, from now on."""

    def press(self, keys: str, press_ms: int, gap_ms: int, tones: str) -> None:
        """Begin to press `keys`, after those still being pressed."""

    def hang_up(self) -> None:
        """End the call."""


def report(event: str, **details: object) -> None:
    """Write one event, from whatever thread it happens in."""
    with _WRITING:
        print(json.dumps({"event": event, **details}), flush=True)


def serve(phone: Telephone, lines: Iterable[str], number: str | None) -> None:
    """Carry out the commands of `lines` until `quit`, their end, or an interrupt.

    Commands that wait for the far end do so in threads, so that `quit` is always heard.
    """
    defaults = {} if number is None else {"number": number}
    with contextlib.suppress(KeyboardInterrupt):
        for line in lines:
            try:
                command = {**defaults, **json.loads(line)}
            except (TypeError, ValueError):
                report("error", do=None, reason="not a JSON object")
                continue
            if command.get("do") == "quit":
                return
            if command.get("do") in _THAT_WAIT:
                threading.Thread(target=_obey, args=(phone, command), daemon=True).start()
            else:
                _obey(phone, command)


def _obey(phone: Telephone, command: dict[str, Any]) -> None:
    """Carry out `command`; what goes wrong becomes an event that quotes none of it."""
    do = command.get("do")
    try:
        match do:
            case "register":
                phone.log_in()
            case "call":
                phone.dial(command["number"])
            case "keys":
                phone.press(
                    command["keys"],
                    command.get("press_ms", 100),
                    command.get("gap_ms", 80),
                    command.get("tones", "events"),
                )
            case "take_calls":
                phone.take_calls()
            case "hang_up":
                phone.hang_up()
            case _:
                report("error", do=None, reason="unknown command")
    except CallRefusedError:
        return
    except KeyError as missing:
        report("error", do=do, reason=f"{missing} is missing")
    except TypeError:
        report("error", do=do, reason="a value has the wrong type")
    except (ValueError, OSError) as error:
        report("error", do=do, reason=str(error) or type(error).__name__)
