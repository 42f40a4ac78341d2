"""UDP sockets for RTP and RTCP, on the reactor; errors of the network never leave it."""

import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

from ivr.clock import Clock
from ivr.media import kernel_filter
from ivr.media.address import Address
from ivr.media.g711 import Codec
from ivr.media.ports import NoPortLeft, PortPool

_LARGEST_PACKET = 2048
_EXPEDITED_FORWARDING = 0xB8
_SOCKADDR_SIZE = 28
_LIBC = ctypes.CDLL(None)


class Reader(Protocol):
    """`twisted.internet.interfaces.IReadDescriptor`."""

    def fileno(self) -> int:
        """Return the descriptor."""

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        """Read what there is."""

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        """Return a name for Twisted's log."""

    def connectionLost(self, reason: object) -> None:  # noqa: N802 - Twisted's name
        """Learn that the reactor gave the descriptor up."""


class SocketReactor(Clock, Protocol):
    """The parts of Twisted's reactor that sockets need (`IReactorTime`, `IReactorFDSet`)."""

    def addReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        """Call `reader.doRead` whenever its descriptor can be read."""

    def removeReader(self, reader: Reader) -> None:  # noqa: N802 - Twisted's name
        """Stop doing so."""


class DatagramSocket:
    """A bound UDP socket that hands each datagram, with its source, to `on_datagram`.

    `on_datagram` must not raise. One datagram is read for each turn of the reactor, so
    that a flood on one leg does not starve the others.
    """

    __slots__ = ("_on_datagram", "_reactor", "_socket")

    def __init__(
        self,
        reactor: SocketReactor,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Address], None],
    ) -> None:
        """Read `sock` from now on. Raise `OSError` when the system has no more descriptors."""
        self._reactor = reactor
        self._socket = sock
        self._on_datagram = on_datagram
        try:
            reactor.addReader(self)
        except OSError:
            self._release()
            raise

    def sender(self, target: Address) -> Callable[[bytes], object]:
        """Return what sends a packet to `target`. It may raise `OSError`."""
        sendto = self._socket.sendto
        return lambda packet: sendto(packet, target)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        if self._socket.fileno() == -1:
            return
        self._reactor.removeReader(self)
        self._release()

    def _release(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self._socket.fileno()

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        """Read one datagram and hand it on."""
        # An ICMP error about a packet we sent is raised here too, and means nothing.
        try:
            datagram, source = self._socket.recvfrom(_LARGEST_PACKET)
        except OSError:
            return
        self._on_datagram(datagram, Address(source[0], source[1]))

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        """Return a name for Twisted's log."""
        return "rtp"

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Close: the reactor gave the socket up."""
        self.close()


class ControlSocket(DatagramSocket):
    """The socket of RTCP that has a port of its own."""

    __slots__ = ()

    def __init__(
        self,
        reactor: SocketReactor,
        local: Address,
        on_datagram: Callable[[bytes, Address], None],
    ) -> None:
        """Bind `local`. Raise `OSError` when it is in use."""
        super().__init__(reactor, _bound(*local), on_datagram)


class RtpSocket(DatagramSocket):
    """The socket of RTP, at a port of the pool."""

    __slots__ = ("_host", "_ports", "dropped", "port")

    def __init__(
        self,
        reactor: SocketReactor,
        ports: PortPool,
        host: str,
        on_datagram: Callable[[bytes, Address], None],
    ) -> None:
        """Bind the next free port at `host`, an IP literal.

        Raise `NoPortLeft`, or `OSError` when `host` is not ours or the system has no
        more descriptors.
        """
        self.dropped = 0
        """How many packets the kernel had dropped, modulo 2**32, before the last one."""
        self._host = host
        self._ports = ports
        sock, self.port = _bind(ports, host)
        super().__init__(reactor, sock, on_datagram)

    def open_control(self, on_datagram: Callable[[bytes, Address], None]) -> ControlSocket:
        """Open the socket at the port above (RFC 3550 §11). Raise `OSError`."""
        return ControlSocket(self._reactor, Address(self._host, self.port + 1), on_datagram)

    def connect(self, target: Address) -> Callable[[bytes], object]:
        """Exchange packets with `target` only, at less cost; return what sends one."""
        try:
            self._socket.connect(target)
        except OSError:
            return self.sender(target)
        return self._socket.send

    def disconnect(self) -> None:
        """Receive from anywhere again."""
        # Python cannot say AF_UNSPEC to connect(2), which dissolves a UDP association.
        nowhere = struct.pack(f"@H{_SOCKADDR_SIZE - 2}x", socket.AF_UNSPEC)
        _LIBC.connect(self._socket.fileno(), nowhere, _SOCKADDR_SIZE)

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        """Read one datagram, and what was dropped before it, and hand it on."""
        try:
            datagram, ancillary, _, source = self._socket.recvmsg(
                _LARGEST_PACKET, kernel_filter.DROPS_SIZE
            )
        except OSError:
            return
        if ancillary and (dropped := kernel_filter.dropped_before(ancillary)) is not None:
            self.dropped = dropped
        self._on_datagram(datagram, Address(source[0], source[1]))

    def drop_audio(self, event_types: Collection[int], loud: Codec | None = None) -> bool:
        """Let the kernel drop most of what is not a key, nor `loud` enough for a tone.

        Return False when it lets everything through.
        """
        dropped = kernel_filter.attach(self._socket, event_types, loud)
        if not dropped:
            self.keep_audio()
        return dropped

    def keep_audio(self) -> None:
        """Let everything through again."""
        kernel_filter.detach(self._socket)

    def _release(self) -> None:
        super()._release()
        self._ports.give_back(self.port)


def _bind(ports: PortPool, host: str) -> tuple[socket.socket, int]:
    """Bind a port of the pool, past those that other programs hold."""
    for _ in range(len(ports)):
        port = ports.take()
        try:
            return _bound(host, port), port
        except OSError as error:
            ports.give_back(port)
            if error.errno != errno.EADDRINUSE:
                raise
    raise NoPortLeft("every RTP port of the range is in use")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    _prefer(sock, family)
    return sock


def _prefer(sock: socket.socket, family: socket.AddressFamily) -> None:
    """Ask routers to hurry voice along (RFC 4594); not every system lets us."""
    with suppress(OSError):
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
