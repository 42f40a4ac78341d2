"""The pages, their files, and how a browser gets in."""

from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ivr.monitor.authentication import Keys, remember
from ivr.monitor.guard import Guard
from ivr.monitor.problems import ProblemError
from ivr.monitor.webhooks import read_body

STATIC = Path(__file__).parent / "static"
_LARGEST_FORM = 4096


class Page:
    """The pages for whoever has signed in, the door for anyone else."""

    def __init__(self, keys: Keys, guard: Guard, *, provider: bool = False) -> None:
        self._keys = keys
        self._door = (STATIC / "sign-in.html").read_text(encoding="utf-8")
        if provider:
            self._door = self._door.replace('<p id="provider" hidden>', '<p id="provider">')
        self._guard = guard

    def routes(self) -> list[BaseRoute]:
        """Return the page's own addresses."""
        return [
            Route("/", self._live),
            Route("/administration", self._administration),
            Route("/", self._enter, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    async def _live(self, request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None:
            return self._let_in(request, token)
        return await self._show(request, "page.html")

    async def _administration(self, request: Request) -> Response:
        # Only a shell: what fills it has its own guard.
        return await self._show(request, "admin.html")

    async def _show(self, request: Request, page: str) -> Response:
        try:
            await self._guard.find(request, use=True)
        except ProblemError:
            if "text/html" in request.headers.get("accept", ""):
                return self._form()
            raise
        return FileResponse(STATIC / page)

    async def _enter(self, request: Request) -> Response:
        form = parse_qs((await read_body(request, _LARGEST_FORM)).decode(errors="replace"))
        return self._let_in(request, form.get("token", [""])[0].strip())

    def _let_in(self, request: Request, token: str) -> Response:
        """Send the browser on to an address that does not show the token."""
        self._guard.tries.check(request)
        if not self._keys.knows(token):
            self._guard.tries.failed(request)
            return self._form()
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        remember(answer, token, secure=request.url.scheme == "https")
        return answer

    def _form(self) -> Response:
        return HTMLResponse(
            self._door, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Bearer realm="solde"'}
        )
