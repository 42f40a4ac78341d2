"""Whether the monitor runs, and whether it can do its work."""

from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.schema import check_schema
from ivr.monitor import models
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.problems import ProblemError

_log = structlog.get_logger(__name__)


class Health:
    """`/health` for a supervisor of processes, `/health/ready` for a load balancer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/health",
                "getHealth",
                "The process answers",
                self._live,
                models.Health,
                public=True,
            ),
            Endpoint(
                "/health/ready",
                "getReadiness",
                "The ledger can be read and has the schema of this version",
                self._ready,
                models.Health,
                public=True,
            ),
        ]

    async def _live(self, _request: Request) -> Response:
        return json_response(models.Health(status="live"))

    async def _ready(self, _request: Request) -> Response:
        try:
            await check_schema(self._database)
        except LedgerUnavailableError as error:
            # The reason names hosts and files, and anyone may ask.
            _log.warning("not ready", reason=str(error))
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The ledger cannot be used; the monitor's log says why.",
                headers={"Retry-After": "5"},
            ) from None
        return json_response(models.Health(status="ready"))
