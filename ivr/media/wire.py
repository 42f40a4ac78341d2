"""The packets of one leg: where they go and come from, protected, counted and watched."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ivr.faults import place
from ivr.media.address import Address
from ivr.media.control_channel import ControlChannel
from ivr.media.g711 import FRAME, RATE
from ivr.media.kernel_filter import ONE_IN
from ivr.media.latch import Latch
from ivr.media.negotiation import Negotiated
from ivr.media.playback import AudioStream
from ivr.media.ports import PortPool
from ivr.media.reports import Quality
from ivr.media.rtcp import FIRST_TYPES, is_control
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.security import Refusals, Security
from ivr.media.udp import RtpSocket, SocketReactor
from ivr.media.watch import Watch

if TYPE_CHECKING:
    from ivr.media.srtp import Protection

_log = structlog.get_logger(__name__)


class Wire:
    """One leg's socket, and all that lies between it and the packets in the clear.

    `on_packet` gets each packet of a negotiated type, whether it is a telephone-event,
    and when it came. What it raises is logged by type and place only.
    """

    __slots__ = (
        "_audio_types",
        "_control",
        "_event_types",
        "_frame",
        "_latch",
        "_needs_audio",
        "_on_packet",
        "_protection",
        "_reactor",
        "_send",
        "_socket",
        "_stream",
        "_watch",
        "last_packet_at",
        "on_silence",
    )

    def __init__(
        self,
        reactor: SocketReactor,
        ports: PortPool,
        host: str,
        signalling_host: str | None,
        silence_after: float,
        stream: AudioStream,
        on_packet: Callable[[RtpPacket, bool, float], object],
    ) -> None:
        """Open a socket at `host`. Raise `NoPortLeft`, or `OSError`.

        `stream` is sent to the peer, by whoever beats it. Packets may come from the
        described host and from `signalling_host`, IP literals in canonical form.
        """
        self.on_silence: Callable[[], object] = _ignore
        """Called once when nothing has come for `silence_after` seconds."""
        self.last_packet_at: float | None = None
        self._reactor = reactor
        self._stream = stream
        self._on_packet = on_packet
        self._latch = Latch(signalling_host)
        self._event_types: frozenset[int] = frozenset()
        self._audio_types: frozenset[int] = frozenset()
        self._needs_audio = False
        self._frame = FRAME
        self._send: Callable[[bytes], object] | None = None
        self._protection: Protection | None = None
        self._watch = Watch(reactor, silence_after, self._peer_moved, self._silent)
        self._socket = RtpSocket(reactor, ports, host, self._datagram)
        self._control = ControlChannel(
            reactor, self._socket, stream, signalling_host, self._watch.note_life
        )

    @property
    def port(self) -> int:
        """Our RTP port."""
        return self._socket.port

    @property
    def quality(self) -> Quality:
        """How well packets travel."""
        return self._control.reports.quality

    @property
    def refusals(self) -> Refusals:
        """How many packets SRTP has dropped."""
        return Refusals() if self._protection is None else self._protection.refusals

    def follow(self, negotiated: Negotiated, *, needs_audio: bool) -> None:
        """Go over to what was negotiated; `needs_audio` is as in `listen`."""
        now = self._reactor.seconds()
        self._event_types = negotiated.event_types
        self._audio_types = negotiated.audio_types
        self._secure(negotiated.security)
        if negotiated.remote.usable and self._latch.aim(negotiated.remote, now):
            self._socket.disconnect()
            self._send_by(self._socket.sender(negotiated.remote))
        elif self._send is not None:
            self._send_by(self._send)
        self._control.follow(negotiated.control, self._protection, now)
        self.listen(needs_audio=needs_audio)
        if negotiated.sends and negotiated.direction.receives:
            self._watch.expect()
        else:
            self._watch.rest()

    def listen(self, *, needs_audio: bool) -> None:
        """Hand all audio over, or as little of it as the system can let through."""
        self._needs_audio = needs_audio
        sparse = self._latch.latched and not needs_audio and bool(self._event_types)
        if sparse:
            control = FIRST_TYPES if self._control.mux else frozenset[int]()
            self._socket.drop_audio(self._event_types | control)
        else:
            self._socket.keep_audio()
        every = ONE_IN if sparse else 1
        self._control.reports.reception.count_each(every)
        self._watch.expect_each(every * self._frame / RATE)

    def takes_for_key(self, payload_type: int) -> bool | None:
        """Whether packets of this type are taken for keys; None when they are dropped."""
        is_event = payload_type in self._event_types
        return is_event if is_event or payload_type in self._audio_types else None

    def close(self) -> None:
        """Say goodbye and free the port. Idempotent."""
        self._watch.rest()
        self._control.close()
        self._socket.close()

    def _secure(self, security: Security | None) -> None:
        if security is None:
            self._protection = None
            return
        # Who never encrypts needs neither libsrtp nor the OpenSSL within it.
        from ivr.media.srtp import Protection  # noqa: PLC0415

        keys = (security.suite, security.ours, security.theirs)
        if self._protection is None:
            self._protection = Protection(*keys)
        else:
            self._protection.rekey(*keys)

    def _send_by(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._control.send = send
        protection = self._protection
        if protection is None:
            self._stream.send = send
        else:
            protect = protection.protect
            self._stream.send = lambda packet: send(protect(packet))

    def _datagram(self, datagram: bytes, source: Address) -> None:
        try:
            self._receive(datagram, source)
        except Exception as error:  # noqa: BLE001 - the reactor would close the socket
            _log.error("media.receive_failed", port=self.port, **place(error))

    def _receive(self, datagram: bytes, source: Address) -> None:
        if not self._latch.admits(source.host):
            return
        if self._control.mux and is_control(datagram):
            self._control.receive(datagram, source)
            return
        if self._protection is not None:
            opened = self._protection.open(datagram)
            if opened is None:
                return
            datagram = opened
        packet = unpack(datagram)
        if packet is None:
            return
        is_event = self.takes_for_key(packet.payload_type)
        if is_event is None:
            return
        now = self._reactor.seconds()
        self._count(packet, now, audio=not is_event)
        if self._latch.hear(source, now):
            # Until here every packet was let in, so that the first one was enough.
            self._send_by(self._socket.connect(source))
            self.listen(needs_audio=self._needs_audio)
        self._on_packet(packet, is_event, now)

    def _count(self, packet: RtpPacket, at: float, *, audio: bool) -> None:
        self.last_packet_at = at
        self._watch.hear(at)
        self._control.reports.reception.hear(packet, at, audio=audio)
        if audio and len(packet.payload) != self._frame:
            self._frame = len(packet.payload)
            self.listen(needs_audio=self._needs_audio)

    def _peer_moved(self) -> None:
        """Packets have stopped: let them come from the peer's other ports again."""
        target = self._latch.target
        if not self._latch.latched or target is None:
            return
        self._latch.release()
        self._control.release()
        self._socket.disconnect()
        self._send_by(self._socket.sender(target))
        self.listen(needs_audio=self._needs_audio)

    def _silent(self) -> None:
        try:
            self.on_silence()
        except Exception as error:  # noqa: BLE001 - nothing may reach the reactor
            _log.error("media.on_silence_failed", port=self.port, **place(error))


def _ignore() -> None:
    """Let a silence pass, before someone minds it."""
