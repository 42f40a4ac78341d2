"""The web side, put together: endpoints, page, headers, refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ivr.ledger.database import Database
from ivr.monitor.api import Api
from ivr.monitor.authentication import Keys
from ivr.monitor.callbacks_api import CallbacksApi
from ivr.monitor.callbacks_sender import CallbackSender
from ivr.monitor.calls_api import CallsApi
from ivr.monitor.commands_api import CommandsApi
from ivr.monitor.credentials import Passwords
from ivr.monitor.endpoint import Endpoint
from ivr.monitor.guard import Guard
from ivr.monitor.health import Health
from ivr.monitor.housekeeping import keep_house
from ivr.monitor.metrics import metrics_response
from ivr.monitor.models import WebhookKept
from ivr.monitor.openapi import document
from ivr.monitor.page import Page
from ivr.monitor.payments_api import PaymentsApi
from ivr.monitor.people_api import PeopleApi
from ivr.monitor.principal import Scope
from ivr.monitor.problems import HANDLERS
from ivr.monitor.security_headers import SecurityHeaders
from ivr.monitor.sign_in import SignIn
from ivr.monitor.single_sign_on import SingleSignOn
from ivr.monitor.stream import Waker
from ivr.monitor.transactions_api import TransactionsApi, Transfers
from ivr.monitor.webhooks import Webhooks
from ivr.settings_people import PeopleSettings


def create_app(
    database: Database,
    *,
    tokens: Sequence[str],
    gateways: Sequence[str] = ("stripe",),
    timezone: str = "Europe/Paris",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    heartbeat: float = 15.0,
    people: PeopleSettings | None = None,
    transfers: Transfers | None = None,
    private_addresses: Literal["allow", "refuse"] = "allow",
    streams_per_person: int = 20,
) -> Starlette:
    """Return the monitor over a ledger.

    `tokens` open the API and the page; `gateways` are those whose webhooks are taken in;
    `timezone` says when the day of the indicators begins; `heartbeat` is in seconds;
    `transfers` says where prepared calls are transferred to; `private_addresses` whether
    callbacks may go to them; `streams_per_person` how many event streams one may have open.
    Raise `ValueError` without a token and `ZoneInfoNotFoundError` for an unknown time zone.
    """
    keys = Keys(tokens)
    people = people or PeopleSettings()
    passwords = Passwords()
    guard = Guard(database, keys, now, timedelta(seconds=people.idle))
    waker = Waker(database)
    transfers = transfers or Transfers()
    commands = CommandsApi(database, waker, now, codes=transfers.codes)
    sender = CallbackSender(database, waker, now, private=private_addresses)
    api = Api(
        database,
        waker,
        now=now,
        zone=ZoneInfo(timezone),
        heartbeat=heartbeat,
        streams_per_person=streams_per_person,
    )
    endpoints = [
        *api.endpoints(),
        *TransactionsApi(database, now, transfers).endpoints(),
        *commands.endpoints(),
        *CallsApi(database, now, commands).endpoints(),
        *CallbacksApi(database, now).endpoints(),
        *PaymentsApi(database, now, commands).endpoints(),
        *SignIn(database, now, timedelta(seconds=people.session), passwords).endpoints(),
        *PeopleApi(database, now, passwords, people.shortest_password).endpoints(),
        *Health(database).endpoints(),
        Endpoint(
            "/webhooks/{gateway}",
            "keepWebhook",
            "A notice from a payment gateway",
            Webhooks(database, gateways, now).keep,
            WebhookKept,
            method="POST",
            status=202,
            problems=(404, 413),
            public=True,
            takes_body=True,
        ),
    ]
    described = document(endpoints)
    lifetime = timedelta(seconds=people.session)
    provider = SingleSignOn(database, now, lifetime, people.single_sign_on).routes()

    async def openapi(_request: Request) -> Response:
        return JSONResponse(described)

    async def metrics(request: Request) -> Response:
        return await metrics_response(database, request)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        stopped = asyncio.Event()
        work = (waker.run(), sender.run(), keep_house(database, now, stopped))
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            waker.close()
            stopped.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    app = Starlette(
        routes=[
            *(
                Route(
                    one.path,
                    one.handler if one.public else guard.before(one.handler, one.scope),
                    methods=[one.method],
                )
                for one in endpoints
            ),
            Route("/openapi.json", openapi),
            Route("/metrics", guard.before(metrics, Scope.READ_ALL)),
            *provider,
            *Page(keys, guard, provider=bool(provider)).routes(),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    # A redirect would repeat what was asked for, whatever it is.
    app.router.redirect_slashes = False
    app.state.waker = waker
    return app
