"""All connections of a node, found by where a message is to go (RFC 3261 §18, RFC 5923)."""

from collections import Counter
from collections.abc import Callable
from typing import cast

import structlog
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from ivr.clock import Clock
from ivr.sip.address import Address, Transport
from ivr.sip.connection import Connection, PeerProof, StreamLimits

log = structlog.get_logger()

Connect = Callable[[Address, Connection], Deferred[object]]
"""Begins to connect to an address; fails when that does not succeed."""
Identify = Callable[[object], PeerProof]
"""Tells who is at the other end of a TLS transport."""
Admits = Callable[[str], bool]
"""Whether a host may connect."""


class Connections:
    """Uses one connection for all messages to one target, and for the answers to its own.

    `received` gets each message with its source. `unreachable` is told of a target
    that could not be connected to, or hung up without a word; what was to go there
    is lost.
    """

    def __init__(
        self,
        clock: Clock,
        connect: Connect,
        limits: StreamLimits | None = None,
        identify: Identify | None = None,
    ) -> None:
        self.clock = clock
        self.limits = limits or StreamLimits()
        self.received: Callable[[bytes, Address], None] = _ignore_message
        self.unreachable: Callable[[Address], None] = _ignore_target
        self._connect = connect
        self._identify = identify
        self._all: set[Connection] = set()
        self._by_peer: dict[tuple[str, int, Transport], Connection] = {}
        self._by_target: dict[Address, Connection] = {}
        self._accepted: Counter[str] = Counter()
        self._dialling: dict[Connection, Deferred[object]] = {}
        self._idle: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._all)

    def send(self, data: bytes, to: Address) -> None:
        """Send over the flow of `to` while it is open, else over a connection to `to`.

        Raise OSError when that cannot be.
        """
        connection = self._find(to)
        if connection is None:
            connection = self._open(to)
        connection.send(data)

    def is_open(self, flow: Address) -> bool:
        """Whether the connection a message came over, or one to that target, stands."""
        found = self._find(flow)
        return found is not None and found.stands

    def proof(self, source: Address) -> PeerProof | None:
        """Return who the source of a message proved to be, None when it did not."""
        found = self._by_peer.get((source.host, source.port, source.transport))
        return None if found is None else found.proof

    def accepting(self, transport: Transport, admits: Admits | None = None) -> "Acceptor":
        """Return what a listening port makes connections of."""
        return Acceptor(self, transport, admits)

    def accept(self, transport: Transport, host: str) -> Connection | None:
        """Make room for a connection from `host`; None when there is none."""
        if len(self._all) >= self.limits.total:
            log.warning("sip-connection-refused", why="too many")
            return None
        if self._accepted[host] >= self.limits.per_source:
            log.info("sip-connection-refused", why="too many of one source")
            return None
        self._accepted[host] += 1
        identify = self._identify if transport is Transport.TLS else None
        connection = Connection(self, transport, identify=identify)
        connection.peer = connection.peer._replace(host=host)
        self._all.add(connection)
        return connection

    def close(self) -> Deferred[None]:
        """Send what is left, and close all; fires when nothing is open."""
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        for dialling in list(self._dialling.values()):
            dialling.cancel()
        for connection in list(self._all):
            connection.close()
        self._check_idle()
        return done

    # For connections (`ConnectionHost`):

    def opened(self, connection: Connection) -> None:
        """Use it for what goes to its peer."""
        self._by_peer[_peer(connection)] = connection

    def arrived(self, data: bytes, connection: Connection) -> None:
        """Hand a message on."""
        self.received(data, connection.peer)

    def closed(self, connection: Connection) -> None:
        """Forget it; say so when nobody was reached."""
        if connection not in self._all:
            return
        self._all.remove(connection)
        if self._by_peer.get(_peer(connection)) is connection:
            del self._by_peer[_peer(connection)]
        target = connection.target
        if target is None:
            host = connection.peer.host
            self._accepted[host] -= 1
            if not self._accepted[host]:
                del self._accepted[host]
        else:
            if self._by_target.get(target) is connection:
                del self._by_target[target]
            if not connection.answered:
                # Also a TLS 1.3 server that turns our certificate down does so by closing.
                self.unreachable(target)
        self._check_idle()

    # Inside:

    def _find(self, to: Address) -> Connection | None:
        found = [self._by_target.get(to._replace(flow=None))]
        if to.flow is not None:
            found.insert(0, self._by_peer.get((*to.flow, to.transport)))
        if not to.domain:
            # Nobody in particular has to be there: any connection to that place will do.
            found.append(self._by_peer.get((to.host, to.port, to.transport)))
        return next((one for one in found if one is not None and not one.ending), None)

    def _open(self, to: Address) -> Connection:
        if len(self._all) >= self.limits.total:
            raise OSError("too many connections")
        target = to._replace(flow=None)
        identify = self._identify if to.transport is Transport.TLS else None
        connection = Connection(self, to.transport, target, identify)
        dialling = self._connect(target, connection)
        self._all.add(connection)
        self._by_target[target] = connection

        def ended(outcome: object) -> None:
            del self._dialling[connection]
            if isinstance(outcome, Failure):
                error = type(outcome.value).__name__
                log.info("sip-connection-failed", transport=to.transport, error=error)
                self.closed(connection)

        self._dialling[connection] = dialling
        dialling.addBoth(ended)
        return connection

    def _check_idle(self) -> None:
        if not self._all:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)


class Acceptor(ServerFactory):
    """Makes a connection of each that is accepted at one port."""

    noisy = False

    def __init__(self, pool: Connections, transport: Transport, admits: Admits | None) -> None:
        self._pool = pool
        self._transport = transport
        self._admits = admits

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # noqa: N802 - Twisted's name
        """Return a connection, None to close it again unseen."""
        host = cast("IPv4Address | IPv6Address", addr).host
        if self._admits is not None and not self._admits(host):
            return None
        return self._pool.accept(self._transport, host)


def _peer(connection: Connection) -> tuple[str, int, Transport]:
    return connection.peer[:3]


def _ignore_message(data: bytes, source: Address) -> None:
    """Drop what arrives before a user agent is there."""


def _ignore_target(to: Address) -> None:
    """Tell nobody."""
