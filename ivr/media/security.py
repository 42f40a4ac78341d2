"""Whether a leg's media are encrypted, and with which keys: SDES in offer and answer.

A line is secure when it carries keys, be it `RTP/SAVP` or, from peers that leave the
choice open, `RTP/AVP` (as RFC 8643 has it).
"""

from dataclasses import dataclass
from enum import StrEnum

from ivr.media.refusal import NotAcceptable
from ivr.media.sdes import (
    OFFERED_SUITES,
    Crypto,
    MasterKey,
    Suite,
    names_crypto,
    read_cryptos,
    render_crypto,
)
from ivr.media.sdp import Attribute, Media

PLAIN = "RTP/AVP"
SECURE = "RTP/SAVP"


class SrtpPolicy(StrEnum):
    """What a leg does about SRTP."""

    OFF = "off"
    """Never: keys are ignored, `RTP/SAVP` is refused."""
    OFFERED = "offered"
    """Encrypted with every peer that has usable keys, in the clear with others."""
    REQUIRED = "required"
    """Encrypted, or no call."""


@dataclass(frozen=True, slots=True)
class Security:
    """The agreed suite and keys: `ours` protects what we send, `theirs` what we receive."""

    protocol: str
    tag: int
    suite: Suite
    ours: MasterKey
    theirs: MasterKey

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What our answer says."""
        return (render_crypto(Crypto(self.tag, self.suite, self.ours)),)


@dataclass(slots=True)
class Refusals:
    """How many packets of an encrypted leg were dropped, and why."""

    unauthentic: int = 0
    """Forged, damaged, or protected with another key."""
    replayed: int = 0
    """Received before, or too old to tell."""


def check_offered(media: Media, policy: SrtpPolicy, current: Security | None) -> None:
    """Raise `NotAcceptable` when the line of an offer is not as secure as it must be.

    What was encrypted once is not in the clear afterwards, whatever is offered.
    """
    protocol = media.protocol.upper()
    if protocol not in (PLAIN, SECURE) or (policy is SrtpPolicy.OFF and protocol == SECURE):
        needed = SECURE if policy is SrtpPolicy.REQUIRED else PLAIN
        raise NotAcceptable(302, f"Incompatible transport protocol: {needed} is needed")
    if policy is SrtpPolicy.OFF or read_cryptos(media):
        return
    if protocol == SECURE:
        raise NotAcceptable(399, "No usable a=crypto on the RTP/SAVP line")
    if policy is SrtpPolicy.REQUIRED:
        raise NotAcceptable(399, "Encryption is needed: RTP/SAVP with a=crypto")
    if current is not None:
        raise NotAcceptable(399, "The call is encrypted and stays so: a=crypto is needed")


def answer_crypto(
    media: Media, policy: SrtpPolicy, current: Security | None
) -> Security | None:
    """Choose of a checked line's keys the first that we can use; None when in the clear.

    Our key is a new one, unless the peer has repeated its own (RFC 3264 §8: then nothing
    is to change).
    """
    cryptos = () if policy is SrtpPolicy.OFF else read_cryptos(media)
    if not cryptos:
        return None
    tag, suite, theirs = cryptos[0]
    protocol = media.protocol.upper()
    if current is not None and (current.suite, current.theirs) == (suite, theirs):
        return Security(protocol, tag, suite, current.ours, theirs)
    return Security(protocol, tag, suite, MasterKey.fresh(suite), theirs)


def offer_protocol(policy: SrtpPolicy, current: Security | None) -> str:
    """Return the protocol of our offer: that of the session, else as the policy asks."""
    if current is not None:
        return current.protocol
    return SECURE if policy is SrtpPolicy.REQUIRED else PLAIN


def offer_crypto(policy: SrtpPolicy) -> tuple[Attribute, ...]:
    """Return the attributes of our offer: a new key for each suite."""
    if policy is SrtpPolicy.OFF:
        return ()
    return tuple(
        render_crypto(Crypto(tag, suite, MasterKey.fresh(suite)))
        for tag, suite in enumerate(OFFERED_SUITES, 1)
    )


def read_answered_crypto(
    offered: Media, answered: Media, policy: SrtpPolicy, current: Security | None
) -> Security | None:
    """Read which of our keys was taken, and the peer's. Raise `NotAcceptable`.

    An answer may have one `a=crypto`, with tag and suite of one that was offered
    (§5.1.3), and not the key that we sent.
    """
    protocol = answered.protocol.upper()
    if protocol != offered.protocol:
        reason = f"Incompatible transport protocol: {offered.protocol} is needed"
        raise NotAcceptable(302, reason)
    if policy is SrtpPolicy.OFF:
        return None
    if not names_crypto(answered):
        if protocol == SECURE or policy is SrtpPolicy.REQUIRED or current is not None:
            raise NotAcceptable(399, "Encryption is needed: the answer has no a=crypto")
        return None
    cryptos = read_cryptos(answered)
    ours = {(crypto.tag, crypto.suite): crypto.key for crypto in read_cryptos(offered)}
    if len(cryptos) != 1 or cryptos[0][:2] not in ours:
        raise NotAcceptable(399, "The answer's a=crypto was not offered")
    tag, suite, theirs = cryptos[0]
    if theirs in ours.values():
        raise NotAcceptable(399, "The answer's key is the one that was offered")
    return Security(protocol, tag, suite, ours[tag, suite], theirs)
