"""The other end of `ivr.demo.pbx`: an exchange in a process of its own, as an object."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

_PASSWORDS_VARIABLE = "SOLDE_PBX_PASSWORDS"
_SECONDS = 20.0


class PbxError(Exception):
    """The exchange could not do what it was told; the message says why."""


class PbxProcess:
    """One exchange. An async context manager; `start` makes one."""

    def __init__(self, process: Process, port: int) -> None:
        self.target = f"127.0.0.1:{port}"
        """Where phones register and trunks call, `host:port`."""
        self._process = process

    @classmethod
    async def start(cls, outside: str, passwords: Mapping[str, str]) -> Self:
        """Start an exchange with these extensions, whose other numbers go to `outside`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ivr.demo.pbx",
            "--outside",
            outside,
            "--passwords-env",
            _PASSWORDS_VARIABLE,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**os.environ, _PASSWORDS_VARIABLE: json.dumps(dict(passwords))},
        )
        event = await _next(process, "ready")
        return cls(process, event["port"])

    async def transfer(self, extension: str, target: str) -> None:
        """Transfer who speaks with `extension` to `target`, blindly. Raise `PbxError`."""
        self._tell({"do": "transfer", "from": extension, "to": target})
        await _next(self._process, "transferred")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        if self._process.returncode is None:
            self._tell({"do": "quit"})
        try:
            async with asyncio.timeout(_SECONDS):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _tell(self, command: dict[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")


async def _next(process: Process, name: str) -> dict[str, Any]:
    """Return the next event of this name. Raise `PbxError` for an error or none in time."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_SECONDS):
            async for line in process.stdout:
                event: dict[str, Any] = json.loads(line)
                if event["event"] == name:
                    return event
                if event["event"] == "error":
                    raise PbxError(event["reason"])
    except TimeoutError:
        raise PbxError(f"no {name} within {_SECONDS:g} s") from None
    raise PbxError("the exchange has ended")
