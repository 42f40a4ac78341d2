"""A pool of connections without a network, on a hand-moved clock."""

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ivr.sip import Address, Transport
from ivr.sip.connection import Connection, StreamLimits
from ivr.sip.connections import Connections

PHONE = Address("192.0.2.10", 40001, Transport.TCP)
TRUNK = Address("198.51.100.5", 5060, Transport.TCP)


class Line:
    """The transport of one connection; it ends when it is told to, unless it is `stuck`."""

    def __init__(self, connection: Connection, peer: Address) -> None:
        self.connection = connection
        self.open = True
        self.stuck = False
        self._peer = peer
        self._written = b""
        connection.makeConnection(self)  # type: ignore[no-untyped-call] # Twisted's

    def receive(self, data: bytes) -> None:
        """Let bytes arrive, unless nobody is there any more."""
        if self.open:
            self.connection.dataReceived(data)

    def take(self) -> bytes:
        """Return what was written since the last look."""
        written, self._written = self._written, b""
        return written

    def is_open(self) -> bool:
        return self.open

    def end(self) -> None:
        if self.open:
            self.open = False
            gone: Failure = Failure(ConnectionDone())  # type: ignore[no-untyped-call]
            self.connection.connectionLost(gone)

    # What a connection calls:

    def write(self, data: bytes) -> None:
        self._written += data

    def getPeer(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return IPv4Address("TCP", self._peer.host, self._peer.port)

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        assert enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        assert enabled

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802
        assert (producer, streaming) == (self.connection, True)

    def unregisterProducer(self) -> None:  # noqa: N802
        pass

    def loseConnection(self) -> None:  # noqa: N802
        if not self.stuck:
            self.end()

    def abortConnection(self) -> None:  # noqa: N802
        self.end()


class Net:
    """A pool whose connections are all in memory."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.clock = Clock()
        self.pool = Connections(self.clock, self._connect, limits)
        self.got: list[tuple[bytes, Address]] = []
        self.lost: list[Address] = []
        self.dialled: list[tuple[Address, Connection, Deferred[object]]] = []
        self.pool.received = lambda data, source: self.got.append((data, source))
        self.pool.unreachable = self.lost.append
        self.acceptor = self.pool.accepting(Transport.TCP)

    def _connect(self, to: Address, connection: Connection) -> Deferred[object]:
        outcome: Deferred[object] = Deferred()
        self.dialled.append((to, connection, outcome))
        return outcome

    def accept(self, source: Address = PHONE) -> Line | None:
        """Let `source` connect; None when it is turned away."""
        address = IPv4Address("TCP", source.host, source.port)
        connection = self.acceptor.buildProtocol(address)  # type: ignore[arg-type] # no plugin
        return None if connection is None else Line(connection, source)

    def accepted(self, source: Address = PHONE) -> Line:
        line = self.accept(source)
        assert line is not None
        return line

    def answer(self) -> Line:
        """Let the first call of ours that waits be answered."""
        to, connection, outcome = self.dialled.pop(0)
        line = Line(connection, to)
        outcome.callback(connection)
        return line

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
