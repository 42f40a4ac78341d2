"""INFO inside a call: keys, mostly (RFC 6086). Its bodies are never logged."""

from collections.abc import Callable

import structlog

from ivr.sip.admission import Reply, media_type
from ivr.sip.handler import InfoHandler
from ivr.sip.message import Request
from ivr.sip.server_transaction import ServerTransaction

log = structlog.get_logger()

KEYS = ("application/dtmf-relay", "application/dtmf")
"""The bodies that gateways send for keys."""
_ACCEPT = ("Accept", ", ".join(KEYS))
_NO_PACKAGE = ("Recv-Info", "")


def informed(
    handler: object,
    request: Request,
    begin: Callable[[], ServerTransaction],
) -> Reply | None:
    """Hand the body of an INFO to the application; return why not.

    INFO without a body is a sign of life (§4.2.2); no Info Package is known.
    """
    headers = request.headers
    if "Info-Package" in headers:
        return Reply(469, (_NO_PACKAGE,))
    encoding = headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        return Reply(415, (("Accept-Encoding", "identity"),))
    if request.body and not isinstance(handler, InfoHandler):
        return Reply(415, (("Accept", ""),))
    transaction = begin()
    if not isinstance(handler, InfoHandler) or not request.body:
        transaction.respond(200)
        return None
    try:
        known = handler.info(media_type(headers.get("Content-Type")), request.body)
    except Exception as error:  # noqa: BLE001 - one call must not take others down
        # By type only: the message, or a local of the traceback, could hold a key.
        log.error("call-handler-failed", at="info", error=type(error).__name__)  # noqa: TRY400
        transaction.respond(500)
        return None
    transaction.respond(200 if known else 415, headers=() if known else (_ACCEPT,))
    return None
