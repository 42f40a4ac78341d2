"""A Stripe of our own over HTTP: stateful, strict about parameters, and able to fail.

In a test: `with running_stripe() as stripe: … stripe.url, stripe.account`. For tests that kill
processes: `python -m tests.fakes.stripe_api --port N`, which prints its address and is told
what to do by `POST /control` (JSON: `fault` with `path`, `webhook_url`, `raw_cards`, `moto`)
and tells what happened on `GET /control` (`charges`, `seen`, `events`).
"""

import argparse
import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.fakes.stripe_api_account import FakeAccount, Fault
from tests.fakes.stripe_api_errors import refusal
from tests.fakes.stripe_api_objects import Json, new_id
from tests.fakes.stripe_params import decode_form

_BEFORE = {
    Fault.ERROR_BEFORE: (500, refusal("Something went wrong", kind="api_error").body),
    Fault.CONFLICT: (
        409,
        refusal(
            "There is currently another in-progress request using this key",
            kind="idempotency_error",
            code="idempotency_key_in_use",
        ).body,
    ),
    Fault.RATE_LIMIT: (429, refusal("Too many requests", code="rate_limit").body),
    Fault.LOCK: (429, refusal("Object is locked", code="lock_timeout").body),
}


_SWITCHES = ("api_key", "webhook_secret", "webhook_url", "raw_cards", "moto")


class _Dropped(Response):
    """Begins an answer and closes the connection in the middle of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class FakeStripe:
    """The HTTP side of a `FakeAccount`."""

    def __init__(self) -> None:
        self.account = FakeAccount()
        self.app = Starlette(
            routes=[
                Route("/control", self._control, methods=["GET", "POST"]),
                Route("/v1/{path:path}", self._api, methods=["GET", "POST"]),
            ]
        )
        self._told = 0
        self._deliveries: set[asyncio.Task[None]] = set()

    def renew(self) -> None:
        """Begin again with an account that nothing has happened to."""
        self.account, self._told = FakeAccount(), 0

    async def _api(self, request: Request) -> Response:
        account = self.account
        body = await request.body()
        if request.headers.get("authorization") != f"Bearer {account.api_key}":
            return _answer(401, refusal("Invalid API Key provided").body)
        text = request.url.query if request.method == "GET" else body.decode("ascii")
        path = request.url.path
        fault = account.take_fault(path)
        if fault in _BEFORE:
            return _answer(*_BEFORE[fault])
        if fault is Fault.HANG_BEFORE:
            return await _hang(request)
        if fault is Fault.DROP_BEFORE:
            return _Dropped()
        status, answer = account.answer(
            request.method,
            path,
            decode_form(text),
            request.headers.get("idempotency-key", ""),
            failing=fault is Fault.ERROR_AFTER,
        )
        self._deliver()
        if fault is Fault.HANG_AFTER:
            return await _hang(request)
        if fault is Fault.DROP_AFTER:
            return _Dropped()
        return _answer(status, answer)

    def _deliver(self) -> None:
        events, self._told = self.account.events[self._told :], len(self.account.events)
        if not self.account.webhook_url:
            return
        for event in events:
            task = asyncio.create_task(_post(self.account, event))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            told = await request.json()
            if "fault" in told:
                self.account.faults.append((told.pop("path", "/v1/"), Fault(told.pop("fault"))))
            for name, value in told.items():
                if name not in _SWITCHES:
                    return JSONResponse({"unknown": name}, 400)
                setattr(self.account, name, value)
        return JSONResponse(
            {
                "charges": [asdict(charged) for charged in self.account.charges],
                "seen": self.account.seen,
                "events": self.account.events,
            }
        )


@dataclass(frozen=True)
class RunningStripe:
    """A fake that listens."""

    url: str
    fake: FakeStripe

    @property
    def account(self) -> FakeAccount:
        """The account behind the address."""
        return self.fake.account

    def renewed(self) -> "RunningStripe":
        """Put a new account behind the same address."""
        self.fake.renew()
        return self


@contextmanager
def running_stripe() -> Iterator[RunningStripe]:
    """Serve on a free loopback port, in a thread with a loop of its own."""
    fake = FakeStripe()
    with _listening(0) as listener:
        server = _server(fake)
        # The socket listens already, so a client that comes early only waits.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield RunningStripe(f"http://127.0.0.1:{listener.getsockname()[1]}", fake)
        finally:
            server.should_exit = True
            thread.join()


def _server(fake: FakeStripe) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            fake.app,
            loop="asyncio",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def _answer(status: int, body: Json) -> Response:
    return JSONResponse(body, status, headers={"request-id": new_id("req")})


async def _hang(request: Request) -> Response:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return _Dropped()


async def _post(account: FakeAccount, event: Json) -> None:
    body, headers = account.sign(event)
    async with httpx.AsyncClient(trust_env=False) as client:
        # Stripe would try again for days; who tests that can send the event again.
        with suppress(httpx.HTTPError):
            await client.post(account.webhook_url, content=body, headers=headers)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with _listening(parser.parse_args().port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sys.stdout.write(json.dumps({"url": address}) + "\n")
        sys.stdout.flush()
        _server(FakeStripe()).run(sockets=[listener])


if __name__ == "__main__":
    main()
