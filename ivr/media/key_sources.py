"""One key for one press, whichever ways it comes: RFC 4733, SIP INFO, tones in the audio.

Gateways let the first tens of milliseconds of a tone through before its telephone-event
begins, and some exchanges send a press in two ways on purpose. So presses that reach the
leg by different ways are matched, key by key and in order, and each is told once.
"""

import math
from collections import deque
from collections.abc import Callable
from enum import Enum, StrEnum

from ivr.clock import Clock, DelayedCall
from ivr.media.g711 import Codec
from ivr.media.inband import Ear, ToneBank
from ivr.media.info import InfoKey
from ivr.media.keys import KeyPress
from ivr.media.rtp import RtpPacket
from ivr.media.telephone_event import TelephoneEvents

HELD_BACK = 0.15
"""Seconds that a tone waits for its telephone-event, where those were negotiated: more
than a gateway needs to recognise a tone (60 ms) and a first packet lost."""

SAME_PRESS = 0.5
"""Seconds from the end of a press within which another way may still bring it."""

_REMEMBERED = 8


class InBand(StrEnum):
    """When to listen for tones in the audio.

    `fallback`: where no telephone-event was negotiated. `auto`: there, and elsewhere until
    the first one comes. Neither after a key by INFO. `on`: throughout the call, for trunks
    that change their ways within one. `off`: never.
    """

    FALLBACK = "fallback"
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class _Way(Enum):
    EVENT = 1
    INFO = 2
    TONE = 3


class _Told:
    """A press that was told, and by which ways it has come so far."""

    __slots__ = ("first", "press", "ways")

    def __init__(self, press: KeyPress, way: _Way) -> None:
        self.press = press
        self.first = way
        self.ways = {way}

    def gap_to(self, at: float) -> float:
        """Return the pause before a press that came at `at`."""
        # INFO comes at a key's release with some, at its press with others; and the
        # length it tells is often a constant.
        held = 0.0 if self.first is _Way.INFO else self.press.held
        return max(0.0, at - self.press.at - held)


class KeySources:
    """All sources of one leg's keys. `on_press` gets each press once; it must not raise."""

    __slots__ = (
        "_bank",
        "_by_event",
        "_by_info",
        "_clock",
        "_codec",
        "_ear",
        "_events",
        "_events_negotiated",
        "_held",
        "_in_band",
        "_on_press",
        "_told",
    )

    def __init__(
        self,
        clock: Clock,
        bank: ToneBank,
        in_band: InBand,
        on_press: Callable[[KeyPress], None],
    ) -> None:
        self._clock = clock
        self._bank = bank
        self._in_band = in_band
        self._on_press = on_press
        self._events = TelephoneEvents()
        self._events_negotiated = False
        self._codec = Codec.PCMA
        self._by_event = False
        self._by_info = False
        self._ear: Ear | None = None
        self._held: dict[KeyPress, DelayedCall] = {}
        self._told: deque[_Told] = deque(maxlen=_REMEMBERED)

    @property
    def needs_audio(self) -> bool:
        """Whether keys may still come as tones, so that audio must be handed over."""
        match self._in_band:
            case InBand.ON | InBand.OFF:
                return self._in_band is InBand.ON
            case InBand.FALLBACK:
                return not (self._by_info or self._events_negotiated)
            case InBand.AUTO:
                return not (self._by_info or (self._by_event and self._events_negotiated))

    def follow(self, codec: Codec, *, events_negotiated: bool) -> None:
        """Take what was negotiated, now and at every renegotiation."""
        if codec is not self._codec:
            self._stop_listening()
        self._codec = codec
        self._events_negotiated = events_negotiated
        self._listen_as_needed()

    def event(self, packet: RtpPacket, at: float) -> None:
        """Take a packet of telephone-events, received at `at` seconds."""
        for press in self._events.receive(packet, at):
            self._by_event = True
            self._take(press, _Way.EVENT)
            self._listen_as_needed()

    def audio(self, packet: RtpPacket, at: float, left_out: int = 0) -> None:
        """Take a packet of audio; only where `needs_audio` is it listened to.

        `left_out` is as in `Ear.receive`.
        """
        if self._ear is None:
            if not self.needs_audio:
                return
            self._ear = self._bank.open(self._codec, self._tone)
        self._ear.receive(packet, at, left_out)

    def info(self, key: InfoKey) -> None:
        """Take a key that came by INFO just now."""
        self._by_info = True
        press = KeyPress(key.key, self._clock.seconds(), math.inf, key.duration or 0.0)
        self._take(press, _Way.INFO)
        self._listen_as_needed()

    def close(self) -> None:
        """Tell nothing more, not even what is held back."""
        self._stop_listening()
        for call in self._held.values():
            call.cancel()
        self._held.clear()

    def _listen_as_needed(self) -> None:
        if not self.needs_audio:
            self._stop_listening()

    def _stop_listening(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    def _tone(self, press: KeyPress) -> None:
        if not self._events_negotiated:
            self._take(press, _Way.TONE)
        elif not self._matched(press, _Way.TONE):
            self._held[press] = self._clock.callLater(HELD_BACK, self._release, press)

    def _release(self, press: KeyPress) -> None:
        del self._held[press]
        self._take(press, _Way.TONE)

    def _take(self, press: KeyPress, way: _Way) -> None:
        if self._matched(press, way):
            return
        if way is not _Way.TONE:
            self._settle_held(press)
        if math.isinf(press.gap) and self._told:
            press.gap = self._told[-1].gap_to(press.at)
        for told in self._told:
            # Presses of one way come in order: what it has not brought by now it never will.
            told.ways.add(way)
        self._told.append(_Told(press, way))
        self._on_press(press)

    def _matched(self, press: KeyPress, way: _Way) -> bool:
        """Whether `press` was told already, as it came by another way; note that it was."""
        for place, told in enumerate(self._told):
            since = press.at - told.press.at
            if (
                way not in told.ways
                and told.press.key == press.key
                and -SAME_PRESS <= since <= told.press.held + SAME_PRESS
            ):
                for earlier in list(self._told)[: place + 1]:
                    earlier.ways.add(way)
                return True
        return False

    def _settle_held(self, press: KeyPress) -> None:
        """Before `press` is told, tell the tones held back, but for the one that it is."""
        while self._held:
            held = next(iter(self._held))
            self._held.pop(held).cancel()
            if held.key == press.key:
                press.gap = min(press.gap, held.gap)
                return
            self._take(held, _Way.TONE)
