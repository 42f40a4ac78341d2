"""SRTP and SRTCP (RFC 3711) by libsrtp: one leg's packets, closed and opened."""

from pylibsrtp import Error, Policy, Session

from ivr.media.sdes import MasterKey, Suite
from ivr.media.security import Refusals

_PROFILES = {
    Suite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    Suite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
}
_WINDOW = 1024
"""Packets; keys that come twice within 20 s are refused as replays, older ones as too old."""
_MOST_SOURCES = 32
"""libsrtp keeps some kilobytes for each SSRC, and a peer may name a new one in each packet."""
_SSRC = slice(8, 12)
_SSRC_OF_CONTROL = slice(4, 8)
_REPLAY = "replay"
_HEADER = 12
_CONTROL_HEADER = 8


class Protection:
    """Protects what one side sends and opens what the other side sends, with a key each."""

    __slots__ = ("_incoming", "_ours", "_outgoing", "_sources", "_theirs", "refusals")

    def __init__(self, suite: Suite, ours: MasterKey, theirs: MasterKey) -> None:
        """`ours` protects what we send; `theirs` opens what we receive."""
        self.refusals = Refusals()
        self._protect_with(suite, ours)
        self._open_with(suite, theirs)

    def rekey(self, suite: Suite, ours: MasterKey, theirs: MasterKey) -> None:
        """Go over to other keys. A key that stays keeps its state.

        That is its count of wraps and its memory of what came: to begin anew with a used
        key would repeat its key stream, and admit replays.
        """
        if (suite, ours) != self._ours:
            self._protect_with(suite, ours)
        if (suite, theirs) != self._theirs:
            self._open_with(suite, theirs)

    def _protect_with(self, suite: Suite, key: MasterKey) -> None:
        self._ours = (suite, key)
        self._outgoing = _session(key, Policy.SSRC_ANY_OUTBOUND, _PROFILES[suite])

    def _open_with(self, suite: Suite, key: MasterKey) -> None:
        self._theirs = (suite, key)
        self._incoming = _session(key, Policy.SSRC_ANY_INBOUND, _PROFILES[suite])
        self._sources: set[bytes] = set()

    def protect(self, packet: bytes) -> bytes:
        """Return the SRTP packet for an RTP packet of ours. Raise `OSError` when it cannot."""
        try:
            return self._outgoing.protect(packet)
        except Error:
            raise OSError("a packet that cannot be protected") from None

    def protect_control(self, packet: bytes) -> bytes:
        """Return the SRTCP packet for an RTCP packet of ours. Raise `OSError` likewise."""
        try:
            return self._outgoing.protect_rtcp(packet)
        except Error:
            raise OSError("a packet that cannot be protected") from None

    def open(self, datagram: bytes) -> bytes | None:
        """Return the RTP packet in an SRTP packet, or None: dropped, and counted."""
        if len(datagram) < _HEADER or self._too_many(datagram[_SSRC]):
            return None
        try:
            packet = self._incoming.unprotect(datagram)
        except (Error, ValueError) as error:
            self._refuse(error)
            return None
        self._sources.add(datagram[_SSRC])
        return packet

    def open_control(self, datagram: bytes) -> bytes | None:
        """Return the RTCP packets in an SRTCP packet, or None: dropped, and counted."""
        if len(datagram) < _CONTROL_HEADER or self._too_many(datagram[_SSRC_OF_CONTROL]):
            return None
        try:
            packet = self._incoming.unprotect_rtcp(datagram)
        except (Error, ValueError) as error:
            self._refuse(error)
            return None
        self._sources.add(datagram[_SSRC_OF_CONTROL])
        return packet

    def _too_many(self, source: bytes) -> bool:
        if source in self._sources or len(self._sources) < _MOST_SOURCES:
            return False
        self.refusals.unauthentic += 1
        return True

    def _refuse(self, error: Exception) -> None:
        if str(error).startswith(_REPLAY):
            self.refusals.replayed += 1
        else:
            self.refusals.unauthentic += 1


def _session(key: MasterKey, direction: int, profile: int) -> Session:
    policy = Policy(key=key.reveal(), ssrc_type=direction, srtp_profile=profile)
    policy.window_size = _WINDOW
    return Session(policy)
