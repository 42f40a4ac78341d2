"""An OpenID Connect provider on a real socket that lets everybody in as it is told."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ivr.monitor.server import listen

CLIENT = "solde"
SECRET = "a-client-secret"


class IdentityProvider:
    """Says of whoever comes what `claims` has; tests spoil what they want to see refused."""

    def __init__(self) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.spoilt: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.signed_by = self.key
        self.authenticated: list[bool] = []
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _metadata(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}")

    async def _token(self, request: Request) -> Response:
        form = {name: one[0] for name, one in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form["code"], None)
        self.authenticated.append("authorization" in request.headers)
        proved = asked and (
            create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
            and asked["code_challenge_method"] == "S256"
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if not asked or not proved:
            return JSONResponse({"error": "invalid_grant"}, 400)
        at = int(time.time())
        told = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "iat": at,
            "exp": at + 300,
            "nonce": asked["nonce"],
            **self.claims,
            **self.spoilt,
        }
        token = jwt.encode({"alg": "RS256", "kid": "1"}, told, self.signed_by)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})


@contextlib.asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    """Run a provider on a free port."""
    provider = IdentityProvider()
    sock = listen("127.0.0.1", 0)
    provider.issuer = f"http://127.0.0.1:{sock.getsockname()[1]}"
    config = uvicorn.Config(provider.app(), log_config=None, lifespan="off", loop="asyncio")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        sock.close()
