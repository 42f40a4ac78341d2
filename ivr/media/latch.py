"""Where a leg's packets go: to the described address, or to where the peer really sends from.

A peer behind NAT, or one that sends from another port than it listens on, is answered
at the source of its first valid packet. Only two hosts may be that source: the one in
the session description and the one that signalling comes from.
"""

from ivr.media.address import Address

_STALE_FOR = 1.0
"""Seconds in which packets of the stream before a re-INVITE may still arrive."""


class Latch:
    """The destination of one leg, from one description to the next."""

    __slots__ = (
        "_described",
        "_lapsed",
        "_signalling_host",
        "_stale",
        "_stale_until",
        "source",
    )

    def __init__(self, signalling_host: str | None) -> None:
        """`signalling_host` is the IP literal, in canonical form, that SIP comes from."""
        self._signalling_host = signalling_host
        self._described: Address | None = None
        self.source: Address | None = None
        """Where the peer really sends from, once that is known."""
        self._lapsed: Address | None = None
        self._stale: Address | None = None
        self._stale_until = 0.0

    @property
    def target(self) -> Address | None:
        """Where to send; None before the first description."""
        return self.source or self._lapsed or self._described

    @property
    def latched(self) -> bool:
        """Whether the peer's real source is known."""
        return self.source is not None

    def aim(self, described: Address, at: float) -> bool:
        """Take the peer's described address; return whether it is a new one.

        A new one must be latched anew, and for a second not at the old source, whose
        last packets are still on their way.
        """
        if described == self._described:
            return False
        if self.source is not None and self.source != described:
            self._stale, self._stale_until = self.source, at + _STALE_FOR
        self._described = described
        self.source = self._lapsed = None
        return True

    def release(self) -> None:
        """Let the next valid packet tell the source again; until then nothing changes."""
        self._lapsed = self.source or self._lapsed
        self.source = None

    def admits(self, host: str) -> bool:
        """Whether packets from `host` may belong to the peer."""
        if self._described is None:
            return False
        return host in (self._described.host, self._signalling_host)

    def hear(self, source: Address, at: float) -> bool:
        """Take the source of a valid packet; return whether it was latched just now."""
        if self.source is not None:
            return False
        if source == self._stale and at < self._stale_until:
            return False
        self.source = source
        return True
