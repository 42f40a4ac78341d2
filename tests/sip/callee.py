"""The other end of our calls: answers what a user agent between a list and a clock sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivr.sip import Address, CallEnd, Request, Response, parse
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.trunk import Trunk
from tests.sip.wire import ANSWER, OFFER, Wire

CALLEE = Address("192.0.2.20", 5060)
TRUNK = Trunk("carrier", "192.0.2.20", ping_interval=0)


@dataclass
class Caller:
    """A handler of an outgoing call that writes down what it hears."""

    heard: list[tuple[str, object]] = field(default_factory=list)
    on: Callable[[str], object] = lambda _: None

    def ringing(self) -> None:
        self._note("ringing", None)

    def early_media(self, body: bytes) -> None:
        self._note("early", body)

    def answered(self, body: bytes) -> None:
        self._note("answered", body)

    def acknowledged(self, body: bytes) -> None:
        self._note("acknowledged", body)

    def renegotiated(self, body: bytes) -> bytes:
        self._note("renegotiated", body)
        return ANSWER

    def ended(self, end: CallEnd) -> None:
        self._note("ended", end)

    def _note(self, word: str, what: object) -> None:
        self.heard.append((word, what))
        self.on(word)

    @property
    def ends(self) -> list[object]:
        return [what for word, what in self.heard if word == "ended"]


def reply(
    request: Request,
    status: int,
    *headers: str,
    tag: str = "callee",
    body: bytes = b"",
    contact: str | None = "<sip:callee@192.0.2.20>",
) -> bytes:
    """Return the response of somebody who got `request`."""
    to = request.headers.get("To")
    if tag and status != 100 and ";tag=" not in to:
        to = f"{to};tag={tag}"
    lines = [
        f"SIP/2.0 {status} Whatever",
        *(f"Via: {via}" for via in request.headers.lines("Via")),
        f"From: {request.headers.get('From')}",
        f"To: {to}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.headers.get('CSeq')}",
        *headers,
    ]
    if contact and 100 < status < 300:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Call:
    """One call of ours, and the wire it is made over."""

    def __init__(
        self,
        target: str = "+3399",
        *,
        trunk: Trunk | None = TRUNK,
        wire: Wire | None = None,
        handler: Caller | None = None,
        **more: Any,
    ) -> None:
        self.wire = wire or Wire()
        self.handler = handler or Caller()
        self.call: OutgoingCall = self.wire.agent.call(
            target, OFFER, handler=self.handler, trunk=trunk, **more
        )
        self.sent: list[tuple[Request, Address]] = []
        self.look()

    @property
    def agent(self) -> Any:
        return self.wire.agent

    @property
    def clock(self) -> Any:
        return self.wire.clock

    def look(self) -> list[str]:
        """Take what was sent since the last look; return the methods."""
        new = []
        for data, to in self.wire.sent:
            message = parse(data)
            assert isinstance(message, Request), message
            self.sent.append((message, to))
            new.append(message.method)
        self.wire.sent.clear()
        return new

    def last(self, method: str = "INVITE") -> Request:
        return [message for message, _ in self.sent if message.method == method][-1]

    def targets(self, method: str = "INVITE") -> list[Address]:
        return [to for message, to in self.sent if message.method == method]

    def hears(
        self, status: int, *headers: str, to: Request | None = None, **more: Any
    ) -> list[str]:
        """Hand a response to the last INVITE over; return the methods sent in return."""
        data = reply(to or self.last(), status, *headers, **more)
        self.wire.agent.datagram_received(data, CALLEE)
        return self.look()

    def pass_time(self, seconds: float, step: float = 0.5) -> list[str]:
        for _ in range(int(seconds / step)):
            self.wire.clock.advance(step)
        return self.look()

    def accept_all(self, methods: Sequence[str] = ("BYE", "CANCEL", "PRACK")) -> None:
        """Answer 200 to every such request sent so far."""
        for message, _ in list(self.sent):
            if message.method in methods:
                self.wire.agent.datagram_received(reply(message, 200), CALLEE)
        self.look()

    def quiet(self) -> bool:
        """Whether nothing is left after all that lingers has gone."""
        self.pass_time(140, 1.0)
        return (
            self.wire.agent.live_calls == 0
            and self.wire.clock.getDelayedCalls() == []
            and self.wire.agent.outbound.idle
        )


def is_response(message: Request | Response) -> bool:
    return isinstance(message, Response)
