"""SIP over UDP on Twisted (RFC 3261 §18)."""

import contextlib
import socket
from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port

from ivr.sip.address import Address

MAX_DATAGRAM = 65535
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes asked of the kernel, so that a burst of calls is queued and not lost."""
AT_ONCE = 4096
"""Bytes after which other work has its turn: a burst of calls must not delay prompts."""


class ListeningPort(Protocol):
    """`twisted.internet.interfaces.IListeningPort`, typed."""

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802 - Twisted's name
        """Return the address it got."""

    def stopListening(self) -> Deferred[None] | None:  # noqa: N802 - Twisted's name
        """Close the port; fires when it is closed."""


class DatagramReactor(Protocol):
    """`twisted.internet.interfaces.IReactorUDP`, typed."""

    def listenUDP(  # noqa: N802 - Twisted's name
        self,
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        maxPacketSize: int = 8192,  # noqa: N803 - Twisted's name
    ) -> ListeningPort:
        """Open a port. Raise CannotListenError."""


class UdpTransport(DatagramProtocol):
    """One UDP port: hands datagrams to `received`, sends what it is given."""

    def __init__(self) -> None:
        self.received: Callable[[bytes, Address], None] = _ignore

    def startProtocol(self) -> None:  # noqa: N802 - Twisted's name
        """Make room for bursts, as far as the kernel allows, and take them in small bites."""
        self._port.maxThroughput = AT_ONCE
        with contextlib.suppress(OSError):
            self._port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def datagramReceived(  # noqa: N802 - Twisted's name
        self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]
    ) -> None:
        """Pass a datagram on; the flow and scope of an IPv6 address are left out."""
        self.received(datagram, Address(addr[0], addr[1]))

    def send(self, data: bytes, to: Address) -> None:
        """Send a datagram. Raise OSError when it cannot leave; nothing once closed."""
        if self.transport is None:
            return
        try:
            self._port.write(data, (to.host, to.port))
        except MessageLengthError as error:
            raise OSError("the datagram is too long") from error
        except InvalidAddressError as error:
            raise OSError("the address is of the other IP version") from error

    @property
    def _port(self) -> Port:
        return cast("Port", self.transport)


def listen(
    reactor: DatagramReactor, address: Address
) -> tuple[UdpTransport, ListeningPort, Address]:
    """Open a port; return the transport, the port to stop, and the address it got.

    Port 0 takes a free one. Set `transport.received` to a user agent's
    `datagram_received`. Raise CannotListenError.
    """
    transport = UdpTransport()
    port = reactor.listenUDP(address.port, transport, address.host, MAX_DATAGRAM)
    host = port.getHost()
    return transport, port, Address(host.host, host.port)


def _ignore(data: bytes, source: Address) -> None:
    """Drop what arrives before a user agent is there."""
