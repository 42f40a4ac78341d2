"""Signing in and out.

Whoever guesses learns nothing: a login that does not exist takes as long and is refused in
the same words, and both are slowed alike. A second factor is asked for after the password.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.people import User, find_user, renew_totp, use_totp
from ivr.ledger.sessions import end_session, open_session
from ivr.monitor import models_people as models
from ivr.monitor.authentication import COOKIE, SESSION_COOKIE, refusal
from ivr.monitor.bodies import read_json
from ivr.monitor.credentials import Passwords, enrolment, new_totp_secret, step_of
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.guard import Asker, require_same_origin
from ivr.monitor.principal import Role
from ivr.monitor.queries import NoQuery, read_query
from ivr.monitor.slowing import (
    FREE_OF_SOURCE,
    LONGEST_OF_SOURCE,
    Slowing,
    slowed,
    source_of,
)

_FREE: Final = 5
_LONGEST: Final = timedelta(minutes=5)


class SignIn:
    """`/sign-in`, `/sign-out` and `/me`."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        lifetime: timedelta,
        passwords: Passwords,
    ) -> None:
        self._database = database
        self._now = now
        self._lifetime = lifetime
        self._passwords = passwords
        self._logins = Slowing(now, free=_FREE, longest=_LONGEST)
        self._sources = Slowing(now, free=FREE_OF_SOURCE, longest=LONGEST_OF_SOURCE)

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/sign-in",
                "signIn",
                "Begin a session: answers with a cookie. `code` of the problem tells what is "
                "missing: code-required, enrolment-required",
                self._sign_in,
                models.Nothing,
                method="POST",
                status=204,
                problems=(401, 403, 413, 415, 429),
                public=True,
                body=models.Credentials,
            ),
            Endpoint(
                "/api/v1/sign-out",
                "signOut",
                "End the session",
                self._sign_out,
                models.Nothing,
                method="POST",
                status=204,
                scope=None,
            ),
            Endpoint("/api/v1/me", "getMe", "Who asks", self._me, models.Me, scope=None),
        ]

    async def _sign_in(self, request: Request) -> Response:
        require_same_origin(request)
        given = await read_json(models.Credentials, request)
        login = given.login.strip().lower()
        source = source_of(request)
        self._slow(login, source)
        user = await find_user(self._database, login=login)
        kept = None if user is None or user.disabled_at is not None else user.password_hash
        right = await self._passwords.right(kept, given.password.get_secret_value())
        if user is None or not right:
            await self._refuse(user, source, "wrong-credentials", "Login or password is wrong.")
        enrolled = await self._second_factor(user, given.code, source)
        self._logins.forget(login)
        self._sources.forgive(source)
        data = {"source": source, "by": "password"}
        if enrolled:
            data["enrolled"] = "time-based codes"
        answer = Response(status_code=HTTPStatus.NO_CONTENT)
        await begin_session(
            self._database, self._now, request, answer, user, self._lifetime, data
        )
        return answer

    def _slow(self, login: str, source: str) -> None:
        # The place first: one that is slowed must not keep a login locked.
        wait = self._sources.enter(source) or self._logins.enter(login)
        if wait:
            raise slowed(wait)

    async def _second_factor(self, user: User, code: str | None, source: str) -> bool:
        """Ask for the code where one is needed; whether it was the first one."""
        proved = user.totp_used is not None
        if not proved and user.role == Role.AGENT:
            return False
        if code is None:
            self._logins.forgive(user.login)
            self._sources.forgive(source)
            if proved:
                raise refusal("", "Send the code of your authenticator.", code="code-required")
            # Another one each time: whoever saw the last one has nothing.
            secret = new_totp_secret()
            if await renew_totp(self._database, user.id, secret):
                raise refusal(
                    "",
                    "Enrol your authenticator, then sign in with its code.",
                    code="enrolment-required",
                    enrolment=enrolment(user.login, secret),
                )
        secret = user.totp_secret or ""
        step = step_of(secret, code or "", self._now()) if secret else None
        if step is None or not await use_totp(self._database, user.id, secret, step):
            await self._refuse(
                user, source, "wrong-code", "The code is wrong or was used: wait for the next."
            )
        return not proved

    async def _refuse(self, user: User | None, source: str, code: str, detail: str) -> NoReturn:
        # An unknown login is not written down: people type passwords there.
        subject = "" if user is None else user.id
        actor = "nobody" if user is None else f"user:{user.login}"
        data = {"source": source, "why": code}
        await audit(self._database, self._now, actor, "sign-in.refused", subject, data)
        raise refusal("", detail, code=code)

    async def _sign_out(self, request: Request) -> Response:
        read_query(NoQuery, request)
        session = _asker(request).session
        if session is not None:
            await end_session(self._database, self._now, session)
        answer = Response(status_code=HTTPStatus.NO_CONTENT)
        for name in (SESSION_COOKIE, COOKIE):
            answer.delete_cookie(name)
        return answer

    async def _me(self, request: Request) -> Response:
        read_query(NoQuery, request)
        asker = _asker(request)
        return json_response(
            models.Me(
                user=None
                if asker.user is None
                else models.Myself.model_validate(asker.user, from_attributes=True),
                actor=asker.principal.actor,
                scopes=sorted(asker.principal.scopes),
                csrf=asker.csrf,
            )
        )


async def begin_session(
    database: Database,
    now: Callable[[], datetime],
    request: Request,
    answer: Response,
    user: User,
    lifetime: timedelta,
    data: dict[str, str],
) -> None:
    """Open a new session, end the browser's last one, and give it the cookie."""
    before = request.cookies.get(SESSION_COOKIE)
    cookie = await open_session(database, now, user, lifetime, instead_of=before, data=data)
    answer.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        # Not "strict": the way back from an identity provider begins at another site.
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _asker(request: Request) -> Asker:
    asker = request.state.asker
    assert isinstance(asker, Asker)  # noqa: S101 - every guarded route sets it
    return asker
