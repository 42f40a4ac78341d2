"""One connection that carries SIP (RFC 3261 §18, RFC 5626 §4.4.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface
from typing import cast

import structlog
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped] # has no types

from ivr.clock import Clock, DelayedCall
from ivr.sip.address import Address, Transport
from ivr.sip.stream import MAX_MESSAGE, PING, PONG, StreamFramer

log = structlog.get_logger()

MAX_OWED = 2 * 1024 * 1024
"""Bytes kept for a peer that does not read, beyond what the transport buffers."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What a connection may cost. Times are seconds.

    `max_message` is in bytes. `finish` is for a connection's first message and for
    the rest of one that has begun; `idle` without a byte closes. A connection that
    we opened is pinged every `ping`; a peer that has ever answered a ping must
    answer each within `pong`. `per_source` and `total` are connections at once.
    """

    max_message: int = MAX_MESSAGE
    finish: float = 10.0
    idle: float = 1800.0
    ping: float = 100.0
    pong: float = 10.0
    connect: float = 5.0
    per_source: int = 100
    total: int = 10_000


class PeerProof(Interface):
    """Who a TLS peer's certificate says it is."""

    def proves(self, domain: str) -> bool:
        """Whether the peer may speak for a SIP domain or IP address."""


class ConnectionHost(Interface):
    """What a connection needs of the pool it is in."""

    clock: Clock
    limits: StreamLimits

    def opened(self, connection: "Connection") -> None:
        """Learn that messages can go and come."""

    def arrived(self, data: bytes, connection: "Connection") -> None:
        """Take one whole message."""

    def closed(self, connection: "Connection") -> None:
        """Forget the connection; `answered` tells whether anything ever came."""


class TcpTransport(Interface):
    """Twisted's TCP or TLS transport, typed."""

    def write(self, data: bytes) -> None:
        """Send bytes, as soon as the peer takes them."""

    def getPeer(self) -> IPv4Address | IPv6Address:  # noqa: N802 - Twisted's name
        """Return the other end."""

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Send small segments at once."""

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Let the kernel find out that the peer is gone."""

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802
        """Tell `producer` when the transport's buffer is full and when it is empty."""

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """Tell nobody any more."""

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close when all is sent."""

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close at once."""


