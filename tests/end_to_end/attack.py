"""Bad messages at a steady rate, from many hosts: scanners, broken SIP, RTP that is nobody's.

`python -m tests.end_to_end.attack SIP_PORT FIRST_PORT LAST_PORT RATE` goes on until its input
is closed, and then writes how many messages it has sent.
"""

import asyncio
import random
import select
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from ivr.media.rtp import RtpPacket
from ivr.media.telephone_event import encode_press
from tests.sip.test_protection import NONSENSE
from tests.sip.wire import request

HOST = "127.0.0.1"
_HOSTS = 100
"""Attackers have addresses of their own: who shares one with callers is dealt with as one."""
_KEYS = 1
"""Which kind of bad RTP is keys."""
_SIP_SHARE = 0.75
_STEP = 0.005
_SCANS = [
    request(method, headers=(f"User-Agent: {agent}",))
    for method in ("OPTIONS", "REGISTER", "INVITE")
    for agent in ("friendly-scanner", "sipvicious", "sipcli/v1.8")
]


@dataclass(slots=True)
class Attack:
    """How many messages were sent; known at the end."""

    sent: int = 0


@asynccontextmanager
async def attack(
    sip_port: int, media_ports: tuple[int, int], rate: int = 2000
) -> AsyncIterator[Attack]:
    """Send `rate` bad messages a second to a server on this machine."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.end_to_end.attack", *map(str, (sip_port, *media_ports, rate))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    told = Attack()
    try:
        yield told
    finally:
        process.stdin.close()
        out, _ = await process.communicate()
        told.sent = int(out)


def _bad_sip(chance: random.Random, number: int) -> bytes:
    """Return a scan, nonsense, noise, or a request that belongs to no call."""
    kind = number % 4
    if kind == 0:
        return chance.choice(_SCANS)
    if kind == 1:
        return chance.choice(NONSENSE)
    if kind == 2:
        return chance.randbytes(chance.randrange(1, 1400))
    method = chance.choice(("BYE", "CANCEL", "ACK", "UPDATE", "INFO"))
    tag = "" if method == "CANCEL" else f"{number}"
    return request(method, to_tag=tag, call_id=f"{number}", branch=f"z9hG4bK{number}")


def _bad_rtp(chance: random.Random, number: int) -> list[bytes]:
    """Return what might be taken for a caller's audio or keys, or noise."""
    kind = number % 3
    if kind == 0:
        audio = RtpPacket(8, chance.randrange(65536), number, number, bytes(160))
        return [audio.pack()]
    if kind == _KEYS:
        key = chance.choice("0123456789#*")
        packets = encode_press(
            key, payload_type=101, ssrc=number, sequence=number & 0xFFFF, timestamp=number
        )
        return packets[:1] + packets[-1:]
    return [chance.randbytes(chance.randrange(1, 400))]


def _main(sip_port: int, first: int, last: int, rate: int) -> int:
    chance = random.Random(5060)
    attackers = []
    for number in range(_HOSTS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((f"127.0.1.{number + 1}", 0))
        attackers.append(sock)
    # One sits beside the callers, at their address.
    beside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    beside.bind((HOST, 0))
    ports = range(first, last + 1)
    begin, sent = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(round(rate * (time.monotonic() - begin)) - sent):
            sent += 1
            attacker = chance.choice(attackers)
            if chance.random() < _SIP_SHARE:
                _send(attacker, _bad_sip(chance, sent), sip_port)
                continue
            # A key from the caller's own address, before the caller's first packet, is a key
            # of the caller's: nothing can tell. So whoever sits there sends no keys.
            who = beside if sent % 2 and sent % 3 != _KEYS else attacker
            port = chance.choice(ports)
            for packet in _bad_rtp(chance, sent):
                _send(who, packet, port)
        time.sleep(_STEP)
    return sent


def _send(sock: socket.socket, data: bytes, port: int) -> None:
    with suppress(OSError):  # what ICMP said of packets before
        sock.sendto(data, (HOST, port))


if __name__ == "__main__":
    print(_main(*map(int, sys.argv[1:])))  # noqa: T201 - its answer
