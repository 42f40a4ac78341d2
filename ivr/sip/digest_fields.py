"""What both sides of digest authentication share: fields and hashes (RFC 7616, RFC 8760)."""

import hashlib
import re
from collections.abc import Callable, Mapping

from ivr.sip.grammar import QUOTED, unquote

_FIELD = re.compile(
    rf"[ \t]*+([A-Za-z0-9_.\-]++\*?)[ \t]*+=[ \t]*+({QUOTED}|[^\s,\"]++)[ \t]*+(?:,|$)"
)


def _md5(text: bytes) -> str:
    # Broken as a hash, and what most telephones still speak (RFC 8760 §2.1).
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


HASHES: Mapping[str, Callable[[bytes], str]] = {"SHA-256": _sha256, "MD5": _md5}
"""The hashes by their names in `algorithm`, the strongest first."""


def parse_fields(line: str) -> dict[str, str]:
    """Return the fields of Digest credentials or of a challenge, names in lower case.

    None when the scheme is another or the line is malformed.
    """
    scheme, _, rest = line.partition(" ")
    if scheme.lower() != "digest":
        return {}
    fields: dict[str, str] = {}
    position = 0
    while position < len(rest):
        found = _FIELD.match(rest, position)
        if found is None or found[1].lower() in fields:
            return {}
        fields[found[1].lower()] = unquote(found[2])
        position = found.end()
    return fields


def to_bytes(text: str) -> bytes:
    """Return text as it is hashed: bytes that were no UTF-8 as they came."""
    return text.encode("utf-8", "surrogateescape")
