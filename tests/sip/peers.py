"""What the other side of an answered call sends, and an application that takes everything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from ivr.sip import IncomingCall, Request, Response
from ivr.sip.referral import Referral
from tests.sip.wire import (
    ANSWER,
    OFFER,
    Recorder,
    Wire,
    established,
    only_request,
    only_response,
    request,
)

MORE = ANSWER + b"a=sendonly\r\n"


@dataclass
class Party(Recorder):
    """A call handler with everything optional."""

    known: bool = True
    refer: Callable[[Referral], object] = lambda _: None
    referrals: list[Referral] = field(default_factory=list)

    def info(self, content_type: str, body: bytes) -> bool:
        self.heard.append(("info", (content_type, body)))
        return self.known

    def referred(self, referral: Referral) -> None:
        self.referrals.append(referral)
        self.refer(referral)

    def progress_acknowledged(self, body: bytes) -> None:
        self.heard.append(("progress acknowledged", body))

    def refreshed(self, body: bytes) -> None:
        self.heard.append(("refreshed", body))


class Talk:
    """An answered call of a telephone, and what its owner knows of it.

    `headers` go into its INVITE.
    """

    def __init__(self, *headers: str, handler: Recorder | None = None, **more: Any) -> None:
        self.handler = handler or Party()
        self.cseq = 1
        self.answer = ANSWER

        def take(call: IncomingCall) -> None:
            call.handler = self.handler
            call.answer(self.answer)

        self.wire = Wire(on_call=take, **more)
        _, ok = self.wire.receive(request(body=OFFER, headers=headers))
        assert isinstance(ok, Response)
        self.ok = ok
        self.tag = ok.to.tag
        self.wire.receive(request("ACK", to_tag=self.tag, branch="z9hG4bKack"))

    @property
    def call(self) -> IncomingCall:
        return self.wire.call

    @property
    def referrals(self) -> list[Referral]:
        assert isinstance(self.handler, Party)
        return self.handler.referrals

    def ask(self, method: str, *headers: str, body: bytes = b"", **more: Any) -> bytes:
        """Return the next request of the telephone inside the call."""
        self.cseq += 1
        if method == "UPDATE":
            headers = ("Contact: <sip:debtor@192.0.2.10:5062>", *headers)
        return request(
            method, cseq=self.cseq, to_tag=self.tag, headers=headers, body=body, **more
        )

    def asks(self, method: str, *headers: str, body: bytes = b"", **more: Any) -> Response:
        """Send that; return the only response."""
        return only_response(self.wire.receive(self.ask(method, *headers, body=body, **more)))

    def ack(self, body: bytes = b"") -> list[Request | Response]:
        """Acknowledge the last re-INVITE."""
        branch = f"z9hG4bKack{self.cseq}"
        return self.wire.receive(
            request("ACK", cseq=self.cseq, to_tag=self.tag, branch=branch, body=body)
        )

    def sent(self) -> Request:
        """Return the only request of ours."""
        return only_request(self.wire.take())

    def replies(
        self, to: Request, status: int, *headers: str, body: bytes = b"", contact: str = ""
    ) -> list[Request | Response]:
        return self.wire.receive(reply(to, status, *headers, body=body, contact=contact))


def reply(
    to: Request, status: int, *headers: str, body: bytes = b"", contact: str = ""
) -> bytes:
    """Return a response to a request inside a dialog."""
    lines = [f"SIP/2.0 {status} Whatever"]
    lines.extend(
        f"{name}: {value}"
        for name, value in to.headers
        if name in ("Via", "From", "To", "Call-ID", "CSeq")
    )
    if contact:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    return (
        "\r\n".join([*lines, *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body
    )


def outcome(asked: Deferred[Any]) -> list[Any]:
    """Return a list that gets what a Deferred fires with, or its failure's value."""
    got: list[Any] = []
    asked.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


def left(wire: Wire) -> list[object]:
    """Let everything that lingers go; return the timers left, and what is live."""
    wire.clock.pump([1.0] * 200)
    live: list[object] = [wire.agent.live_calls] if wire.agent.live_calls else []
    return [*live, *wire.clock.getDelayedCalls()]


__all__ = ["MORE", "Party", "Talk", "established", "left", "outcome", "reply"]
