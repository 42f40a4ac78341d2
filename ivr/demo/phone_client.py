"""The other end of `ivr.demo.phone`: a phone in a process of its own, as an object.

phone = await Phone.start("127.0.0.1:5060", "debtor", "secret", record=Path("heard.wav"))
await phone.register()
await phone.call("+33187210001")
await phone.press("4242#")
heard = await phone.wait_for("hung-up")
await phone.close()
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_PASSWORD_VARIABLE: Final = "SOLDE_PHONE_PASSWORD"
_ANSWER_SECONDS: Final = 20.0
_QUIT_SECONDS: Final = 5.0

Event = dict[str, Any]


class PhoneError(Exception):
    """The phone could not do what it was told; the message says what and why."""


class CallRefusedError(PhoneError):
    """The far end refused the call."""

    def __init__(self, status: int, reason: str, retry_after: str | None) -> None:
        """`status` and `reason` are of SIP; `retry_after` is that header's value, if any."""
        super().__init__(f"the call was refused: {status} {reason}")
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Phone:
    """One phone. Its methods raise PhoneError, also when nothing happens in time."""

    def __init__(self, process: Process) -> None:
        """Take a process that runs `ivr.demo.phone`; `Phone.start` makes one."""
        self._process = process
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._passed: list[Event] = []
        self._errors = bytearray()
        self._tasks = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_errors()),
        ]

    @classmethod
    async def start(
        cls,
        registrar: str,
        user: str,
        password: str,
        *,
        record: Path,
        number: str | None = None,
    ) -> Self:
        """Start a phone of `user` at `registrar` ("host:port"); what it hears goes to `record`.

        `number` is what `call()` calls when it is given none.
        """
        arguments = ["--registrar", registrar, "--user", user, "--record", str(record)]
        if number is not None:
            arguments += ["--number", number]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ivr.demo.phone",
            "--password-env",
            _PASSWORD_VARIABLE,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, _PASSWORD_VARIABLE: password},
        )
        return cls(process)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def register(self) -> None:
        """Register with the registrar."""
        self._tell({"do": "register"})
        await self.wait_for("registered")

    async def call(self, number: str | None = None) -> None:
        """Call `number` and wait for the answer. Raise CallRefusedError when refused."""
        self._tell({"do": "call"} if number is None else {"do": "call", "number": number})
        event = await self.wait_for("answered", "refused")
        if event["event"] == "refused":
            raise CallRefusedError(event["status"], event["reason"], event["retry_after"])

    def take_calls(self) -> None:
        """Answer who calls, from now on: `ringing` and `answered` follow."""
        self._tell({"do": "take_calls"})

    async def press(
        self,
        keys: str,
        *,
        press_ms: int = 100,
        gap_ms: int = 80,
        tones: str = "events",
    ) -> int:
        """Press `keys`, one after another, and return how many were sent.

        All, unless the call ended before. `tones` is `events` (RFC 4733) or `in-band`.
        """
        self._tell(
            {"do": "keys", "keys": keys, "press_ms": press_ms, "gap_ms": gap_ms, "tones": tones}
        )
        within = len(keys) * (press_ms + gap_ms) / 1000 + _ANSWER_SECONDS
        event = await self.wait_for("keys-sent", within=within)
        count: int = event["count"]
        return count

    async def hang_up(self) -> Event:
        """End the call; return the `hung-up` event."""
        self._tell({"do": "hang_up"})
        return await self.wait_for("hung-up")

    async def wait_for(self, *names: str, within: float = _ANSWER_SECONDS) -> Event:
        """Return the first event of one of `names` that no call of this method returned yet.

        Other events are kept for later calls. Raise PhoneError on an `error` event, when the
        phone has ended, and when `within` seconds have passed.
        """
        for event in self._passed:
            if event["event"] in names:
                self._passed.remove(event)
                return event
        try:
            async with asyncio.timeout(within):
                while True:
                    event_or_end = await self._events.get()
                    if event_or_end is None:
                        self._events.put_nowait(None)
                        raise PhoneError(f"the phone ended: {self._last_words()}")
                    if event_or_end["event"] in names:
                        return event_or_end
                    if event_or_end["event"] == "error":
                        raise PhoneError(f"{event_or_end['do']}: {event_or_end['reason']}")
                    self._passed.append(event_or_end)
        except TimeoutError as error:
            met = ", ".join(event["event"] for event in self._passed) or "nothing"
            raise PhoneError(
                f"no {' or '.join(names)} within {within:g} s (but {met}) {self._last_words()}"
            ) from error

    async def close(self) -> None:
        """Hang up, deregister and end the process; kill it if it does not end soon."""
        with contextlib.suppress(PhoneError):
            self._tell({"do": "quit"})
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _tell(self, command: Event) -> None:
        if self._process.stdin is None or self._process.returncode is not None:
            raise PhoneError(f"the phone ended: {self._last_words()}")
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _read_events(self) -> None:
        if self._process.stdout is not None:
            async for line in self._process.stdout:
                self._events.put_nowait(json.loads(line))
        self._events.put_nowait(None)

    async def _read_errors(self) -> None:
        if self._process.stderr is not None:
            async for line in self._process.stderr:
                self._errors += line

    def _last_words(self) -> str:
        return self._errors.decode(errors="replace").strip()[-500:]
