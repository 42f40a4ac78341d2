"""The tokens of the settings, and the cookie made from one for the page.

Only hashes stay in memory. The cookie is an HMAC of its token: it outlives a restart,
and whoever steals it cannot use it as a bearer token elsewhere.
"""

import hashlib
import hmac
from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ivr.monitor.problems import Enrolment, ProblemError

COOKIE = "solde_monitor"
"""Made from a token of the settings."""
SESSION_COOKIE = "solde_session"
"""Of a person who has signed in."""
_PURPOSE = b"solde monitor page 1"


class Keys:
    """The tokens that open the monitor. Raise `ValueError` without a usable one."""

    def __init__(self, tokens: Sequence[str]) -> None:
        if not tokens or not all(token.strip() for token in tokens):
            raise ValueError("the monitor needs at least one token, and none may be empty")
        self._tokens = [_digest(token) for token in tokens]
        self._cookies = [_cookie(token) for token in tokens]

    def knows(self, token: str) -> bool:
        """Whether the token is one of ours, in a time that tells nothing of it."""
        return _among(_digest(token), self._tokens)

    def has_cookie(self, request: Request) -> bool:
        """Whether the browser has shown its token before."""
        return _among(request.cookies.get(COOKIE, "").encode(), self._cookies)


def remember(response: Response, token: str, *, secure: bool) -> None:
    """Give the browser the cookie of its token."""
    response.set_cookie(
        COOKIE, _cookie(token).decode(), httponly=True, samesite="strict", secure=secure
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _cookie(token: str) -> bytes:
    return hmac.new(_digest(token), _PURPOSE, hashlib.sha256).hexdigest().encode()


def _among(given: bytes, known: Sequence[bytes]) -> bool:
    # A list, not a generator: all are compared, wherever the right one stands.
    return any([hmac.compare_digest(given, one) for one in known])  # noqa: C419


def refusal(
    error: str,
    detail: str,
    *,
    code: str | None = None,
    enrolment: Enrolment | None = None,
) -> ProblemError:
    """Return a refusal (401) with its challenge (RFC 6750, section 3)."""
    challenge = ", ".join(filter(None, ('Bearer realm="solde"', error)))
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        detail,
        code=code,
        enrolment=enrolment,
        headers={"WWW-Authenticate": challenge},
    )
