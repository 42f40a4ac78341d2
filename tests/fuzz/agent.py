"""A whole user agent, with its application, fed with scripts of datagrams.

An input is an octet that says how the application behaves, and steps between pairs of
NULs. A step is an octet, for the time that passes and whence the datagram comes, and the
datagram. In it `@TAG@` stands for our tag in the last response we sent, `@OURTAG@`,
`@OURCALL@` and `@BRANCH@` for From tag, Call-ID and branch of our last request.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from twisted.internet.task import Clock

from ivr.media.info import InfoError, parse_info
from ivr.sip import (
    Address,
    CallEnd,
    CallStateError,
    IncomingCall,
    MalformedMessageError,
    NotAcceptableHereError,
    Registrar,
    Request,
    Response,
    Session,
    Transport,
    UserAgent,
    parse,
)
from ivr.sip.referral import Referral
from tests.fuzz.seeds import dialog_requests, messages
from tests.fuzz.target import Feed, Target
from tests.sip.wire import ANSWER, LOCAL, OFFER, PHONE, request

SEPARATOR = b"\0\0"
_WAITS = (0.0, 0.0, 0.0, 0.6, 5.0, 33.0, 100.0, 1000.0)
_SOURCES = (
    PHONE,
    Address("192.0.2.20", 5060),
    PHONE._replace(transport=Transport.TCP),
    Address("2001:db8::10", 5060),
)
_OURS = (b"@OURTAG@", b"@OURCALL@", b"@BRANCH@")
_LONGEST = 20_000.0
"""Seconds after which everything of a script must be over."""


class Application:
    """Answers, rings, refuses, transfers; what it does is said by the octet `mood`."""

    def __init__(self, mood: int) -> None:
        self.mood = mood
        self.ends: list[CallEnd] = []
        self.call: Session | None = None

    def take(self, call: IncomingCall) -> None:
        self.call = call
        call.handler = self
        match self.mood & 7:
            case 0:
                call.answer(ANSWER)
            case 1:
                call.ring()
            case 2:
                call.progress(ANSWER)
            case 3:
                call.ring()
                call.answer(ANSWER)
            case 4:
                call.progress(ANSWER)
                call.answer()
            case 5:
                call.reject(486)
            case 6:
                call.hang_up()

    def later(self) -> None:
        """Do something to a call that stands, or nothing."""
        call = self.call
        if call is None or not call.live:
            return
        steps: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: call.renegotiate(lambda: OFFER).addErrback(lambda _: None),
            lambda: call.update(lambda: OFFER).addErrback(lambda _: None),
            lambda: call.transfer("sip:other@192.0.2.20"),
        )
        with suppress(CallStateError):
            steps[self.mood >> 3 & 3]()

    def ringing(self) -> None:
        pass

    def early_media(self, body: bytes) -> None:
        pass

    def answered(self, body: bytes) -> None:
        self.later()

    def acknowledged(self, body: bytes) -> None:
        self.later()

    def renegotiated(self, body: bytes) -> bytes:
        if self.mood & 0x20:
            raise NotAcceptableHereError("no")
        return ANSWER if body else OFFER

    def refreshed(self, body: bytes) -> None:
        pass

    def progress_acknowledged(self, body: bytes) -> None:
        pass

    def info(self, content_type: str, body: bytes) -> bool:
        try:
            parse_info(content_type, body)
        except InfoError:
            return False
        return True

    def referred(self, referral: Referral) -> None:
        if self.mood & 0x40:
            referral.refuse()
        else:
            referral.progress(180)
            referral.finish(200)

    def ended(self, end: CallEnd) -> None:
        self.ends.append(end)


class Stage:
    """One user agent for all inputs: nothing of one may be left for the next."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.marks: dict[bytes, bytes] = {}
        self.applications: list[Application] = []
        self.agent = UserAgent(
            self.clock,
            self,
            local=LOCAL,
            on_call=self._called,
            registrar=Registrar(self.clock, "example.com", {"watson": "elementary"}),
            others=(LOCAL._replace(transport=Transport.TCP),),
        )

    def feed(self, data: bytes) -> None:
        """Play one script to its end."""
        mood = data[0] if data else 0
        self.mood = mood
        if mood & 0x80:
            ours = self._applied()
            call = self.agent.call("sip:x@192.0.2.20", OFFER, handler=ours, hop=_SOURCES[1])
            ours.call = call
        for step in data[1:].split(SEPARATOR):
            if step:
                self.clock.advance(_WAITS[step[0] & 7])
                self._receive(step[1:], _SOURCES[step[0] >> 3 & 3])
        self._settle()

    def send(self, data: bytes, to: Address) -> None:
        """Take what the agent sends; fill the marks."""
        assert len(data) <= 0xFFFF, "no datagram has more"
        try:
            message = parse(data)
        except MalformedMessageError:
            return  # a refusal repeats what it can of a broken message
        if isinstance(message, Response):
            self.marks[b"@TAG@"] = message.to.tag.encode("utf-8", "surrogateescape")
        elif isinstance(message, Request):
            ours = (message.from_.tag, message.call_id, message.via.branch)
            values = (one.encode("utf-8", "surrogateescape") for one in ours)
            self.marks.update(zip(_OURS, values, strict=True))

    def _called(self, call: IncomingCall) -> None:
        self._applied().take(call)

    def _applied(self) -> Application:
        self.applications.append(Application(self.mood))
        return self.applications[-1]

    def _receive(self, data: bytes, source: Address) -> None:
        for mark, value in self.marks.items():
            data = data.replace(mark, value)
        self.agent.datagram_received(data, source)

    def _settle(self) -> None:
        agent, clock = self.agent, self.clock
        until = clock.seconds() + _LONGEST
        for one in self.applications:
            if one.call is not None:
                one.call.hang_up()
        while clock.calls:
            assert clock.seconds() < until, [str(one) for one in clock.calls]
            clock.advance(max(0.0, clock.calls[0].getTime() - clock.seconds()))
        assert agent.live_calls == 0
        assert len(agent._servers) == len(agent._clients) == agent._servers.held == 0
        assert agent._sessions.idle
        assert agent._sessions._by_dialog == {}
        assert agent.outbound.idle
        assert {len(one.ends) for one in self.applications} <= {1}
        self.applications.clear()
        self.marks.clear()