@implementer(IHandshakeListener, IPushProducer)
class Connection(Protocol):
    """Frames what arrives, sends what it is given, and ends when it is of no more use.

    `target` is whom we called, None when the peer did. What is sent before the
    connection stands, over TLS before the peer has proved who it is, waits.
    """

    def __init__(
        self,
        host: ConnectionHost,
        transport: Transport,
        target: Address | None = None,
        identify: Callable[[object], PeerProof] | None = None,
    ) -> None:
        self.peer = target or Address("", 0, transport)
        self.target = target
        self.proof: PeerProof | None = None
        self.answered = False
        self._host = host
        self._identify = identify
        self._framer = StreamFramer(host.limits.max_message)
        self._queue: list[bytes] | None = []
        self._choked = False
        self._owed = 0
        self._answers_pings = False
        self._leaving = False
        self._heard = self._pinged = host.clock.seconds()
        self._waiting: float | None = self._heard
        self._timer: DelayedCall | None = None

    # The pool calls:

    @property
    def ending(self) -> bool:
        """Whether nothing may be sent any more."""
        return self._leaving

    @property
    def stands(self) -> bool:
        """Whether messages can go and come."""
        return self._queue is None and not self._leaving

    def send(self, data: bytes) -> None:
        """Send a message, or keep it until the connection stands.

        Raise OSError when the peer has not read for long.
        """
        if self._choked or self._queue is not None:
            self._owed += len(data)
            if self._owed > MAX_OWED:
                self.abort("the peer does not read")
                raise OSError("the peer does not read")
        if self._queue is not None:
            self._queue.append(data)
        else:
            self._tcp.write(data)

    def close(self) -> None:
        """Send what is left, and close; not for ever when the peer takes nothing."""
        if self.transport is not None and not self._leaving:
            self._leaving = True
            self._plan()
            self._tcp.unregisterProducer()
            self._tcp.loseConnection()

    def abort(self, why: str) -> None:
        """Close at once."""
        self._leaving = True
        log.info("sip-connection-aborted", why=why, transport=self.peer.transport)
        if self.transport is not None:
            self._tcp.abortConnection()

    # Twisted calls:

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Begin; over TLS only the handshake makes the connection usable."""
        far = self._tcp.getPeer()
        self.peer = Address(far.host, far.port, self.peer.transport)
        self._tcp.setTcpNoDelay(True)
        self._tcp.setTcpKeepAlive(True)
        self._tcp.registerProducer(self, True)
        self._plan()
        if self._identify is None:
            self._open()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Let a TLS peer in that is who it should be (RFC 5922 §7.3)."""
        if self._identify is None:
            return
        self.proof = self._identify(self.transport)
        if self.target is not None:
            expected = self.target.domain or self.target.host
            if not self.proof.proves(expected):
                log.warning("sip-tls-wrong-peer", expected=expected)
                self.abort("the certificate names another domain")
                return
        self._open()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Hand whole messages on; answer pings; close what cannot be followed."""
        if not self.stands:
            return
        now = self._host.clock.seconds()
        if self._pinged > self._heard:
            self._answers_pings = True
        self._heard = now
        self.answered = True
        messages = self._framer.feed(data)
        if PING in messages:
            # One answer for any number that came at once.
            self.send(PONG)
        whole = [one for one in messages if one != PING]
        for message in whole:
            self._host.arrived(message, self)
        if self._framer.fault:
            log.info(
                "sip-stream-closed",
                fault=self._framer.fault,
                transport=self.peer.transport,
            )
            self.close()
        elif self._framer.unfinished:
            if self._waiting is None or whole:
                self._waiting = now
                self._plan()
        elif whole:
            self._waiting = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802, ARG002
        """Forget all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._leaving = True
        self._queue = None
        self._host.closed(self)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Count from now on what the peer does not read."""
        self._choked = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Forget what the peer has read by now."""
        self._choked = False
        self._owed = 0

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing is left to stop."""

    # Inside:

    @property
    def _tcp(self) -> TcpTransport:
        return cast("TcpTransport", self.transport)

    def _open(self) -> None:
        queue, self._queue = self._queue, None
        self._owed = 0
        if self.target is not None:
            self._waiting = None  # whom we called need not speak first
        self._host.opened(self)
        for data in queue or ():
            self._tcp.write(data)

    def _plan(self) -> None:
        """See to it that `_check` comes when the next of the limits is reached."""
        limits, now = self._host.limits, self._host.clock.seconds()
        due = self._heard + limits.idle
        if self._leaving:
            due = now + limits.finish
        if self._waiting is not None:
            due = min(due, self._waiting + limits.finish)
        if self.target is not None:
            due = min(due, max(self._pinged, self._heard) + limits.ping)
            if self._pinged > self._heard and self._answers_pings:
                due = min(due, self._pinged + limits.pong)
        delay = max(0.0, due - now)
        if self._timer is not None:
            self._timer.reset(delay)
        else:
            self._timer = self._host.clock.callLater(delay, self._check)

    def _check(self) -> None:
        self._timer = None
        limits, now = self._host.limits, self._host.clock.seconds()
        unanswered = self._pinged > self._heard
        if self._leaving:
            self.abort("the peer does not read")
        elif self._waiting is not None and now >= self._waiting + limits.finish:
            self.abort("a message was not finished in time")
        elif unanswered and self._answers_pings and now >= self._pinged + limits.pong:
            self.abort("a ping was not answered")
        elif now >= self._heard + limits.idle:
            self.close()
        else:
            if self.target is not None and now >= max(self._pinged, self._heard) + limits.ping:
                self._pinged = now
                self._tcp.write(PING)
            self._plan()
