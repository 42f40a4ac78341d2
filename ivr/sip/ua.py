"""The user agent server: from datagrams to calls and back (RFC 3261 §8.2, §12, §13, §15).

A request that is refused before anything is done with it leaves no state: each
of its copies is refused alike, with the same To tag (§8.2.7). So neither a
scanner nor a flood of calls while draining costs memory.
"""

from collections.abc import Callable, Iterable, Sequence

import structlog
from twisted.internet.defer import Deferred

from ivr.clock import Clock
from ivr.sip.address import Address, DatagramSender
from ivr.sip.admission import ACCEPT, EXTENSIONS, Reply, inspect, warning
from ivr.sip.call import IncomingCall
from ivr.sip.client_transaction import ClientTransactions
from ivr.sip.dialog import Dialog
from ivr.sip.errors import CallStateError, MalformedMessageError
from ivr.sip.guard import Guard
from ivr.sip.identity import Identity
from ivr.sip.large import LargeRequests
from ivr.sip.line import Line
from ivr.sip.message import Request, Response
from ivr.sip.outbound import Outbound
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.outgoing_handler import OutgoingHandler
from ivr.sip.parser import parse
from ivr.sip.refusals import Refusals
from ivr.sip.registrar import Registrar
from ivr.sip.replaces import replaces_of
from ivr.sip.request_out import new_tag
from ivr.sip.resolution import Resolver
from ivr.sip.responder import Responder
from ivr.sip.server_transaction import ServerTransactions
from ivr.sip.session_timer import TimerPolicy, too_brief
from ivr.sip.sessions import Sessions
from ivr.sip.trunk import Trunk
from ivr.sip.trunks import Proof, Trunks

log = structlog.get_logger()

FULL_RETRY_AFTER = 5
"""Seconds a caller is asked to wait when `max_calls` are up."""
_METHODS = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"),
    *("UPDATE", "PRACK", "INFO", "REFER", "NOTIFY"),
)
_TIMERS = TimerPolicy()
_KEEP_ALIVE = b"\r\n\r\n"


