"""What sending alone costs on this machine, now: the floor under a call's CPU time.

A process on the server's core sends one packet of 172 octets for each call each 20 ms from
connected sockets, as the server does, and does nothing else. What it costs depends on the
kernel and on what else the machine does; so the server's figure is told as a multiple.
"""

import asyncio
import os
import socket
import sys
import time

from tests.bench.server import SERVER_CORE
from tests.bench.sink import HOST, allow_many_sockets, media_sink

_PORT = 9000
_PACKET = bytes(172)
_PHASES = 4
_STEP = 0.020 / _PHASES


async def sending_alone(calls: int, seconds: int) -> float:
    """Return CPU ms per call and second of a loop that only sends."""
    with media_sink(_PORT, calls):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.reference", str(calls), str(seconds)),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    return float(told)


def _measure(calls: int, seconds: int) -> float:
    os.sched_setaffinity(0, {SERVER_CORE})
    allow_many_sockets()
    sockets = []
    for call in range(calls):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect((HOST, _PORT + 2 * call))
        sockets.append(sock)
    phases = [[sock.send for sock in sockets[n::_PHASES]] for n in range(_PHASES)]
    begin, used = time.monotonic(), time.process_time()
    for beat in range(round(seconds / _STEP)):
        for send in phases[beat % _PHASES]:
            send(_PACKET)
        time.sleep(max(0.0, begin + (beat + 1) * _STEP - time.monotonic()))
    return 1000 * (time.process_time() - used) / calls / seconds


if __name__ == "__main__":
    print(_measure(*map(int, sys.argv[1:])))
