"""The transport alone, on loopback."""

import asyncio

import pytest
from twisted.internet import reactor

from ivr.sip import Address, listen


async def test_datagrams_come_and_go_and_what_cannot_go_is_an_oserror() -> None:
    here, here_port, here_address = listen(reactor, Address("127.0.0.1", 0))
    there, there_port, there_address = listen(reactor, Address("127.0.0.1", 0))
    got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    there.received = lambda data, source: got.put_nowait((data, source))
    large = b"x" * 60_000
    here.send(large, there_address)
    assert await got.get() == (large, here_address)
    with pytest.raises(OSError, match="too long"):
        here.send(b"x" * 70_000, there_address)
    with pytest.raises(OSError, match="other IP version"):
        here.send(b"x", Address("::1", 5060))
    for port in (here_port, there_port):
        closed = port.stopListening()
        assert closed is not None
        await closed.asFuture(asyncio.get_running_loop())
    here.send(b"x", there_address)
