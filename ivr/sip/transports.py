"""All ways in and out of a node: UDP, TCP and TLS ports, and connections (RFC 3261 §18)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, ServerFactory

from ivr.clock import Clock
from ivr.sip.address import Address, Transport
from ivr.sip.connection import Connection, PeerProof, StreamLimits
from ivr.sip.connections import Admits, Connections
from ivr.sip.udp import DatagramReactor, ListeningPort, UdpTransport, listen

if TYPE_CHECKING:
    # OpenSSL is only loaded by who configures TLS.
    from ivr.sip.tls import ClientTls, ServerTls

BACKLOG = 1024
"""Connections that the kernel completes before they are accepted."""


class TransportReactor(DatagramReactor, Clock, Protocol):
    """The parts of Twisted's reactor that all transports need."""

    def listenTCP(  # noqa: N802 - Twisted's name
        self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = ""
    ) -> ListeningPort:
        """Open a port. Raise CannotListenError."""


class _Endpoint(Protocol):
    """`twisted.internet.interfaces.IStreamClientEndpoint`, typed."""

    def connect(self, factory: Factory) -> Deferred[object]:
        """Begin to connect; fires with the protocol."""


class Transports:
    """Sends each message over the transport of its destination (`DatagramSender`).

    `received` gets each message that comes in with its source; `unreachable` is told
    of targets that no connection could be made to. `client_tls` returns what to
    prove and to demand when TLS is spoken to an address; without it none is.
    """

    def __init__(
        self,
        reactor: TransportReactor,
        *,
        limits: StreamLimits | None = None,
        client_tls: Callable[[Address], "ClientTls"] | None = None,
    ) -> None:
        self._reactor = reactor
        self._client_tls = client_tls
        self._ports: list[ListeningPort] = []
        self._datagrams: dict[bool, UdpTransport] = {}
        self._received: Callable[[bytes, Address], None] | None = None
        self.connections = Connections(reactor, self._connect, limits, _identify)

    def attach(
        self,
        received: Callable[[bytes, Address], None],
        unreachable: Callable[[Address], None],
    ) -> None:
        """Hand what comes in to a user agent from now on."""
        self._received = received
        self.connections.received = received
        self.connections.unreachable = unreachable
        for one in self._datagrams.values():
            one.received = received

    def listen(
        self,
        address: Address,
        *,
        tls: "ServerTls | None" = None,
        admits: Admits | None = None,
    ) -> Address:
        """Open a port; return the address it got. Port 0 takes a free one.

        `tls` is for a TLS port; `admits` says who may connect. Raise CannotListenError;
        ValueError for a second UDP port of one IP version: which would a request of
        ours leave from?
        """
        if address.transport is Transport.UDP:
            is_six = ":" in address.host
            if is_six in self._datagrams:
                raise ValueError("one UDP port for each IP version")
            transport, port, local = listen(self._reactor, address)
            self._datagrams[is_six] = transport
            if self._received is not None:
                transport.received = self._received
        else:
            factory: ServerFactory = self.connections.accepting(address.transport, admits)
            if address.transport is Transport.TLS:
                if tls is None:
                    raise ValueError("a TLS port needs a certificate")
                factory = tls.over(factory)
            port = self._reactor.listenTCP(
                address.port, factory, BACKLOG, interface=address.host
            )
            host = port.getHost()
            local = Address(host.host, host.port, address.transport)
        self._ports.append(port)
        return local

    def send(self, data: bytes, to: Address) -> None:
        """Send one message. Raise OSError when it cannot leave."""
        if to.transport is not Transport.UDP:
            self.connections.send(data, to)
            return
        datagrams = self._datagrams.get(":" in to.host)
        if datagrams is None:
            raise OSError("no UDP port of that IP version")
        datagrams.send(data, to)

    def close(self) -> Deferred[None]:
        """Close all ports and connections; fires when they are closed."""
        ports, self._ports = self._ports, []
        closing: list[Deferred[None]] = [self.connections.close()]
        closing += [
            stopping for port in ports if (stopping := port.stopListening()) is not None
        ]
        return DeferredList(closing).addCallback(lambda _: None)

    def _connect(self, to: Address, connection: Connection) -> Deferred[object]:
        kind = TCP6ClientEndpoint if ":" in to.host else TCP4ClientEndpoint
        timeout = self.connections.limits.connect
        endpoint = cast("_Endpoint", kind(self._reactor, to.host, to.port, timeout=timeout))
        if to.transport is Transport.TLS:
            if self._client_tls is None:
                raise OSError("no TLS for outgoing connections")
            tls = self._client_tls(to)
            below = cast("IStreamClientEndpoint", endpoint)
            endpoint = cast("_Endpoint", tls.over(below, to.domain))
        return endpoint.connect(_Only(connection))


class _Only(Factory):
    """Makes the one connection that was begun already."""

    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> Connection:  # noqa: ARG002, N802 - Twisted's name
        """Return the connection."""
        return self._connection


def _identify(transport: object) -> PeerProof:
    from ivr.sip.tls import peer_of  # noqa: PLC0415 - as above

    return peer_of(transport)
