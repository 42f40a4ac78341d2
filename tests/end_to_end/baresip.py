"""baresip as a caller: a correct telephone of another make, run headless from async tests.

baresip 1.0 (Debian) is steered over its ctrl_tcp module: JSON in netstrings on a loopback port.
It sends keys as telephone-events (RFC 4733), 180 ms each and 240 ms from one to the next.
"""

import asyncio
import contextlib
import json
import socket
import wave
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_MODULES: Final = Path("/usr/lib/baresip/modules")
_START_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 20.0
_QUIT_SECONDS: Final = 5.0
_REGISTER_SECONDS: Final = 60
_SILENCE_SECONDS: Final = 600
"""baresip hangs up at the end of its audio file, so the file outlasts any test."""

_CONFIG: Final = """\
poll_method epoll
sip_listen 127.0.0.1:{sip_port}
net_interface 127.0.0.1
audio_source aufile,{silence}
audio_player aubridge,unheard
audio_alert aubridge,unheard
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
module_path {modules}
module aubridge.so
module aufile.so
module g711.so
module srtp.so
rtcp_mux yes
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
ringback_disabled yes
menu_bell no
"""

Event = dict[str, Any]


class BaresipError(Exception):
    """baresip is not there, refused a command, or did nothing in time."""


class Baresip:
    """One baresip. Its methods raise BaresipError, also when nothing happens in time."""

    def __init__(
        self, process: Process, stream: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        """Take a running baresip and a connection to its control port; `start` makes both."""
        self._process = process
        self._reader, self._writer = stream
        self._kept: deque[Event] = deque()
        self.tls_port = 0
        """Where it is called over TLS."""
        self._directory = Path()
        self._server = ""
        self._transport = "udp"

    @classmethod
    async def start(
        cls,
        directory: Path,
        server: str,
        *,
        user: str = "baresip",
        password: str = "",
        register: bool = False,
        codecs: str = "pcma,pcmu",
        transport: str = "udp",
        ca: Path | None = None,
        certificate: Path | None = None,
        encryption: str = "",
        record: bool = False,
    ) -> Self:
        """Start baresip as `user` of `server` ("host:port"), configured in `directory`.

        With `register`, return when it has registered. `ca` are the authorities that it
        believes over TLS, `certificate` what it shows there (PEM, with its key). `encryption`
        of media is `srtp` (offered), `srtp-mand` (or no call) or none. With `record`, what
        it hears is left in files (`heard`).
        """
        control_port, sip_port = _write_config(directory, ca, certificate, record=record)
        log = directory / "baresip.log"
        with log.open("wb") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    "baresip", "-f", str(directory), stdin=DEVNULL, stdout=output, stderr=STDOUT
                )
            except FileNotFoundError as error:
                raise BaresipError("baresip is not installed") from error
        try:
            async with asyncio.timeout(_START_SECONDS):
                stream = await _connect(process, control_port)
        except (TimeoutError, BaresipError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise BaresipError(f"baresip did not start:\n{log.read_text()}") from error
        baresip = cls(process, stream)
        baresip.tls_port = sip_port + 1
        baresip._directory = directory
        baresip._server = server
        baresip._transport = transport
        try:
            await baresip._create_user(user, password, codecs, encryption, register=register)
        except BaseException:
            await baresip.close()
            raise
        return baresip

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def dial(self, number: str) -> None:
        """Begin to call `number` at the server."""
        parameter = "" if self._transport == "udp" else f";transport={self._transport}"
        await self._command("dial", f"sip:{number}@{self._server}{parameter}")

    async def call(self, number: str) -> None:
        """Call `number` at the server and wait for the answer."""
        await self.dial(number)
        event = await self.wait_for("CALL_ESTABLISHED", "CALL_CLOSED")
        if event["type"] == "CALL_CLOSED":
            raise BaresipError(f"the call was not answered: {event.get('param')}")

    @property
    def address(self) -> str:
        """Where it listens, `host:port`."""
        config = (self._directory / "config").read_text()
        [line] = [one for one in config.splitlines() if one.startswith("sip_listen ")]
        return line.split()[1]

    @property
    def heard(self) -> list[Path]:
        """What it has heard in each of its calls, by the time they began."""
        return sorted(self._directory.glob("dump-*-dec.wav"))

    async def transfer(self, uri: str) -> None:
        """Ask the other side to call `uri` instead (REFER)."""
        await self._command("transfer", uri)

    async def take(self) -> None:
        """Wait for a call and answer it."""
        await self.wait_for("CALL_INCOMING")
        await self._command("accept")
        await self.wait_for("CALL_ESTABLISHED")

    async def press(self, keys: str) -> None:
        """Begin to press `keys`; baresip does not tell when it has sent them."""
        await self._command("sndcode", keys)

    async def hang_up(self) -> None:
        """End the call."""
        await self._command("hangup")
        await self.wait_for("CALL_CLOSED")

    async def wait_for(self, *types: str, within: float = _ANSWER_SECONDS) -> Event:
        """Return the first event of one of `types` that was not returned before.

        Types are baresip's: CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED, REGISTER_OK …
        """
        for event in self._kept:
            if event["type"] in types:
                self._kept.remove(event)
                return event
        with _in_time(within, " or ".join(types)):
            async with asyncio.timeout(within):
                while True:
                    message = await self._read()
                    if message.get("type") in types:
                        return message
                    if message.get("event"):
                        self._kept.append(message)

    async def close(self) -> None:
        """Hang up and end baresip; kill it if it does not end soon."""
        with contextlib.suppress(OSError, BaresipError):
            await self._command("quit")
        self._writer.close()
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _create_user(
        self, user: str, password: str, codecs: str, encryption: str, *, register: bool
    ) -> None:
        """Make the user agent; with `register`, wait until it has registered.

        Not by a file of accounts: it would register before anyone listens for the event.
        """
        await self._command(
            "uanew",
            f"<sip:{user}@{self._server};transport={self._transport}>;auth_pass={password}"
            f";regint={_REGISTER_SECONDS if register else 0};audio_codecs={codecs}"
            + (f";mediaenc={encryption}" if encryption else ""),
        )
        if register:
            event = await self.wait_for("REGISTER_OK", "REGISTER_FAIL")
            if event["type"] == "REGISTER_FAIL":
                raise BaresipError(f"not registered: {event.get('param')}")

    async def _command(self, name: str, parameters: str = "") -> None:
        """Send a command and wait for its response; events that come before are kept."""
        command = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._writer.write(b"%d:%s," % (len(command), command))
        with _in_time(_ANSWER_SECONDS, f"response to {name}"):
            async with asyncio.timeout(_ANSWER_SECONDS):
                while True:
                    message = await self._read()
                    if message.get("response") and message.get("token") == name:
                        break
                    if message.get("event"):
                        self._kept.append(message)
        if not message["ok"]:
            raise BaresipError(f"{name}: {message['data']}")

    async def _read(self) -> Event:
        """Return the next message, a netstring of JSON."""
        try:
            length = int((await self._reader.readuntil(b":"))[:-1])
            data = await self._reader.readexactly(length + 1)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise BaresipError("baresip has ended") from error
        message: Event = json.loads(data[:-1])
        return message


@contextlib.contextmanager
def _in_time(seconds: float, what: str) -> Any:
    try:
        yield
    except TimeoutError as error:
        raise BaresipError(f"no {what} from baresip within {seconds:g} s") from error


def _write_config(
    directory: Path, ca: Path | None, certificate: Path | None, *, record: bool
) -> tuple[int, int]:
    """Write baresip's files to `directory`; return the control and SIP ports they name."""
    silence = directory / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * _SILENCE_SECONDS))
    control_port, sip_port = _free_ports()
    config = _CONFIG.format(
        sip_port=sip_port, control_port=control_port, silence=silence, modules=_MODULES
    )
    if record:
        config += f"module sndfile.so\nsnd_path {directory}\n"
    if ca is not None:
        config += f"sip_cafile {ca}\n"
    if certificate is not None:
        config += f"sip_certificate {certificate}\n"
    (directory / "config").write_text(config)
    (directory / "contacts").write_text("")
    return control_port, sip_port


def _free_ports() -> tuple[int, int]:
    """Return a free TCP port, and one that is free with the next: baresip adds TLS there."""
    while True:
        with contextlib.ExitStack() as held:
            control, sip, tls = (
                held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                for _ in range(3)
            )
            sip_udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            control.bind(("127.0.0.1", 0))
            sip.bind(("127.0.0.1", 0))
            control_port, sip_port = control.getsockname()[1], sip.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                sip_udp.bind(("127.0.0.1", sip_port))
                tls.bind(("127.0.0.1", sip_port + 1))
                return control_port, sip_port


async def _connect(
    process: Process, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the control port as soon as baresip listens there."""
    ended = asyncio.ensure_future(process.wait())
    try:
        while not ended.done():
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.wait({ended}, timeout=0.02)
    finally:
        ended.cancel()
    raise BaresipError("baresip ended")
