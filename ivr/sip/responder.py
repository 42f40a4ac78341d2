"""How one request is answered: what a response repeats of it, and where it goes (§8.2.6)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ivr.sip.address import Address
from ivr.sip.errors import MalformedMessageError
from ivr.sip.headers import Headers
from ivr.sip.message import Request, Response
from ivr.sip.statuses import phrase

if TYPE_CHECKING:
    from ivr.sip.via import Via

HeaderLines = Iterable[tuple[str, str]]


class Responder:
    """Makes the responses to one request.

    Works on a request that is malformed too, as far as it can be read.
    `destination` is where responses go; `has_via` is False when no response can
    reach anybody.
    """

    __slots__ = ("_repeated", "_to", "_to_has_tag", "destination", "has_via")

    def __init__(
        self, request: Request, source: Address, *, follow_maddr: bool = False
    ) -> None:
        headers = request.headers
        vias = headers.lines("Via")
        self.has_via = bool(vias)
        self.destination = source
        try:
            via: Via | None = request.via
        except MalformedMessageError:
            via = None
        if via is not None:
            self.destination = via.response_address(source, follow_maddr=follow_maddr)
            vias = [via.received_from(source), *headers.values("Via")[1:]]
        self._repeated = [("Via", line) for line in vias]
        for name in ("From", "Call-ID", "CSeq", "Timestamp"):
            if name in headers:
                self._repeated.append((name, headers.get(name)))
        self._to = headers.get("To")
        try:
            self._to_has_tag = bool(request.to.tag)
        except MalformedMessageError:
            self._to_has_tag = True

    def render(
        self,
        status: int,
        *,
        tag: str = "",
        reason: str = "",
        headers: HeaderLines = (),
        body: bytes = b"",
    ) -> bytes:
        """Return a response as a datagram; `tag` becomes the To tag when there is none."""
        lines = Headers()
        for name, value in self._repeated:
            lines.add(name, value)
        if self._to:
            add_tag = tag and not self._to_has_tag
            lines.add("To", f"{self._to};tag={tag}" if add_tag else self._to)
        for name, value in headers:
            lines.add(name, value)
        return Response(status, reason or phrase(status), lines, body).render()
