"""What a leg hands over while it is joined to another, and where its sound comes from."""

from typing import Protocol

from ivr.media.keys import KeyPress
from ivr.media.negotiation import Negotiated
from ivr.media.playback import Source
from ivr.media.rtp import RtpPacket


class Tap(Source, Protocol):
    """One end of a bridge. Nothing that a leg calls here may raise."""

    def audio(self, packet: RtpPacket) -> None:
        """Take a packet of audio in the codec that was negotiated."""

    def events(self, packet: RtpPacket) -> None:
        """Take a packet of telephone-events."""

    def key(self, press: KeyPress) -> None:
        """Learn that a key was pressed, by whichever way it came; told once for a press.

        Where it came by telephone-events, the packet that told follows as `events`.
        """

    def followed(self, negotiated: Negotiated) -> None:
        """Learn what was agreed anew."""

    def closed(self) -> None:
        """Learn that the leg was closed."""
