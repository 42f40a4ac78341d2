"""A leg's RTCP: on the port of its RTP or the one above, protected as its RTP is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ivr.clock import Clock
from ivr.media.address import Address
from ivr.media.control import Control
from ivr.media.latch import Latch
from ivr.media.playback import AudioStream
from ivr.media.reports import Reports
from ivr.media.udp import ControlSocket, RtpSocket

if TYPE_CHECKING:
    from ivr.media.srtp import Protection

_log = structlog.get_logger(__name__)


class ControlChannel:
    """Carries reports both ways.

    A socket is opened only for a peer that has a port for RTCP alone. Such a peer is
    answered at the source of its first valid report, on a host that RTP may come from.
    """

    __slots__ = (
        "_clock",
        "_latch",
        "_on_report",
        "_protection",
        "_rtp",
        "_socket",
        "mux",
        "reports",
        "send",
    )

    def __init__(
        self,
        clock: Clock,
        rtp: RtpSocket,
        stream: AudioStream,
        signalling_host: str | None,
        on_report: Callable[[float], object],
    ) -> None:
        """`on_report` gets the time of each valid packet of the peer."""
        self.reports = Reports(clock, stream, self._say)
        self.mux = False
        """Whether RTCP shares the port of RTP."""
        self.send: Callable[[bytes], object] | None = None
        """Sends to where RTP goes; to be set whenever that changes."""
        self._clock = clock
        self._rtp = rtp
        self._latch = Latch(signalling_host)
        self._on_report = on_report
        self._socket: ControlSocket | None = None
        self._protection: Protection | None = None

    def follow(
        self, control: Control | None, protection: "Protection | None", at: float
    ) -> None:
        """Take what was negotiated at `at` seconds; `control` is None where there is none."""
        self._protection = protection
        self.mux = control is not None and control.mux
        if control is None or control.mux:
            self._close_socket()
        elif control.remote.usable:
            self._latch.aim(control.remote, at)
            self._open_socket()
        if control is None:
            self.reports.stop()
        else:
            self.reports.start()

    def receive(self, datagram: bytes, source: Address) -> None:
        """Take a datagram that is RTCP, or came to the port for it."""
        if not self.mux and not self._latch.admits(source.host):
            return
        at = self._clock.seconds()
        if self._protection is not None:
            opened = self._protection.open_control(datagram)
            if opened is None:
                return
            datagram = opened
        if self.reports.receive(datagram, at):
            self._on_report(at)
            if not self.mux:
                self._latch.hear(source, at)

    def release(self) -> None:
        """Follow the peer to where its next valid report comes from."""
        self._latch.release()

    def close(self) -> None:
        """Say goodbye and close the socket. Idempotent."""
        self.reports.say_goodbye()
        self._close_socket()

    def _say(self, packet: bytes) -> None:
        target = self._latch.target
        if self._protection is not None:
            packet = self._protection.protect_control(packet)
        if self.mux:
            if self.send is not None:
                self.send(packet)
        elif self._socket is not None and target is not None:
            self._socket.sender(target)(packet)

    def _open_socket(self) -> None:
        if self._socket is not None:
            return
        try:
            self._socket = self._rtp.open_control(self.receive)
        except OSError as error:
            # Another program has the port above ours; the call can do without reports.
            _log.info("media.no_control_port", port=self._rtp.port + 1, errno=error.errno)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