class UserAgent:
    """Answers calls, and keeps registrations when given a `Registrar`.

    `local` is the address others reach us at: it goes into Contact and Via; `others`
    are the same for other transports. `follow_maddr` sends responses where a Via
    wants them, which anybody can use to have them sent to anybody. `timers` are the
    session intervals we want. `guard` says whom we listen to, `proof` whom a TLS
    connection has shown to be there.
    `on_call` gets each new call, after 100 was sent, and sets its handler.
    """

    def __init__(
        self,
        clock: Clock,
        sender: DatagramSender,
        *,
        local: Address,
        on_call: Callable[[IncomingCall], None],
        registrar: Registrar | None = None,
        server_name: str = "Solde",
        max_calls: int | None = None,
        others: Iterable[Address] = (),
        follow_maddr: bool = False,
        timers: TimerPolicy = _TIMERS,
        resolver: Resolver | None = None,
        on_line: Callable[[Line], object] = lambda _: None,
        guard: Guard | None = None,
        proof: Proof = lambda _: None,
    ) -> None:
        self._identity = Identity(local, server_name, tuple(others))
        self._guard = guard or Guard(clock)
        self._sender = sender
        self._on_call = on_call
        self._registrar = registrar
        self._max_calls = max_calls
        self._retry_after: int | None = None
        self._closed = False
        self._methods = _METHODS if registrar is None else (*_METHODS, "REGISTER")
        self._abilities = (
            ("Allow", ", ".join(self._methods)),
            ("Supported", ", ".join(EXTENSIONS)),
            ("Server", server_name),
        )
        self._refusals = Refusals(
            self._send, self._guard, server_name, follow_maddr=follow_maddr
        )
        self._servers = ServerTransactions(clock, self._send)
        large = LargeRequests(clock, self._identity) if self._identity.takes_tcp else None
        self._clients = ClientTransactions(clock, self._send, large)
        self._sessions = Sessions(
            clock,
            self._identity,
            self._abilities,
            self._servers,
            self._clients,
            timers,
            self._check_idle,
        )
        self._guard.calls_from = self._sessions.calls_from
        self.outbound = Outbound(
            clock,
            self._identity,
            self._clients,
            self._sessions,
            self._abilities,
            resolver,
            self._check_idle,
            on_line,
            proof,
        )
        self._waiting: list[Deferred[None]] = []

    # For the application:

    @property
    def local(self) -> Address:
        """The address others reach us at."""
        return self._identity.local

    @property
    def live_calls(self) -> int:
        """How many calls have not ended."""
        return len(self._sessions)

    def call(
        self,
        target: str,
        offer: bytes,
        *,
        handler: OutgoingHandler,
        trunk: Trunk | None = None,
        caller: str = "",
        route: Sequence[str] = (),
        hop: Address | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> OutgoingCall:
        """Call a telephone number or a URI, with a session description as the offer.

        `trunk` is what a number is called over. `caller` is who calls, a URI with a
        name perhaps, when not whom the trunk says. `route` are the URIs of proxies to
        be passed, `hop` an address that saves the look-up, such as a registered
        telephone's. `headers` are further lines. Whatever the end, the handler hears of
        it, but not before this returns. Raise MalformedMessageError for a URI that is
        none, ValueError for a line break in a header, CallStateError once closed.
        """
        if self._closed:
            raise CallStateError("a closed user agent makes no calls")
        return self.outbound.call(
            target,
            offer,
            handler=handler,
            trunk=trunk,
            caller=caller,
            route=route,
            hop=hop,
            headers=headers,
        )

    @property
    def trunks(self) -> Trunks:
        """The trunks in use: register, ping and see their state there."""
        return self.outbound.trunks

    def drain(self, retry_after: int) -> None:
        """From now on refuse new calls with 503 and Retry-After, in seconds."""
        self._retry_after = retry_after

    def when_idle(self) -> Deferred[None]:
        """Return what fires when no call is live and every BYE was answered or given up."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._check_idle()
        return waiting

    def close(self) -> None:
        """End every call at once, with one BYE or 503; cancel all timers; hear no more."""
        self._closed = True
        self._sessions.close()
        self._servers.close()
        self._clients.close()
        self.outbound.close()
        self._check_idle()

    def datagram_received(self, data: bytes, source: Address) -> None:
        """Process one datagram. Never raises."""
        if self._closed:
            return
        try:
            self._receive(data, source)
        except Exception:
            log.exception("sip-datagram-failed")

    def unreachable(self, to: Address) -> None:
        """Learn that a connection to `to` could not be made: what was sent there is lost."""
        self._clients.unreachable(to)

    # Inside:

    def _send(self, data: bytes, to: Address) -> bool:
        try:
            self._sender.send(data, to)
        except OSError as error:
            # As good as a lost datagram: whatever matters is repeated.
            log.warning("sip-datagram-not-sent", error=type(error).__name__, size=len(data))
            return False
        return True

    def _receive(self, data: bytes, source: Address) -> None:
        if not self._guard.hears(data, source):
            return
        if not data.strip(b"\r\n"):
            if data == _KEEP_ALIVE:  # a ping (RFC 5626 §3.5.1)
                self._send(b"\r\n", source)
            return
        try:
            message = parse(data, from_stream=source.transport.reliable)
        except MalformedMessageError as error:
            self._refusals.malformed(error.request, source, error)
            return
        message.source = source
        if isinstance(message, Response):
            if not self._clients.response(message):
                log.debug("sip-stray-response", status=message.status)
            return
        try:
            self._request(message, source)
        except MalformedMessageError as error:
            self._refusals.malformed(message, source, error)

    def _request(self, request: Request, source: Address) -> None:
        if request.method == "ACK":
            self._acknowledge(request)
            return
        known = self._servers.find(request)
        if known is not None:
            known.repeat()
            return
        responder = self._refusals.responder(request, source)
        reply = None
        if not self._is_expected(request):
            reply = self._guard.judge(request, source)
            if reply is None and self._servers.full:
                reply = self._later("Too many requests under way", FULL_RETRY_AFTER)
        reply = reply or inspect(request, self._methods)
        if reply is None:
            reply = self._process(request, responder, source)
        if reply is not None:
            self._refusals.refuse(request, responder, reply)

    def _is_expected(self, request: Request) -> bool:
        """Whether a request is about something that was let in."""
        if request.method == "CANCEL":
            return self._servers.find(request, "INVITE") is not None
        return bool(request.to.tag) and self._sessions.knows(request)

    def _acknowledge(self, ack: Request) -> None:
        transaction = self._servers.find(ack)
        if transaction is None or not transaction.acknowledged():
            self._sessions.acknowledge(ack)

    def _process(self, request: Request, responder: Responder, source: Address) -> Reply | None:
        """Do what the request asks; return an answer that is to be sent without state."""
        if request.method == "CANCEL":
            return self._cancel(request, responder)
        if request.method == "REGISTER" and self._registrar is not None:
            reply = self._registrar.register(request, source)
            transaction = self._servers.begin(request, responder, new_tag())
            transaction.respond(reply.status, reason=reply.reason, headers=reply.headers)
            return None
        if request.to.tag:
            return self._sessions.process(request, responder, source)
        if request.method == "INVITE":
            return self._invite(request, responder, source)
        if request.method == "REFER":
            return Reply(403, reason="Only inside a call")
        return self._options() if request.method == "OPTIONS" else Reply(481)

    def _invite(self, request: Request, responder: Responder, source: Address) -> Reply | None:
        if self._servers.is_merged(request):
            return Reply(482)
        refusal = self._refusal_of_new_calls() or too_brief(request, self._sessions.timers)
        if refusal is not None:
            return refusal
        wanted = replaces_of(request)
        replaced = None if wanted is None else self._sessions.find(wanted)
        if isinstance(replaced, Reply):
            return replaced
        tag = new_tag()
        dialog = Dialog.called(request, tag, source)
        transaction = self._servers.begin(request, responder, tag)
        transaction.respond(100)
        call = IncomingCall(self._sessions, request, source, dialog, transaction, replaced)
        self._sessions.add(call)
        call.start(self._on_call)
        return None

    def _cancel(self, request: Request, responder: Responder) -> Reply | None:
        invite = self._servers.find(request, "INVITE")
        if invite is None:
            return Reply(481)
        # RFC 3261 §9.2: the same To tag as in the responses to the INVITE.
        self._send(responder.render(200, tag=invite.tag), responder.destination)
        if invite.on_cancel is not None:
            invite.on_cancel()
        return None

    def _options(self) -> Reply:
        refusal = self._refusal_of_new_calls()
        status = 200 if refusal is None else refusal.status
        languages = (("Accept-Encoding", "identity"), ("Accept-Language", "en"))
        extra = () if refusal is None else refusal.headers
        return Reply(status, (ACCEPT, *languages, *self._abilities, *extra))

    def _refusal_of_new_calls(self) -> Reply | None:
        if self._retry_after is not None:
            why, seconds = "Draining: no new calls", self._retry_after
        elif self._max_calls is not None and len(self._sessions) >= self._max_calls:
            why, seconds = "All lines are busy", FULL_RETRY_AFTER
        elif self._guard.overloaded:
            why, seconds = "Too busy to answer in time", FULL_RETRY_AFTER
        else:
            return None
        return self._later(why, seconds)

    def _later(self, why: str, seconds: int) -> Reply:
        return Reply(503, (("Retry-After", str(seconds)), warning(self._identity.name, why)))

    def _check_idle(self) -> None:
        if self._sessions.idle and self.outbound.idle:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)
