"""Somebody on the wire: Wireshark's dumpcap takes down every packet, tshark reads what it can.

Both come with the Debian package tshark. Capturing needs root, or the right to run dumpcap.
"""

import asyncio
import csv
import io
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivr.media.g711 import FRAME, Codec, decode

_START_SECONDS: Final = 20.0
_KEYS: Final = "0123456789*#ABCD"
_PCMA: Final = "8"
_LEAST_PACKETS: Final = 3
"""Of one key press, that have to name the same key: its end alone comes three times."""
_RTP: Final = ("udp.srcport", "rtp.p_type", "rtp.ssrc", "rtp.seq", "rtp.timestamp")


class EavesdropperError(Exception):
    """Nothing can be captured or read here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class RtpRow:
    """An RTP packet as tshark shows it: header fields as text, the payload when it is audio."""

    from_port: int
    payload_type: str
    ssrc: str
    sequence: int
    timestamp: str
    event: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """What was taken down: `file` is a pcapng, `rtp` the ports that may carry audio."""

    file: Path
    rtp: range
    telephone_event: int
    decode_as: tuple[str, ...]

    @property
    def octets(self) -> bytes:
        """The whole file, whatever is in it."""
        return self.file.read_bytes()

    async def count(self, display_filter: str) -> int:
        """Return how many packets tshark shows for a display filter."""
        return len(await self._read("-Y", display_filter, "-T", "fields", "-e", "frame.number"))

    async def packets(self) -> list[RtpRow]:
        """Return what has an RTP header, which SRTP leaves in the clear."""
        fields = [*_RTP, "rtpevent.event_id", "rtp.payload"]
        shown = [word for field in fields for word in ("-e", field)]
        rows = await self._read("-Y", "rtp && rtp.version == 2", "-T", "fields", *shown)
        return [_row(row) for row in rows if len(row) == len(fields)]

    async def keyed(self) -> str:
        """Return each key that all telephone-events of one press name alike."""
        presses: dict[tuple[str, str], list[str]] = defaultdict(list)
        for packet in await self.packets():
            if packet.payload_type == str(self.telephone_event):
                presses[packet.ssrc, packet.timestamp].append(packet.event)
        read = ""
        for events in presses.values():
            named = {int(event) for event in events if event}
            if len(events) >= _LEAST_PACKETS and len(named) == 1 and max(named) < len(_KEYS):
                read += _KEYS[named.pop()]
        return read

    async def likeness(self, frames: Sequence[bytes]) -> float:
        """Return how like `frames` of A-law the audio of our side is at the best place: 0 to 1.

        It is the correlation of samples at every possible delay.
        """
        ours = [p for p in await self.packets() if p.from_port in self.rtp]
        ours = [p for p in ours if p.payload_type == _PCMA and len(p.payload) >= FRAME]
        ours.sort(key=lambda packet: packet.sequence)
        heard = _sound(b"".join(packet.payload[:FRAME] for packet in ours))
        said = _sound(b"".join(frames))
        if len(heard) < len(said):
            raise EavesdropperError(f"only {len(ours)} packets of audio were captured")
        size = len(heard) + len(said)
        product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
        cross = np.fft.irfft(product, size)[: len(heard) - len(said) + 1]
        sums = np.concatenate([[0.0], np.cumsum(np.square(heard))])
        energy = sums[len(said) :] - sums[: -len(said)]
        scale = np.sqrt(np.maximum(energy, 1.0) * np.square(said).sum())
        return float(np.abs(cross / scale).max())

    async def _read(self, *words: str) -> list[list[str]]:
        process = await asyncio.create_subprocess_exec(
            *("tshark", "-n", "-r", str(self.file)),
            *(word for rule in self.decode_as for word in ("-d", rule)),
            *("-d", f"rtp.pt=={self.telephone_event},rtpevent"),
            *words,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, error = await process.communicate()
        if process.returncode:
            raise EavesdropperError(f"tshark: {error.decode(errors='replace').strip()}")
        return list(csv.reader(io.StringIO(out.decode()), delimiter="\t"))


@asynccontextmanager
async def eavesdropping(
    folder: Path, *, sip: int, tls: int, tcp: int, rtp: range, telephone_event: int = 101
) -> AsyncIterator[Capture]:
    """Take down what passes these loopback ports from now on; read it afterwards.

    Raise `EavesdropperError` where that is not allowed, and when a packet was missed.
    """
    file = folder / "wire.pcapng"
    ports = f"{rtp.start}-{rtp.stop - 1}"
    wanted = f"port {sip} or port {tls} or port {tcp} or udp portrange {ports}"
    process = await _dumpcap("-i", "lo", "-f", wanted, "-s", "0", "-B", "64", "-w", str(file))
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            said = await _until_capturing(process)
        rules = (f"udp.port=={ports},rtp", f"udp.port=={sip},sip", f"tcp.port=={tcp},sip")
        yield Capture(file, rtp, telephone_event, (*rules, f"tcp.port=={tls},tls"))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        said = (await process.stderr.read()).decode(errors="replace")
        await process.wait()
    missed = said.rpartition("dropped on interface")[2].partition(":")[2].partition("(")[0]
    if missed.strip().partition("/")[2] != "0":
        raise EavesdropperError(f"dumpcap missed packets, or does not say: {said.strip()}")


async def _dumpcap(*words: str) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            "dumpcap", *words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
    except FileNotFoundError:
        raise EavesdropperError("dumpcap is not installed: Debian package tshark") from None


async def _until_capturing(process: Process) -> str:
    """Wait for the name of the file, which dumpcap tells once it captures."""
    assert process.stderr is not None
    said = ""
    while not said.rpartition("\n")[2].startswith("File: "):
        line = (await process.stderr.readline()).decode(errors="replace").rstrip("\n")
        if not line and process.stderr.at_eof():
            raise EavesdropperError(
                "dumpcap may not capture on lo (it needs root, or CAP_NET_RAW): " + said.strip()
            )
        said += "\n" + line
    return said


def _row(row: list[str]) -> RtpRow:
    port, payload_type, ssrc, sequence, timestamp, event, payload = row
    octets = bytes.fromhex(payload.replace(":", ""))
    return RtpRow(int(port), payload_type, ssrc, int(sequence), timestamp, event, octets)


def _sound(octets: bytes) -> NDArray[np.float64]:
    return decode(Codec.PCMA, octets).astype(np.float64)
