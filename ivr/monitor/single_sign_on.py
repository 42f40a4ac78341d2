"""Signing in through an identity provider: OpenID Connect Core 1.0, code flow with PKCE.

The provider says who somebody is and what they are; second factors are its business. An
account that was made here is never taken over by one there that has the same name.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.people import (
    LOGIN,
    LoginTakenError,
    NewUser,
    User,
    add_user,
    change_user,
    find_user,
)
from ivr.monitor.principal import Role
from ivr.monitor.problems import ProblemError
from ivr.monitor.sign_in import begin_session
from ivr.monitor.slowing import (
    FREE_OF_SOURCE,
    LONGEST_OF_SOURCE,
    Slowing,
    slowed,
    source_of,
)
from ivr.settings_people import SingleSignOnSettings

_log = structlog.get_logger(__name__)

_COOKIE: Final = "solde_provider"
_PATH: Final = "/sign-in/provider"
_MINUTES: Final = timedelta(minutes=10)
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures only: "none" and shared secrets are no proof."""
_TIMEOUT: Final = 10.0
_LEEWAY: Final = 60
_LONGEST_SUBJECT: Final = 255


class _NotProvedError(Exception):
    """What the provider says cannot be believed; the message says why."""


class _NotAskedError(_NotProvedError):
    """Nobody of this browser was on the way to the provider."""


class SingleSignOn:
    """`/sign-in/provider`: there, and `…/done`: back again."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        lifetime: timedelta,
        settings: SingleSignOnSettings,
    ) -> None:
        self._database = database
        self._now = now
        self._lifetime = lifetime
        self._settings = settings
        self._sources = Slowing(now, free=FREE_OF_SOURCE, longest=LONGEST_OF_SOURCE)

    def routes(self) -> list[BaseRoute]:
        """Return the addresses, none without a provider."""
        if not self._settings.issuer:
            return []
        return [Route(_PATH, self._go), Route(f"{_PATH}/done", self._done)]

    async def _go(self, request: Request) -> Response:
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            try:
                found = await self._discover(client)
            except (_NotProvedError, httpx.HTTPError, ValueError) as error:
                raise await self._refused(request, error) from None
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_url,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        answer = RedirectResponse(f"{found['authorization_endpoint']}?{urlencode(asked)}")
        answer.set_cookie(
            _COOKIE,
            f"{state}.{nonce}.{verifier}",
            max_age=int(_MINUTES.total_seconds()),
            path=_PATH,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    async def _done(self, request: Request) -> Response:
        source = source_of(request)
        wait = self._sources.enter(source)
        if wait:
            raise slowed(wait)
        try:
            claims = await self._claims(request)
            user = await self._user(claims)
        except (
            _NotProvedError,
            httpx.HTTPError,
            JoseError,
            ValueError,
            LoginTakenError,
        ) as error:
            raise await self._refused(request, error) from None
        self._sources.forgive(source)
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(_COOKIE, path=_PATH)
        data = {"source": source, "by": self._settings.issuer}
        await begin_session(
            self._database, self._now, request, answer, user, self._lifetime, data
        )
        return answer

    async def _claims(self, request: Request) -> Mapping[str, Any]:
        """Return what the provider proves of whoever comes back."""
        state, _, rest = request.cookies.get(_COOKIE, "").partition(".")
        nonce, _, verifier = rest.partition(".")
        given = request.query_params.get("state", "")
        if not state or not secrets.compare_digest(state.encode(), given.encode()):
            raise _NotAskedError("the answer is not to a question of this browser")
        code = request.query_params.get("code")
        if code is None:
            raise _NotProvedError("the provider refused")
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            found = await self._discover(client)
            answer = await client.post(
                found["token_endpoint"],
                data={
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": self._settings.redirect_url,
                    "code_verifier": verifier,
                    "client_id": self._settings.client_id,
                },
                auth=self._own_proof(),
            )
            token = _object(answer).get("id_token")
            keys = _object(await client.get(found["jwks_uri"]))
        if not isinstance(token, str):
            raise _NotProvedError("the provider sent no ID token")
        read = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]  # checked inside
        rules = jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        rules.validate(read.claims)
        if read.claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise _NotProvedError("the ID token is for another client")
        return read.claims

    async def _discover(self, client: httpx.AsyncClient) -> Mapping[str, Any]:
        """Read the provider's metadata (OpenID Connect Discovery 1.0, section 4)."""
        url = get_well_known_url(self._settings.issuer.rstrip("/"), external=True)
        found = _object(await client.get(url))
        if found.get("issuer") != self._settings.issuer:
            raise _NotProvedError("the provider's metadata is another issuer's")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str):
                raise _NotProvedError(f"the provider's metadata has no {name}")
        return found

    def _own_proof(self) -> httpx.Auth:
        secret = self._settings.client_secret.get_secret_value()
        # A public client proves itself by PKCE alone.
        return httpx.BasicAuth(self._settings.client_id, secret) if secret else httpx.Auth()

    async def _user(self, claims: Mapping[str, Any]) -> User:
        """Return the user that these claims are of, made or brought up to date."""
        role = self._role(claims)
        subject = str(claims["sub"])
        # The standard's limit (section 2); PostgreSQL keeps no NUL.
        if len(subject) > _LONGEST_SUBJECT or "\0" in subject:
            raise _NotProvedError("the provider's subject cannot be kept")
        user = await find_user(self._database, sso_subject=subject)
        if user is None:
            login = str(claims.get("preferred_username") or claims.get("email") or subject)
            if not LOGIN.fullmatch(login.lower()):
                raise _NotProvedError("the provider's name of them cannot be a login")
            name = str(claims.get("name") or login)
            new = NewUser(login=login.lower(), name=name, role=role, sso_subject=subject)
            return await add_user(self._database, self._now, "single-sign-on", new)
        if user.disabled_at is not None:
            raise _NotProvedError("the user is disabled")
        if user.role != role:
            changed = await change_user(
                self._database, self._now, "single-sign-on", user.id, {"role": role}
            )
            user = changed or user
        return user

    def _role(self, claims: Mapping[str, Any]) -> Role:
        said = claims.get(self._settings.claim, [])
        said = {str(one) for one in said} if isinstance(said, list) else {str(said)}
        for role, values in (
            (Role.ADMINISTRATOR, self._settings.administrators),
            (Role.SUPERVISOR, self._settings.supervisors),
            (Role.AGENT, self._settings.agents),
        ):
            if said & set(values):
                return role
        raise _NotProvedError(f"no value of the claim {self._settings.claim} gives a role")

    async def _refused(self, request: Request, error: Exception) -> ProblemError:
        why = str(error) if isinstance(error, _NotProvedError) else type(error).__name__
        _log.warning("single sign-on refused", why=why)
        if not isinstance(error, _NotAskedError):
            data = {"source": source_of(request), "why": why, "by": self._settings.issuer}
            await audit(self._database, self._now, "nobody", "sign-in.refused", "", data)
        return ProblemError(
            HTTPStatus.FORBIDDEN, f"The identity provider did not let you in: {why}."
        )


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise _NotProvedError("the provider did not answer with an object")
    return found
