"""Keys for SRTP in session descriptions: `a=crypto` (RFC 4568; GCM: RFC 7714).

Keys are never shown: not by `repr`, not in an error, and they cannot be pickled.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator
from enum import StrEnum
from hmac import compare_digest
from secrets import token_bytes
from typing import NamedTuple, NoReturn

from ivr.media.sdp import Attribute, Media

_CRYPTO = "crypto"
_SYNTAX = re.compile(r"([0-9]{1,9})[ \t]+([A-Za-z0-9_]{1,64})[ \t]+([!-~]+)((?:[ \t]+[!-~]+)*)")
_INLINE = "inline:"
_LIFETIME = re.compile(r"(2\^)?([0-9]{1,15})", re.ASCII)
_LONGEST_LIFE = 2**48
_WINDOW_HINT = re.compile(r"WSH=[0-9]{2,9}", re.ASCII)
_HARMLESS = ("KDR=0",)
_MOST = 32


class SdesError(Exception):
    """An `a=crypto` that is malformed, or asks for what we do not do. It quotes nothing."""


class Suite(StrEnum):
    """The crypto suites that we speak."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"

    @property
    def key_size(self) -> int:
        """Octets of master key and master salt together."""
        return 28 if self is Suite.AEAD_AES_128_GCM else 30


OFFERED_SUITES = (Suite.AES_CM_128_HMAC_SHA1_80, Suite.AEAD_AES_128_GCM)
"""What we offer. The short tags of the third are accepted, and not asked for."""


class MasterKey:
    """A master key followed by its salt, as secret as what it protects."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @classmethod
    def fresh(cls, suite: Suite) -> "MasterKey":
        """Return a new random key for `suite`."""
        return cls(token_bytes(suite.key_size))

    def reveal(self) -> bytes:
        """Return the octets, for the cipher and the description of our own."""
        return self._octets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MasterKey) and compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(MasterKey)

    def __repr__(self) -> str:
        return "<MasterKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never copied nor stored")


class Crypto(NamedTuple):
    """One `a=crypto` that we can use: its sender will protect with `key`."""

    tag: int
    suite: Suite
    key: MasterKey


def parse_crypto(value: str) -> Crypto:
    """Read the value of `a=crypto`. Raise `SdesError`, and nothing else.

    A lifetime is the sender's to keep, so it is only checked. Of the session parameters
    those that change nothing are accepted (§6.3): `KDR=0`, a window size, and extensions
    that begin with a minus sign. An MKI, several keys, another key derivation rate and
    streams without encryption or authentication are refused.
    """
    match = _SYNTAX.fullmatch(value.strip(" \t"))
    if match is None:
        raise SdesError("not of the form tag, suite, key parameters")
    tag, name, keys, session = match.groups()
    try:
        suite = Suite(name.upper())
    except ValueError:
        raise SdesError("an unknown crypto suite") from None
    for parameter in session.split():
        if parameter.startswith("-") or parameter.upper() in _HARMLESS:
            continue
        if not _WINDOW_HINT.fullmatch(parameter.upper()):
            raise SdesError("a session parameter that is not supported")
    return Crypto(int(tag), suite, _key(keys, suite))


def render_crypto(crypto: Crypto) -> Attribute:
    """Return the attribute that says `crypto`."""
    key = b64encode(crypto.key.reveal()).decode("ascii")
    return Attribute(_CRYPTO, f"{crypto.tag} {crypto.suite} {_INLINE}{key}")


def read_cryptos(media: Media) -> tuple[Crypto, ...]:
    """Return what of the line's `a=crypto` we can use, in its order of preference (§5.1.2)."""
    return tuple(_usable(media))


def names_crypto(media: Media) -> bool:
    """Whether the line has any `a=crypto`, usable or not."""
    return any(_is_crypto(attribute) for attribute in media.attributes)


def _usable(media: Media) -> Iterator[Crypto]:
    values = [a.value for a in media.attributes if _is_crypto(a)]
    tags: set[int] = set()
    for value in values[:_MOST]:
        try:
            crypto = parse_crypto(value or "")
        except SdesError:
            continue
        if crypto.tag not in tags:
            tags.add(crypto.tag)
            yield crypto


def _is_crypto(attribute: Attribute) -> bool:
    return attribute.name.lower() == _CRYPTO


def _key(parameters: str, suite: Suite) -> MasterKey:
    if ";" in parameters:
        raise SdesError("several keys, which would need an MKI")
    if parameters[: len(_INLINE)].lower() != _INLINE:
        raise SdesError("a key method other than inline")
    text, *details = parameters[len(_INLINE) :].split("|")
    for detail in details:
        _check_lifetime(detail)
    if len(details) > 1:
        raise SdesError("two lifetimes")
    # Some peers leave the padding of a GCM key away.
    padding = "=" * (-len(text) % 4)
    try:
        octets = b64decode(text + padding, validate=True)
    except (NotBase64, ValueError):
        raise SdesError("a key that is not base64") from None
    if len(octets) != suite.key_size:
        raise SdesError("a key of the wrong length")
    return MasterKey(octets)


def _check_lifetime(text: str) -> None:
    if ":" in text:
        raise SdesError("an MKI, which is not supported")
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise SdesError("not a lifetime")
    power, number = match[1], int(match[2])
    if power and number > 48:
        raise SdesError("a lifetime beyond 2^48 packets")
    life = 2**number if power else number
    if not 1 <= life <= _LONGEST_LIFE:
        raise SdesError("a lifetime beyond 2^48 packets")
