"""The media of one call: a socket, what was negotiated, what is played, what is keyed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import randbits

import structlog

from ivr.media.address import Address, canonical
from ivr.media.clips import Clip
from ivr.media.inband import ToneBank
from ivr.media.info import InfoKey
from ivr.media.key_sources import InBand, KeySources
from ivr.media.keys import KeyPress
from ivr.media.latch import Latch
from ivr.media.negotiation import Negotiated, OurSide, answer, make_offer, read_answer
from ivr.media.playback import AudioStream, Playback
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtp import unpack
from ivr.media.sdp import Description, parse, render
from ivr.media.udp import RtpSocket, SocketReactor

_log = structlog.get_logger(__name__)


class MediaStateError(Exception):
    """The leg was asked for what it cannot do now: it is closed, or nothing was offered."""


@dataclass(frozen=True, slots=True)
class MediaNode:
    """What all legs of a process share. `host` is bound; peers are told `public_host`.

    Both are IP literals of one family; 0.0.0.0 may be bound, but not told. `in_band` is
    when its legs listen for keypad tones in the audio.
    """

    reactor: SocketReactor
    playout: Playout
    ports: PortPool
    host: str
    public_host: str
    in_band: InBand = InBand.AUTO
    tones: ToneBank = field(init=False)

    def __post_init__(self) -> None:
        """Open the bank that hears the tones of all legs."""
        object.__setattr__(self, "tones", ToneBank(self.reactor))


def _ignore(_press: KeyPress) -> None:
    """Let a key go unheard, before someone listens and after the end."""


class MediaLeg:
    """One call's audio and keys.

    Set `on_key` before answering; it is called with each `KeyPress` as its first packet
    arrives. Whatever it raises is logged by type and place only, and goes no further.
    """

    __slots__ = (
        "_audio_types",
        "_closed",
        "_event_types",
        "_keys",
        "_latch",
        "_negotiated",
        "_node",
        "_offered",
        "_ours",
        "_playback",
        "_socket",
        "_stream",
        "last_packet_at",
        "on_key",
    )

    def __init__(
        self,
        node: MediaNode,
        signalling_host: str | None = None,
        in_band: InBand | None = None,
    ) -> None:
        """Open a socket. `signalling_host` is the IP literal that SIP comes from.

        `in_band` may differ from the node's. Raise `NoPortLeft`, or `OSError` when the
        system gives no socket.
        """
        public_host = canonical(node.public_host)
        self.on_key: Callable[[KeyPress], None] = _ignore
        self.last_packet_at: float | None = None
        """When a valid packet came last; audio counts once in 64 packets or so."""
        self._node = node
        self._closed = False
        self._keys = KeySources(
            node.reactor, node.tones, in_band or node.in_band, self._deliver
        )
        self._latch = Latch(canonical(signalling_host) if signalling_host else None)
        self._negotiated: Negotiated | None = None
        self._event_types: frozenset[int] = frozenset()
        self._audio_types: frozenset[int] = frozenset()
        self._offered: Description | None = None
        self._playback: Playback | None = None
        self._socket = RtpSocket(node.reactor, node.ports, node.host, self._datagram)
        self._ours = OurSide(Address(public_host, self._socket.port), randbits(31))
        self._stream = AudioStream(_unsent)

    @property
    def port(self) -> int:
        """Our RTP port."""
        return self._socket.port

    @property
    def negotiated(self) -> Negotiated | None:
        """What was agreed last."""
        return self._negotiated

    def answer(self, offer: bytes) -> bytes:
        """Answer the offer of an INVITE or re-INVITE, and follow it from now on.

        Raise `SdpError` or `NotAcceptable`: then what was agreed before still holds.
        """
        self._check_open()
        description, negotiated = answer(parse(offer), self._ours)
        self._offered = None
        self._follow(negotiated)
        return render(description)

    def offer(self) -> bytes:
        """Offer what we can do, for an INVITE that came without an offer."""
        self._check_open()
        self._offered = make_offer(self._ours, self._negotiated)
        return render(self._offered)

    def accept_answer(self, received: bytes) -> None:
        """Read the answer to `offer`, and follow it from now on.

        Raise `SdpError` or `NotAcceptable`; `MediaStateError` when nothing was offered.
        """
        self._check_open()
        if self._offered is None:
            raise MediaStateError("nothing was offered that could be answered")
        negotiated = read_answer(self._offered, parse(received), self._ours)
        self._offered = None
        self._follow(negotiated)

    def play(self, clips: Sequence[Clip]) -> Playback:
        """Play `clips` from the next 20 ms on, in place of what is played.

        Before an answer, and while the peer holds the call, the playback waits.
        """
        playback = Playback(clips)
        if self._closed:
            playback.finish(played=False)
            return playback
        replaced, self._playback = self._playback, playback
        self._stream.play(None if playback.finished.called else playback)
        if replaced is not None:
            replaced.finish(played=False)
        return playback

    def stop(self) -> None:
        """Go over to silence at the next 20 ms."""
        playback, self._playback = self._playback, None
        self._stream.play(None)
        if playback is not None:
            playback.finish(played=False)

    def info_key(self, key: InfoKey) -> None:
        """Take a key that came by SIP INFO (`ivr.media.info.parse_info`).

        It is told to `on_key`, unless the same press has come by another way.
        """
        needed_audio = self._keys.needs_audio
        self._keys.info(key)
        if needed_audio and not self._keys.needs_audio:
            self._filter()

    def close(self) -> None:
        """Stop everything and free the port. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.on_key = _ignore
        self._keys.close()
        self._node.playout.remove(self._stream)
        self._socket.close()
        self.stop()

    def _check_open(self) -> None:
        if self._closed:
            raise MediaStateError("the leg is closed")

    def _follow(self, negotiated: Negotiated) -> None:
        now = self._node.reactor.seconds()
        before, self._negotiated = self._negotiated, negotiated
        self._event_types = negotiated.event_types
        self._audio_types = negotiated.audio_types
        if negotiated.remote.usable and self._latch.aim(negotiated.remote, now):
            self._socket.disconnect()
            self._stream.send = self._socket.sender(negotiated.remote)
        self._keys.follow(negotiated.codec, events_negotiated=bool(self._event_types))
        self._filter()
        self._stream.use(negotiated.codec, negotiated.send_audio)
        was_sending = before is not None and before.sends
        if negotiated.sends and not was_sending:
            self._stream.resume(now)
            self._node.playout.add(self._stream)
        elif was_sending and not negotiated.sends:
            self._stream.pause(now)
            self._node.playout.remove(self._stream)

    def _datagram(self, datagram: bytes, source: Address) -> None:
        try:
            self._receive(datagram, source)
        except Exception as error:  # noqa: BLE001 - the reactor would close the socket
            _log.error("media.receive_failed", port=self.port, **_place(error))

    def _receive(self, datagram: bytes, source: Address) -> None:
        if not self._latch.admits(source.host):
            return
        packet = unpack(datagram)
        if packet is None:
            return
        is_event = packet.payload_type in self._event_types
        if not is_event and packet.payload_type not in self._audio_types:
            return
        now = self._node.reactor.seconds()
        self.last_packet_at = now
        if self._latch.hear(source, now):
            # Until here every packet was let in, so that the first one was enough.
            self._stream.send = self._socket.connect(source)
            self._filter()
        if not is_event:
            self._keys.audio(packet, now)
            return
        needed_audio = self._keys.needs_audio
        self._keys.event(packet, now)
        if needed_audio and not self._keys.needs_audio:
            self._filter()

    def _filter(self) -> None:
        """Let the kernel drop what nobody needs, once the peer's source is known."""
        if self._negotiated is None or not self._latch.latched:
            self._socket.keep_audio()
        elif self._keys.needs_audio:
            codec = self._negotiated.codec
            self._keys.sparse = self._socket.drop_quiet_audio(self._event_types, codec)
        else:
            self._socket.drop_audio(self._event_types)

    def _deliver(self, press: KeyPress) -> None:
        try:
            self.on_key(press)
        except Exception as error:  # noqa: BLE001 - nothing may reach the reactor
            _log.error("media.on_key_failed", port=self.port, **_place(error))


def _place(error: Exception) -> dict[str, str]:
    """Tell an exception's type and where it was raised.

    Its message and the locals of its traceback may hold a key, so they are left out.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return {"error": type(error).__name__}
    code = trace.tb_frame.f_code
    return {"error": type(error).__name__, "place": f"{code.co_qualname}:{trace.tb_lineno}"}


def _unsent(_packet: bytes) -> None:
    """Send nothing: no address was negotiated yet."""
