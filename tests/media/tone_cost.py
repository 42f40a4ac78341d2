"""What in-band detection costs: CPU time for each call and second, many calls at once.

python -m tests.media.tone_cost --legs 500

`heard` is the detector alone; `received` is all from the socket on, without and with the
kernel's filter of quiet audio. Machines differ: the ratios between them hardly do.
"""

import argparse
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
from twisted.internet.task import Clock

from ivr.media import kernel_filter
from ivr.media.g711 import FRAME, Codec, encode
from ivr.media.inband import ToneBank
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtp import RtpPacket
from ivr.media.udp import Reader
from tests.media.sound import Sound, joined, noise, silence, tone
from tests.media.speech import PITCHES, voices

_HOST = "127.0.0.1"
_SECONDS = 10
_FRAMES = _SECONDS * 50


def lines() -> dict[str, list[Sound]]:
    """Ten seconds of what callers send while they listen, speak and press keys."""
    random = np.random.default_rng(1)
    speech = voices(random, 20, float(_SECONDS), PITCHES[1])
    typed = [
        joined(*[joined(tone(key, 100), silence(400)) for key in "4242*0#D159A" + "2580" * 2])
        for _ in range(20)
    ]
    return {
        "nothing": [noise(1000 * _SECONDS, -65, seed) for seed in range(20)],
        "speech": [each.astype(np.float64) for each in speech],
        "two keys a second": typed,
    }


def cost(sounds: Sequence[Sound], legs: int) -> tuple[float, int]:
    """Return CPU milliseconds for each call and second, and how many keys were heard."""
    clock = Clock()
    bank = ToneBank(clock)
    keys = 0

    def pressed(_: object) -> None:
        nonlocal keys
        keys += 1

    ears = [bank.open(Codec.PCMA, pressed) for _ in range(legs)]
    octets = [encode(Codec.PCMA, sound.astype(np.int16)) for sound in sounds]
    spent = 0.0
    for n in range(_FRAMES):
        packets = [
            RtpPacket(8, n, n * FRAME, 1, sound[n * FRAME : (n + 1) * FRAME])
            for sound in octets
        ]
        began = time.process_time()
        for leg, ear in enumerate(ears):
            ear.receive(packets[leg % len(packets)], n * 0.02)
        clock.advance(0.02)
        spent += time.process_time() - began
    return 1000 * spent / legs / _SECONDS, keys


class _SocketClock(Clock):
    """A clock, and the sockets that the kernel says can be read."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[int, Reader] = {}
        self._epoll = select.epoll()

    def addReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        self._readers[reader.fileno()] = reader
        self._epoll.register(reader.fileno(), select.EPOLLIN)

    def removeReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        del self._readers[reader.fileno()]
        self._epoll.unregister(reader.fileno())

    def read(self) -> None:
        for descriptor, _ in self._epoll.poll(0, 1 << 16):
            self._readers[descriptor].doRead()


def received_cost(sounds: Sequence[Sound], legs: int, *, filtered: bool) -> tuple[float, int]:
    """Return the same for whole legs on sockets of the loopback."""
    clock = _SocketClock()
    node = MediaNode(clock, Playout(clock), PortPool(42000, 48998), _HOST, _HOST)
    octets = [encode(Codec.PCMA, sound.astype(np.int16)) for sound in sounds]
    keys = 0

    def pressed(_: object) -> None:
        nonlocal keys
        keys += 1

    with ExitStack() as stack:
        if not filtered:
            stack.enter_context(patch.object(kernel_filter, "attach", return_value=False))
        senders = []
        for _ in range(legs):
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.bind((_HOST, 0))
            leg = MediaLeg(node)
            stack.callback(leg.close)
            leg.on_key = pressed
            # We are on hold, so that nothing is sent but what is measured.
            leg.answer(_OFFER % sender.getsockname()[1])
            sender.connect((_HOST, leg.port))
            senders.append(sender)
        spent = 0.0
        for n in range(_FRAMES):
            for at, sender in enumerate(senders):
                sound = octets[at % len(octets)][n * FRAME : (n + 1) * FRAME]
                sender.send(RtpPacket(8, n, n * FRAME, 1, sound).pack())
            began = time.process_time()
            clock.read()
            clock.advance(0.02)
            spent += time.process_time() - began
    return 1000 * spent / legs / _SECONDS, keys


_OFFER = b"\r\n".join(
    (
        b"v=0",
        b"o=- 1 1 IN IP4 127.0.0.1",
        b"s=-",
        b"c=IN IP4 127.0.0.1",
        b"t=0 0",
        b"m=audio %d RTP/AVP 8",
        b"a=sendonly",
    )
)


def main(arguments: list[str] | None = None) -> int:
    """Tell the cost for each kind of line."""
    prog = "python -m tests.media.tone_cost"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--legs", type=int, default=500)
    legs = parser.parse_args(arguments).legs
    for kind, sounds in lines().items():
        spent, keys = cost(sounds, legs)
        sys.stdout.write(
            f"{kind:18} heard    {spent:.3f} ms per call and second, {keys} keys\n"
        )
        whole, keys = received_cost(sounds, legs, filtered=False)
        sys.stdout.write(f"{kind:18} received {whole:.3f} ms, {keys} keys\n")
        spent, keys = received_cost(sounds, legs, filtered=True)
        sys.stdout.write(
            f"{kind:18} filtered {spent:.3f} ms, {keys} keys: {spent / whole:.2f}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
