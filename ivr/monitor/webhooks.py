"""Taking a gateway's notices in.

They are kept as they came and believed by nobody here: the ivr process has the secret,
verifies the signature over the very bytes, and applies them. Keeping first means that a
notice survives whatever happens next.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ivr.ledger.database import Database
from ivr.ledger.webhooks import keep_webhook
from ivr.monitor.endpoint import json_response
from ivr.monitor.models import WebhookKept
from ivr.monitor.problems import ProblemError

LARGEST_BODY = 256 * 1024
_LONGEST_HEADER = 4096
_TYPE = "content-type"
_SIGNATURE = "-signature"


class Webhooks:
    """`POST /webhooks/{gateway}` for the gateways that are known."""

    def __init__(
        self, database: Database, gateways: Sequence[str], now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._now = now
        self._gateways = frozenset(gateways)

    async def keep(self, request: Request) -> Response:
        """Keep the body and its signature headers. Answer 202."""
        gateway = request.path_params["gateway"]
        if gateway not in self._gateways:
            raise ProblemError(HTTPStatus.NOT_FOUND, "This monitor knows no such gateway.")
        headers = _kept(request)
        if not any(name.endswith(_SIGNATURE) for name in headers):
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, "A notice without a signature cannot be believed."
            )
        body = await read_body(request, LARGEST_BODY)
        try:
            await keep_webhook(
                self._database, self._now, gateway=gateway, headers=headers, body=body
            )
        except ValueError:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, "The body is not text in UTF-8."
            ) from None
        return json_response(WebhookKept(), HTTPStatus.ACCEPTED)


async def read_body(request: Request, most: int) -> bytes:
    """Return the body. Raise `ProblemError` (413) as soon as it is known to be too large."""
    too_large = ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {most} bytes."
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
    except ClientDisconnect:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body ended early.") from None
    return bytes(body)


def _kept(request: Request) -> dict[str, str]:
    """Return the headers needed to verify a notice; cookies and tokens are not among them."""
    return {
        name: value[:_LONGEST_HEADER]
        for name, value in request.headers.items()
        if name == _TYPE or name.endswith(_SIGNATURE)
    }
