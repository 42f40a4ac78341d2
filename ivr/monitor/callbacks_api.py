"""Callback endpoints, their delivery log, and replay: `/api/v1/callbacks`."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger import callbacks
from ivr.ledger.database import Database
from ivr.ledger.events import new_id
from ivr.ledger.reading import MAX_ID
from ivr.monitor import models_callbacks as models
from ivr.monitor.bodies import read_json
from ivr.monitor.callbacks_sender import new_secret
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.principal import Scope, principal_of
from ivr.monitor.problems import ProblemError
from ivr.monitor.queries import NoQuery, read_query


class CallbacksApi:
    """What integrators ask for."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/callbacks",
                "listCallbackEndpoints",
                "The addresses that are told what happens",
                self._list,
                models.CallbackEndpoints,
                scope=Scope.INTEGRATE,
            ),
            Endpoint(
                "/api/v1/callbacks",
                "addCallbackEndpoint",
                "Tell an address what happens from now on; the answer holds the secret",
                self._add,
                models.NewCallbackSecret,
                method="POST",
                status=201,
                problems=(413, 415),
                scope=Scope.INTEGRATE,
                body=models.NewCallbackEndpoint,
            ),
            Endpoint(
                "/api/v1/callbacks/{id}",
                "removeCallbackEndpoint",
                "Tell an address nothing any more",
                self._remove,
                models.CallbackEndpoint,
                method="DELETE",
                status=204,
                problems=(404,),
                scope=Scope.INTEGRATE,
            ),
            Endpoint(
                "/api/v1/callbacks/{id}/deliveries",
                "listCallbackDeliveries",
                "What was sent, newest first",
                self._deliveries,
                models.CallbackDeliveries,
                query=models.DeliveriesQuery,
                problems=(404,),
                scope=Scope.INTEGRATE,
            ),
            Endpoint(
                "/api/v1/callbacks/{id}/deliveries/{delivery}/replay",
                "replayCallbackDelivery",
                "Send an event again",
                self._replay,
                models.CallbackDelivery,
                method="POST",
                status=202,
                problems=(404,),
                scope=Scope.INTEGRATE,
            ),
        ]

    async def _list(self, request: Request) -> Response:
        read_query(NoQuery, request)
        found = await callbacks.find_endpoints(self._database)
        items = [_shown(one) for one in found if one.payment is None]
        return json_response(models.CallbackEndpoints(items=items))

    async def _add(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await read_json(models.NewCallbackEndpoint, request)
        new = callbacks.Endpoint(
            id=new_id(), url=wanted.url, secret=new_secret(), types=wanted.types
        )
        added = await callbacks.add_endpoint(self._database, self._now, new, _actor(request))
        shown = models.NewCallbackSecret(**_shown(added).model_dump(), secret=added.secret)
        return json_response(shown, HTTPStatus.CREATED)

    async def _remove(self, request: Request) -> Response:
        read_query(NoQuery, request)
        known = await self._known(request)
        await callbacks.remove_endpoint(self._database, self._now, known.id, _actor(request))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _deliveries(self, request: Request) -> Response:
        asked = read_query(models.DeliveriesQuery, request)
        known = await self._known(request)
        found = await callbacks.find_deliveries(
            self._database, known.id, before=asked.before, limit=asked.limit
        )
        items = [_delivery(one) for one in found]
        return json_response(models.CallbackDeliveries(items=items))

    async def _replay(self, request: Request) -> Response:
        read_query(NoQuery, request)
        known, given = await self._known(request), request.path_params["delivery"]
        is_id = given.isascii() and given.isdigit() and len(given) < len(str(MAX_ID))
        again = None
        if is_id:
            again = await callbacks.replay_delivery(
                self._database, self._now, known.id, int(given), _actor(request)
            )
        if again is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "This endpoint has no such delivery.")
        return json_response(_delivery(again), HTTPStatus.ACCEPTED)

    async def _known(self, request: Request) -> callbacks.Endpoint:
        found = await callbacks.find_endpoints(self._database, request.path_params["id"])
        if not found or found[0].payment is not None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no endpoint with this id.")
        return found[0]


def _actor(request: Request) -> str:
    return principal_of(request).actor


def _shown(endpoint: callbacks.Endpoint) -> models.CallbackEndpoint:
    return models.CallbackEndpoint.model_validate(endpoint, from_attributes=True)


def _delivery(delivery: callbacks.Delivery) -> models.CallbackDelivery:
    return models.CallbackDelivery.model_validate(delivery, from_attributes=True)
