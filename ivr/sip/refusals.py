"""Answers that leave nothing behind (RFC 3261 §8.2.7)."""

import hashlib
import secrets

import structlog

from ivr.sip.address import Address
from ivr.sip.admission import Reply
from ivr.sip.errors import MalformedMessageError
from ivr.sip.guard import NO_REPLY, Guard
from ivr.sip.message import Request
from ivr.sip.responder import Responder
from ivr.sip.server_transaction import Send
from ivr.sip.session import printable

log = structlog.get_logger()


class Refusals:
    """Answers requests without a transaction: each copy alike, with the same To tag.

    `name` is for the Server header; `guard` says what nonsense is worth an answer.
    """

    def __init__(self, send: Send, guard: Guard, name: str, *, follow_maddr: bool) -> None:
        self._send = send
        self._guard = guard
        self._name = name
        self._follow_maddr = follow_maddr
        self._secret = secrets.token_bytes(16)

    def responder(self, request: Request, source: Address) -> Responder:
        """Return what answers `request`."""
        return Responder(request, source, follow_maddr=self._follow_maddr)

    def malformed(
        self, request: Request | None, source: Address, error: MalformedMessageError
    ) -> None:
        """Answer 400 or 513 where anybody can be told; `request` is what was read of it."""
        if not self._guard.answers_malformed(source):
            return
        method = None if request is None else printable(request.method)
        log.info("sip-malformed", fault=error.fault, method=method)
        if request is not None and request.method != "ACK":
            responder = self.responder(request, source)
            if responder.has_via:
                self.refuse(request, responder, Reply(error.status, reason=error.fault))

    def refuse(self, request: Request, responder: Responder, reply: Reply) -> None:
        """Answer `reply`, if that is one."""
        if reply is NO_REPLY:
            return
        headers = request.headers
        same = " ".join(headers.get(name) for name in ("Call-ID", "CSeq", "From", "Via"))
        tag = hashlib.blake2b(
            same.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=8
        )
        data = responder.render(
            reply.status,
            tag=tag.hexdigest(),
            reason=reply.reason,
            headers=(*reply.headers, ("Server", self._name)),
        )
        self._send(data, responder.destination)
