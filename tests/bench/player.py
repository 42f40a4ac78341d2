"""The callers' media, in a process of its own: they talk, key and listen over plain UDP.

SIPp plays captures from raw sockets, and the kernel shows each of those every packet that
anybody sends over loopback: with 500 calls a fifth of the server's time. Here each caller has
an ordinary socket, connected to the server's port once its first packet has told it.

`python -m tests.bench.player` reads a job in JSON, writes a line when it can be called, and
plays until its input is closed; then it writes how punctually prompts came.
"""

import asyncio
import contextlib
import gc
import json
import select
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.bench.sink import BUFFER, HOST, allow_many_sockets, media_sink
from tests.end_to_end.keypad_pcap import INTERVAL_MS, Impairment, Packet, impaired, key_packets

Script = Sequence[tuple[float, str]]
"""Seconds from the first packet heard, and the keys pressed from then on."""

_PHASES = 20
_STEP = INTERVAL_MS / 1000 / _PHASES
_PUNCTUAL = 0.010
_SAMPLE = 10
"""Every tenth caller notes when packets came; the kernel drops what the others get."""
_GONE = 25
"""So many packets refused in a row: the server has hung up."""
_TIMESTAMPS = 35
"""SO_TIMESTAMPNS_OLD of Linux: the kernel's time of each datagram."""
_TIMESPEC = struct.Struct("@qq")
_SSRC = 1
_NETWORK = Impairment(lost=0.02, repeated=0.02, reordered=0.02)


@dataclass(frozen=True, slots=True)
class Job:
    """Callers at even ports from `first_port` on, one for each script."""

    first_port: int
    scripts: Sequence[Script]
    seconds: float
    """How long they talk at most."""


@dataclass(slots=True)
class Heard:
    """What sampled callers heard, by the time at which the kernel had it."""

    packets: int = 0
    punctual: int = 0
    """Within 10 ms of the most punctual packet of the same call."""
    worst_ms: float = 0.0
    player_worst_ms: float = 0.0
    """The player's own greatest lateness: beyond some 20 ms it is the load that stumbles."""

    @property
    def share(self) -> float:
        """Share of packets that were punctual."""
        return self.punctual / self.packets if self.packets else 0.0


@asynccontextmanager
async def player(job: Job) -> AsyncIterator[Heard]:
    """Let callers wait for the server's packets; the result is filled in at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.player",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    heard = Heard()
    process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the player of the callers' media did not start")
        with media_sink(job.first_port + 1, len(job.scripts)):
            yield heard
    finally:
        process.stdin.close()
        told = await process.stdout.read()
        await process.wait()
    for name, value in json.loads(told).items():
        setattr(heard, name, value)


@dataclass(slots=True)
class _Caller:
    """One caller's socket and what is still to be sent, 20 ms after 20 ms."""

    socket: socket.socket
    talk: Iterator[tuple[bytes, ...]]
    sampled: bool
    refused: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """Seconds, and the RTP timestamp of what came then."""

    def speak(self) -> bool:
        """Send what is due; False when the call is over."""
        try:
            for packet in next(self.talk, ()):
                self.socket.send(packet)
        except ConnectionRefusedError:
            self.refused += 1
            return self.refused < _GONE
        self.refused = 0
        return True

    def hear(self) -> None:
        """Note when the packets came that are there."""
        with contextlib.suppress(OSError):
            while True:
                packet, notes, _, _ = self.socket.recvmsg(2048, 64)
                seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2])
                timestamp = int.from_bytes(packet[4:8], "big")
                self.arrivals.append((seconds + nanoseconds / 1e9, timestamp))


class _Player:
    """All callers: those who wait for the first packet, and those who talk."""

    def __init__(self, job: Job) -> None:
        self._epoll = select.epoll()
        self._epoll.register(sys.stdin, select.EPOLLIN)
        self._waiting: dict[int, _Caller] = {}
        self._phases: list[list[_Caller]] = [[] for _ in range(_PHASES)]
        self._sampled: list[_Caller] = []
        self._worst = 0.0
        for number, talk in enumerate(_talks(job)):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sampled = number % _SAMPLE == 0
            if sampled:
                sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.bind((HOST, job.first_port + 2 * number))
            self._epoll.register(sock, select.EPOLLIN)
            self._waiting[sock.fileno()] = _Caller(sock, iter(talk), sampled)

    def run(self) -> Heard:
        """Play until the input is closed."""
        begin = time.monotonic()
        beat = 0
        while self._greet(self._phases[beat % _PHASES]):
            for caller in self._phases[beat % _PHASES][:]:
                if not caller.speak():
                    self._phases[beat % _PHASES].remove(caller)
                if caller.sampled:
                    caller.hear()
            beat += 1
            early = begin + beat * _STEP - time.monotonic()
            if early > 0:
                time.sleep(early)
            self._worst = max(self._worst, -early)
        return self._heard()

    def _greet(self, phase: list[_Caller]) -> bool:
        """Let who hears the server for the first time begin; False when the input is closed."""
        for descriptor, _ in self._epoll.poll(0):
            if descriptor == sys.stdin.fileno():
                return False
            self._epoll.unregister(descriptor)
            caller = self._waiting.pop(descriptor)
            caller.socket.connect(caller.socket.recvfrom(2048)[1])
            phase.append(caller)
            if caller.sampled:
                self._sampled.append(caller)
        return True

    def _heard(self) -> Heard:
        heard = Heard(player_worst_ms=1000 * self._worst)
        for caller in self._sampled:
            if not caller.arrivals:
                continue
            first = caller.arrivals[0][1]
            offsets = [
                at - (timestamp - first & 0xFFFFFFFF) / 8000
                for at, timestamp in caller.arrivals
            ]
            late = [offset - min(offsets) for offset in offsets]
            heard.packets += len(late)
            heard.punctual += sum(1 for one in late if one <= _PUNCTUAL)
            heard.worst_ms = max(heard.worst_ms, 1000 * max(late))
        return heard


def _talks(job: Job) -> Iterator[list[tuple[bytes, ...]]]:
    """Yield what each caller sends in each 20 ms; the audio is the same for all."""
    audio: list[tuple[bytes, ...]] = [
        (packet.to_bytes(_SSRC),)
        for packet in key_packets((), tail_ms=round(1000 * job.seconds))
    ]
    for number, script in enumerate(job.scripts):
        yield _keyed(audio, script, number) if script else audio


def _keyed(
    audio: Sequence[tuple[bytes, ...]], script: Script, number: int
) -> list[tuple[bytes, ...]]:
    """Return `audio` with the keys of `script` in it, as network `number` brings them."""
    first, *keys = key_packets([(at, keys) for at, keys in script], gap_ms=100, audio=False)
    events = [replace(key, sequence=first.sequence + _tick(key)) for key in keys]
    talk = list(audio)
    for event in events:
        talk[_tick(event)] = ()
    for event in impaired(events, replace(_NETWORK, seed=number)):
        talk[_tick(event)] += (event.to_bytes(_SSRC),)
    return talk


def _tick(packet: Packet) -> int:
    return int(packet.at // INTERVAL_MS)


def _main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    allow_many_sockets()
    playing = _Player(Job(**given))
    gc.disable()
    print("ready", flush=True)
    print(json.dumps(asdict(playing.run())))


if __name__ == "__main__":
    _main()
