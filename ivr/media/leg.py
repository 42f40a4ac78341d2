"""The media of one call: a socket, what was negotiated, what is played, what is keyed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import randbits

import structlog

from ivr.faults import place
from ivr.media.address import Address, canonical
from ivr.media.clips import Clip
from ivr.media.inband import ToneBank
from ivr.media.info import InfoKey
from ivr.media.key_sources import InBand, KeySources
from ivr.media.keys import KeyPress
from ivr.media.negotiation import Negotiated, OurSide, answer, make_offer, read_answer
from ivr.media.playback import AudioStream, Playback
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.reports import Quality
from ivr.media.rtp import RtpPacket
from ivr.media.sdp import Description, parse, render
from ivr.media.security import Refusals, SrtpPolicy
from ivr.media.shield import ShieldBank
from ivr.media.tap import Tap
from ivr.media.udp import SocketReactor
from ivr.media.wire import Need, Wire

_log = structlog.get_logger(__name__)


class MediaStateError(Exception):
    """The leg was asked for what it cannot do now: it is closed, or nothing was offered."""


@dataclass(frozen=True, slots=True)
class MediaNode:
    """What all legs of a process share. `host` is bound; peers are told `public_host`.

    Both are IP literals of one family; 0.0.0.0 may be bound, but not told. `in_band` is
    when its legs listen for keypad tones in the audio, `srtp` whether they are encrypted;
    a leg is told of a silence of `silence_after` seconds, 0 for never.
    """

    reactor: SocketReactor
    playout: Playout
    ports: PortPool
    host: str
    public_host: str
    in_band: InBand = InBand.AUTO
    srtp: SrtpPolicy = SrtpPolicy.OFF
    silence_after: float = 60.0
    tones: ToneBank = field(init=False)
    shields: ShieldBank = field(init=False)

    def __post_init__(self) -> None:
        """Open the banks that hear the tones of all legs, and keep them from others."""
        object.__setattr__(self, "tones", ToneBank(self.reactor))
        object.__setattr__(self, "shields", ShieldBank(self.reactor))


def _ignore(_press: KeyPress) -> None:
    """Let a key go unheard, before someone listens and after the end."""


class MediaLeg:
    """One call's audio and keys.

    Set `on_key` before answering; it is called with each `KeyPress` as its first packet
    arrives. Whatever it raises is logged by type and place only, and goes no further.
    """

    __slots__ = (
        "_closed",
        "_keys",
        "_negotiated",
        "_node",
        "_offered",
        "_ours",
        "_playback",
        "_stream",
        "_tap",
        "_wire",
        "on_key",
    )

    def __init__(
        self,
        node: MediaNode,
        signalling_host: str | None = None,
        in_band: InBand | None = None,
        srtp: SrtpPolicy | None = None,
    ) -> None:
        """Open a socket. `signalling_host` is the IP literal that SIP comes from.

        `in_band` and `srtp` may differ from the node's. Raise `NoPortLeft`, or `OSError`
        when the system gives no socket.
        """
        public_host = canonical(node.public_host)
        self.on_key: Callable[[KeyPress], None] = _ignore
        self._node = node
        self._closed = False
        self._keys = KeySources(
            node.reactor, node.tones, in_band or node.in_band, self._deliver
        )
        self._negotiated: Negotiated | None = None
        self._offered: Description | None = None
        self._playback: Playback | None = None
        self._stream = AudioStream(_unsent)
        self._tap: Tap | None = None
        self._wire = Wire(
            node.reactor,
            node.ports,
            node.host,
            canonical(signalling_host) if signalling_host else None,
            node.silence_after,
            self._stream,
            self._hear,
        )
        ours = Address(public_host, self._wire.port)
        self._ours = OurSide(ours, randbits(31), srtp or node.srtp)

    @property
    def node(self) -> MediaNode:
        """What this leg shares with others."""
        return self._node

    @property
    def port(self) -> int:
        """Our RTP port."""
        return self._wire.port

    @property
    def last_packet_at(self) -> float | None:
        """When a valid packet came last; audio counts once in 64 packets or so."""
        return self._wire.last_packet_at

    @property
    def quality(self) -> Quality:
        """How well packets travel, both ways."""
        return self._wire.quality

    @property
    def refusals(self) -> Refusals:
        """Packets that SRTP dropped: forged, damaged, or sent twice."""
        return self._wire.refusals

    @property
    def on_silence(self) -> Callable[[], object]:
        """Called when nothing has come for the node's `silence_after`, unless on hold."""
        return self._wire.on_silence

    @on_silence.setter
    def on_silence(self, callback: Callable[[], object]) -> None:
        self._wire.on_silence = callback

    @property
    def negotiated(self) -> Negotiated | None:
        """What was agreed last."""
        return self._negotiated

    @property
    def tap(self) -> Tap | None:
        """What it is joined to, if that is what it hears."""
        return self._tap if self._stream.source is self._tap else None

    def takes_for_key(self, payload_type: int) -> bool | None:
        """Whether packets of this type are taken for keys; None when they are dropped."""
        return self._wire.takes_for_key(payload_type)

    def answer(self, offer: bytes) -> bytes:
        """Answer the offer of an INVITE or re-INVITE, and follow it from now on.

        Raise `SdpError` or `NotAcceptable`: then what was agreed before still holds.
        """
        self._check_open()
        description, negotiated = answer(parse(offer), self._ours, self._negotiated)
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
        negotiated = read_answer(self._offered, parse(received), self._ours, self._negotiated)
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
        needed = self._need
        self._keys.info(key)
        if self._need is not needed:
            self._wire.listen(self._need)

    def join(self, tap: Tap | None) -> None:
        """Hand what is received to `tap`, and send what it gives; None for silence again.

        What is played is heard in its place. Raise `MediaStateError` when the leg is
        closed or joined already.
        """
        if tap is not None:
            self._check_open()
            if self._tap is not None:
                raise MediaStateError("the leg is joined to another")
        self._tap = self._stream.source = tap
        if self._closed or self._negotiated is None:
            return
        self._wire.listen(self._need)
        if tap is not None:
            tap.followed(self._negotiated)

    def close(self) -> None:
        """Stop everything and free the port. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.on_key = _ignore
        if self._tap is not None:
            self._tap.closed()
        self._keys.close()
        self._node.playout.remove(self._stream)
        self._wire.close()
        self.stop()

    @property
    def _need(self) -> Need:
        if self._tap is not None:
            return Need.ALL
        return Need.TONES if self._keys.needs_audio else Need.NOTHING

    def _check_open(self) -> None:
        if self._closed:
            raise MediaStateError("the leg is closed")

    def _follow(self, negotiated: Negotiated) -> None:
        now = self._node.reactor.seconds()
        before, self._negotiated = self._negotiated, negotiated
        self._keys.follow(negotiated.codec, events_negotiated=bool(negotiated.event_types))
        self._wire.follow(negotiated, self._need)
        if negotiated.security is None and self._ours.srtp is not SrtpPolicy.OFF:
            _log.info("media.in_the_clear", port=self.port)
        self._stream.use(negotiated.codec, negotiated.send_audio)
        self._stream.event_type = negotiated.send_event
        if self._tap is not None:
            self._tap.followed(negotiated)
        was_sending = before is not None and before.sends
        if negotiated.sends and not was_sending:
            self._stream.resume(now)
            self._node.playout.add(self._stream)
        elif was_sending and not negotiated.sends:
            self._stream.pause(now)
            self._node.playout.remove(self._stream)

    def _hear(self, packet: RtpPacket, is_event: bool, at: float) -> None:
        if not is_event:
            self._keys.audio(packet, at, self._wire.left_out)
            if self._tap is not None:
                self._tap.audio(packet)
            return
        needed = self._need
        self._keys.event(packet, at)
        if self._need is not needed:
            self._wire.listen(self._need)
        # Last, so that a shield that this key raised keeps the key from the other leg.
        if self._tap is not None:
            self._tap.events(packet)

    def _deliver(self, press: KeyPress) -> None:
        if self._tap is not None:
            self._tap.key(press)
        try:
            self.on_key(press)
        except Exception as error:  # noqa: BLE001 - nothing may reach the reactor
            _log.error("media.on_key_failed", port=self.port, **place(error))


def _unsent(_packet: bytes) -> None:
    """Send nothing: no address was negotiated yet."""
