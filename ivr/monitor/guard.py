"""The guard before every endpoint: who asks, whether they may, and whether it is really they.

A request carries a token (`Authorization: Bearer`, or the password of `Basic`, for programs
that know nothing else), or a cookie. A browser sends cookies whoever makes it ask, so what
changes something must show by `X-CSRF-Token` that our own page asks.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.api_tokens import PREFIX, find_token, touch_token
from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.people import User
from ivr.ledger.sessions import Session, csrf_of, find_session, touch_session
from ivr.monitor.authentication import COOKIE, SESSION_COOKIE, Keys, refusal
from ivr.monitor.endpoint import Handler
from ivr.monitor.principal import RIGHTS, Principal, Role, Scope
from ivr.monitor.problems import ProblemError
from ivr.monitor.slowing import TokenTries

CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and how it was found out."""

    principal: Principal
    user: User | None = None
    session: Session | None = None
    csrf: str | None = field(default=None, repr=False)
    """What must come with changes; None for tokens, which no browser sends by itself."""


class Guard:
    """Finds who asks. `idle` ends a session that was not used for so long."""

    def __init__(
        self, database: Database, keys: Keys, now: Callable[[], datetime], idle: timedelta
    ) -> None:
        self.tries = TokenTries(now)
        self._database = database
        self._keys = keys
        self._now = now
        self._idle = idle

    def before(self, handler: Handler, scope: Scope | None) -> Handler:
        """Return a handler that answers only to whoever has the right `scope`.

        It sets `request.state.principal`, `.asker`, and `.still_valid`.
        """

        async def guarded(request: Request) -> Response:
            asker = await self.find(request, use=True)
            if asker.csrf is not None and request.method not in _SAFE:
                require_same_origin(request)
                _require_csrf(request, asker.csrf)
            await self._require(request, asker.principal, scope)
            request.state.principal = asker.principal
            request.state.asker = asker
            request.state.still_valid = self._validity(request, asker.principal)
            return await handler(request)

        return guarded

    async def find(self, request: Request, *, use: bool = False) -> Asker:
        """Return who asks; `use` writes down that they did. Raise `ProblemError` (401, 429)."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if rest:
            if use:
                self.tries.check(request)
            asker = await self._by_token(_token_in(scheme.lower(), rest.strip()), use=use)
            if asker is None:
                self.tries.failed(request)
                raise refusal(
                    'error="invalid_token"', "The token is not one of this monitor's."
                )
            return asker
        asker = await self._by_session(request.cookies.get(SESSION_COOKIE, ""), use=use)
        if asker is None and self._keys.has_cookie(request):
            # Two cookies: a session that has ended does not hide the other.
            csrf = csrf_of(request.cookies[COOKIE])
            asker = Asker(_SETTINGS, csrf=csrf)
        if asker is None:
            raise refusal("", "Sign in, or send a token: Authorization: Bearer <token>.")
        return asker

    async def _by_token(self, token: str, *, use: bool) -> Asker | None:
        if self._keys.knows(token):
            return Asker(_SETTINGS)
        if not token.startswith(PREFIX):
            return None
        found = await find_token(self._database, self._now, token)
        if found is None:
            return None
        kept, user = found
        if use:
            await touch_token(self._database, self._now, kept)
        scopes = frozenset(Scope(scope) for scope in kept.scopes if scope in set(Scope))
        if user is not None:
            scopes &= RIGHTS[Role(user.role)]
        phone = "" if user is None else user.phone
        return Asker(Principal(f"token:{kept.name}", scopes, kept.user_id, phone), user)

    async def _by_session(self, cookie: str, *, use: bool) -> Asker | None:
        if not cookie:
            return None
        session = await find_session(self._database, self._now, cookie, self._idle)
        if session is None:
            return None
        if use:
            await touch_session(self._database, self._now, session)
        user = session.user
        rights = RIGHTS[Role(user.role)]
        principal = Principal(f"user:{user.login}", rights, user.id, user.phone)
        return Asker(principal, user, session, session.csrf)

    def _validity(
        self, request: Request, principal: Principal
    ) -> Callable[[], Awaitable[bool]]:
        async def still_valid() -> bool:
            try:
                return (await self.find(request)).principal == principal
            except ProblemError:
                return False

        return still_valid

    async def _require(
        self, request: Request, principal: Principal, scope: Scope | None
    ) -> None:
        if scope is None:
            return
        try:
            principal.require(scope)
        except ProblemError:
            told = {"method": request.method, "scope": scope.value}
            await audit(
                self._database,
                self._now,
                principal.actor,
                "access.refused",
                request.scope["route"].path,
                told,
            )
            raise


_SETTINGS: Final = Principal("settings", frozenset(Scope))


def require_same_origin(request: Request) -> None:
    """Raise `ProblemError` (403) when a browser says that another site's page asks."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not own:
        raise ProblemError(HTTPStatus.FORBIDDEN, "Another site's page asked for this.")


def _require_csrf(request: Request, csrf: str) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf.encode()):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"With a cookie this needs the header {CSRF_HEADER}: `csrf` of /api/v1/me.",
            code="csrf",
        )


def _token_in(scheme: str, rest: str) -> str:
    if scheme == "bearer":
        return rest
    if scheme != "basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