def _make() -> Feed:
    return Stage().feed


def script(mood: int, *steps: bytes) -> bytes:
    """Return an input; each step comes at once from the telephone."""
    return bytes([mood]) + SEPARATOR.join(b"\x01" + step for step in steps)


def _reply(status: int, method: str = "INVITE", *lines: str, body: bytes = b"") -> bytes:
    head = [
        f"SIP/2.0 {status} X",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=@BRANCH@",
        "From: <sip:solde@192.0.2.1:5060>;tag=@OURTAG@",
        "To: <sip:x@192.0.2.20>;tag=them",
        "Call-ID: @OURCALL@",
        f"CSeq: 1 {method}",
        "Contact: <sip:them@192.0.2.20>",
        *lines,
    ]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _seeds() -> Iterator[bytes]:
    for data in messages():
        yield script(0, data)
    invite = request(body=OFFER, headers=("Supported: 100rel, timer",))
    inside = dict(dialog_requests("@TAG@"))
    cancel = request("CANCEL", branch="z9hG4bKINVITE1")
    for mood in range(8):
        yield script(mood, invite, cancel)
        yield script(mood, invite, inside["prack"], inside["update"], inside["ack"])
    for name, one in inside.items():
        yield script(0, invite, inside["ack"], one, inside["bye"])
        yield script(0x40 | 0x20 | 8, invite, inside["ack"], one)
        yield script(1, invite, one, name.encode())
    offered = _reply(183, "INVITE", "Require: 100rel", "RSeq: 5", body=ANSWER)
    for answer in (200, 302, 401, 422, 481, 503, 606):
        yield script(0x80, _reply(100), offered, _reply(answer, body=ANSWER))
    yield script(0x88, _reply(200, body=ANSWER), _reply(491), _reply(200, "BYE"))
    yield script(0x98, _reply(200, body=ANSWER), _reply(202, "REFER"))
    yield script(0, b"\r\n\r\n", invite * 2)


TARGETS = {"user-agent": Target(_make, _seeds, 8192)}
