"""The packets of one leg: where they go and come from, protected, counted and watched."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import structlog

from ivr.faults import place
from ivr.media.address import Address
from ivr.media.control_channel import ControlChannel
from ivr.media.g711 import FRAME, RATE, Codec
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


class Need(Enum):
    """What of the audio that comes has to be handed over."""

    NOTHING = 0
    TONES = 1
    ALL = 2


class Wire:
    """One leg's socket, and all that lies between it and the packets in the clear.

    `on_packet` gets each packet of a negotiated type, whether it is a telephone-event,
    and when it came. What it raises is logged by type and place only.
    """

    __slots__ = (
        "_audio_types",
        "_codec",
        "_control",
        "_event_types",
        "_every",
        "_frame",
        "_latch",
        "_need",
        "_on_packet",
        "_protection",
        "_reactor",
        "_reception",
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
        self._codec = Codec.PCMA
        self._need = Need.NOTHING
        self._every = 1
        self._frame = FRAME
        self._send: Callable[[bytes], object] | None = None
        self._protection: Protection | None = None
        self._watch = Watch(reactor, silence_after, self._peer_moved, self._silent)
        self._socket = RtpSocket(reactor, ports, host, self._datagram)
        self._control = ControlChannel(
            reactor, self._socket, stream, signalling_host, self._watch.note_life
        )
        self._reception = self._control.reports.reception

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

    @property
    def left_out(self) -> int:
        """How many packets, modulo 2**32, were too quiet for a tone before the last one."""
        return self._socket.dropped

    def follow(self, negotiated: Negotiated, need: Need) -> None:
        """Go over to what was negotiated; `need` is as in `listen`."""
        now = self._reactor.seconds()
        self._event_types = negotiated.event_types
        self._audio_types = negotiated.audio_types
        self._codec = negotiated.codec
        self._secure(negotiated.security)
        if negotiated.remote.usable and self._latch.aim(negotiated.remote, now):
            self._socket.disconnect()
            self._send_by(self._socket.sender(negotiated.remote))
        elif self._send is not None:
            self._send_by(self._send)
        self._control.follow(negotiated.control, self._protection, now)
        self.listen(need)
        if negotiated.sends and negotiated.direction.receives:
            self._watch.expect()
        else:
            self._watch.rest()

    def listen(self, need: Need) -> None:
        """Hand over the audio that is needed, and as little else as the system lets through."""
        self._need = need
        # Until the peer's source is known each packet is let in: the first one tells it.
        sparse = self._latch.latched and self._drop()
        if not sparse:
            self._socket.keep_audio()
        self._every = ONE_IN if sparse else 1
        # Of quiet audio that it drops, the kernel tells how many packets there were.
        self._reception.count_each(1 if need is Need.TONES else self._every)
        self._expect()

    def _drop(self) -> bool:
        """Let the kernel drop what is not needed; return False when it drops nothing."""
        # The kernel cannot tell how loud encrypted audio is.
        if self._need is Need.ALL or (self._need is Need.TONES and self._protection):
            return False
        control = FIRST_TYPES if self._control.mux else frozenset[int]()
        loud = self._codec if self._need is Need.TONES else None
        return self._socket.drop_audio(self._event_types | control, loud)

    def _expect(self) -> None:
        self._watch.expect_each(self._every * self._frame / RATE)

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
        latch = self._latch
        if source != latch.source and not latch.admits(source.host):
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
        self.last_packet_at = now
        self._watch.hear(now)
        self._reception.hear(packet, now, audio=not is_event, left_out=self._socket.dropped)
        if not is_event and len(packet.payload) != self._frame:
            self._frame = len(packet.payload)
            self._expect()
        if latch.source is None and latch.hear(source, now):
            self._send_by(self._socket.connect(source))
            self.listen(self._need)
        self._on_packet(packet, is_event, now)

    def _peer_moved(self) -> None:
        """Packets have stopped: let them come from the peer's other ports again."""
        target = self._latch.target
        if not self._latch.latched or target is None:
            return
        self._latch.release()
        self._control.release()
        self._socket.disconnect()
        self._send_by(self._socket.sender(target))
        self.listen(self._need)

    def _silent(self) -> None:
        try:
            self.on_silence()
        except Exception as error:  # noqa: BLE001 - nothing may reach the reactor
            _log.error("media.on_silence_failed", port=self.port, **place(error))


def _ignore() -> None:
    """Let a silence pass, before someone minds it."""
