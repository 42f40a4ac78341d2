"""A user agent between a list of sent datagrams and a hand-moved clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.task import Clock

from ivr.sip import (
    Address,
    CallEnd,
    IncomingCall,
    Registrar,
    Request,
    Response,
    UserAgent,
    parse,
)
from ivr.sip.guard import Guard

PHONE = Address("192.0.2.10", 5062)
LOCAL = Address("192.0.2.1", 5060)
ALLOW = [
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "UPDATE",
    "PRACK",
    "INFO",
    "REFER",
    "NOTIFY",
]
OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\n"
ANSWER = b"v=0\r\no=- 2 2 IN IP4 192.0.2.1\r\n"


@dataclass
class Recorder:
    """A call handler that writes down what it hears."""

    heard: list[tuple[str, object]] = field(default_factory=list)
    renegotiate: Callable[[bytes], bytes] = lambda _: ANSWER

    def acknowledged(self, body: bytes) -> None:
        self.heard.append(("acknowledged", body))

    def renegotiated(self, body: bytes) -> bytes:
        self.heard.append(("renegotiated", body))
        return self.renegotiate(body)

    def ended(self, end: CallEnd) -> None:
        self.heard.append(("ended", end))

    @property
    def ends(self) -> list[object]:
        return [what for word, what in self.heard if word == "ended"]


class Wire:
    """Bytes in, bytes out."""

    def __init__(
        self,
        on_call: Callable[[IncomingCall], None] | None = None,
        *,
        registrar: Callable[[Clock], Registrar] | None = None,
        max_calls: int | None = None,
        others: tuple[Address, ...] = (),
        follow_maddr: bool = False,
        guard: Callable[[Clock], Guard] | None = None,
        **more: Any,
    ) -> None:
        self.clock = Clock()
        self.sent: list[tuple[bytes, Address]] = []
        self.broken = False
        self.calls: list[IncomingCall] = []
        self.handlers: list[Recorder] = []
        self._on_call = on_call
        self.agent = UserAgent(
            self.clock,
            self,
            local=LOCAL,
            on_call=self._called,
            registrar=registrar(self.clock) if registrar else None,
            max_calls=max_calls,
            others=others,
            follow_maddr=follow_maddr,
            guard=guard(self.clock) if guard else None,
            **more,
        )

    def send(self, data: bytes, to: Address) -> None:
        if self.broken:
            raise OSError("no route")
        self.sent.append((data, to))

    def _called(self, call: IncomingCall) -> None:
        handler = Recorder()
        call.handler = handler
        self.calls.append(call)
        self.handlers.append(handler)
        if self._on_call is not None:
            self._on_call(call)

    def receive(self, data: bytes, source: Address = PHONE) -> list[Request | Response]:
        """Hand a datagram to the agent; return what it sent since the last look."""
        self.agent.datagram_received(data, source)
        return self.take()

    def take(self) -> list[Request | Response]:
        """Return what was sent since the last look."""
        sent, self.sent = self.sent, []
        return [parse(data) for data, _ in sent]

    def statuses(self, data: bytes, source: Address = PHONE) -> list[int]:
        return [status(message) for message in self.receive(data, source)]

    def after(self, seconds: float) -> list[Request | Response]:
        """Let time pass; return what was sent meanwhile."""
        self.clock.advance(seconds)
        return self.take()

    @property
    def call(self) -> IncomingCall:
        return self.calls[-1]

    @property
    def handler(self) -> Recorder:
        return self.handlers[-1]


def status(message: Request | Response) -> int:
    assert isinstance(message, Response)
    return message.status


def only_response(messages: list[Request | Response]) -> Response:
    [message] = messages
    assert isinstance(message, Response)
    return message


def only_request(messages: list[Request | Response]) -> Request:
    [message] = messages
    assert isinstance(message, Request)
    return message


def request(
    method: str = "INVITE",
    *,
    uri: str = "sip:+3312345@pay.example.com",
    branch: str | None = None,
    cseq: int = 1,
    to_tag: str = "",
    call_id: str = "a84b4c76e66710@pc33",
    headers: tuple[str, ...] = (),
    body: bytes = b"",
    via: str | None = None,
    contact: str | None = "<sip:debtor@192.0.2.10:5062>",
) -> bytes:
    """Return a request of a telephone at PHONE."""
    branch = branch or f"z9hG4bK{method}{cseq}"
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via or f'SIP/2.0/UDP 192.0.2.10:5062;branch={branch}'}",
        "Max-Forwards: 70",
        'From: "Debtor" <sip:+3399@phones.example.com>;tag=1928301774',
        f"To: <sip:+3312345@pay.example.com>{f';tag={to_tag}' if to_tag else ''}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
    ]
    if contact and method == "INVITE":
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    lines.extend(headers)
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(call: IncomingCall) -> None:
    call.answer(ANSWER)


def established(wire: Wire) -> str:
    """Set a call up with `on_call=answer`; return the local tag."""
    trying, ok = wire.receive(request(body=OFFER))
    assert (status(trying), status(ok)) == (100, 200)
    assert wire.receive(request("ACK", to_tag=ok.to.tag, branch="z9hG4bKack")) == []
    return ok.to.tag
