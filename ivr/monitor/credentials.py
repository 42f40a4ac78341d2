"""What proves who somebody is: a password (argon2id) and a time-based code (RFC 6238)."""

import asyncio
import base64
import functools
import hmac
import io
import secrets
from datetime import datetime
from typing import Final

import segno
from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from ivr.monitor.problems import Enrolment

_STEP: Final = 30
_DRIFT: Final = (0, -1, 1)
"""Steps by which a clock may be off (RFC 6238, section 5.2)."""
_HASHER: Final = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
_AT_ONCE: Final = 2
"""Hashes made at the same time: each takes 64 MiB."""


class Passwords:
    """Checks passwords away from the event loop, few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(hash_password, password)

    async def right(self, kept: str | None, password: str) -> bool:
        """Whether it is the password; without one to compare with it takes as long."""
        async with self._turns:
            return await asyncio.to_thread(_right, kept, password)


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return _HASHER.hash(password.encode(errors="surrogatepass"))


def new_totp_secret() -> str:
    """Return a secret of 160 bits in base32 (RFC 4226, section 4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def enrolment(login: str, secret: str) -> Enrolment:
    """Return what an authenticator is shown."""
    uri = _totp(secret).get_provisioning_uri(login, "Solde")
    drawn = io.BytesIO()
    # A border of four modules (ISO/IEC 18004), on white whatever the page's colours are.
    segno.make(uri, error="m").save(
        drawn, kind="svg", xmldecl=False, svgns=True, border=4, scale=4, light="#fff", nl=False
    )
    return Enrolment(uri=uri, secret=secret, qr=drawn.getvalue().decode())


def code_at(secret: str, at: datetime) -> str:
    """Return the code of a moment: six digits."""
    return _totp(secret).generate(int(at.timestamp())).decode()


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """Return the time step whose code this is, now or next to it, or None."""
    now = int(at.timestamp()) // _STEP
    made = {now + drift: _totp(secret).generate((now + drift) * _STEP) for drift in _DRIFT}
    given = code.replace(" ", "").encode()
    # All are compared, whichever is right.
    right = [step for step, one in made.items() if hmac.compare_digest(one, given)]
    return right[0] if right else None


def _totp(secret: str) -> TOTP:
    # SHA-1 is what authenticators know; nothing here rests on its collisions.
    return TOTP(base64.b32decode(secret), 6, SHA1(), _STEP)  # noqa: S303


def _right(kept: str | None, password: str) -> bool:
    try:
        _HASHER.verify(kept or _of_nobody(), password.encode(errors="surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@functools.cache
def _of_nobody() -> str:
    return hash_password(secrets.token_hex())
