"""UDP and TCP ports on loopback, and the connections between them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from twisted.internet import reactor

from ivr.sip import Address, Transport
from ivr.sip.transports import Transports
from tests.sip.wire import request

MESSAGE = request("OPTIONS")


class Node:
    """Transports whose messages wait in a queue."""

    def __init__(self, transports: Transports | None = None) -> None:
        self.transports = transports or Transports(reactor)
        self.got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
        self.lost: asyncio.Queue[Address] = asyncio.Queue()
        self.transports.attach(
            lambda data, source: self.got.put_nowait((data, source)), self.lost.put_nowait
        )

    def listen(self, transport: Transport, host: str = "127.0.0.1") -> Address:
        return self.transports.listen(Address(host, 0, transport))


@asynccontextmanager
async def nodes(*make: Callable[[], Node]) -> AsyncIterator[list[Node]]:
    made = [one() for one in make]
    try:
        yield made
    finally:
        for one in made:
            await one.transports.close().asFuture(asyncio.get_running_loop())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_message_and_its_answer(host: str, transport: Transport) -> None:
    async with nodes(Node, Node) as (here, there):
        here.listen(transport, host)
        here.transports.send(MESSAGE, there.listen(transport, host))
        data, source = await there.got.get()
        assert data == MESSAGE
        there.transports.send(MESSAGE + MESSAGE, source)
        assert (await here.got.get())[0].startswith(MESSAGE)


async def test_one_connection_for_many_messages_both_ways() -> None:
    async with nodes(Node, Node) as (here, there):
        target = there.listen(Transport.TCP)
        for _ in range(3):
            here.transports.send(MESSAGE, target)
        sources = [(await there.got.get())[1] for _ in range(3)]
        assert len(set(sources)) == 1
        there.transports.send(MESSAGE, sources[0])
        assert await here.got.get() == (MESSAGE, target)
        assert (len(here.transports.connections), len(there.transports.connections)) == (1, 1)


async def test_nobody_there() -> None:
    async with nodes(Node) as (here,):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            target = Address("127.0.0.1", held.getsockname()[1], Transport.TCP)
            here.transports.send(MESSAGE, target)
            assert await here.lost.get() == target
        assert len(here.transports.connections) == 0


async def test_a_host_that_is_not_admitted_is_hung_up_on() -> None:
    async with nodes(Node) as (there,):
        local = there.transports.listen(
            Address("127.0.0.1", 0, Transport.TCP), admits=lambda host: host != "127.0.0.1"
        )
        reader, writer = await asyncio.open_connection(local.host, local.port)
        assert await reader.read() == b""
        writer.close()
        assert there.got.empty()


async def test_what_cannot_be_opened_is_a_mistake_of_the_caller() -> None:
    async with nodes(Node) as (here,):
        here.listen(Transport.UDP)
        with pytest.raises(ValueError, match="one UDP port"):
            here.listen(Transport.UDP)
        with pytest.raises(ValueError, match="needs a certificate"):
            here.listen(Transport.TLS)
        with pytest.raises(OSError, match="IP version"):
            here.transports.send(MESSAGE, Address("::1", 5060))
        with pytest.raises(OSError, match="no TLS"):
            here.transports.send(MESSAGE, Address("127.0.0.1", 5061, Transport.TLS))
        assert len(here.transports.connections) == 0
