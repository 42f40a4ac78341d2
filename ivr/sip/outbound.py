"""The client half of a user agent: calls to others, over trunks or without."""

from collections.abc import Callable, Sequence

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure as TwistedFailure

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.admission import BODY_TYPE
from ivr.sip.attempt import Attempt
from ivr.sip.client_transaction import ClientTransactions
from ivr.sip.errors import NameServiceError
from ivr.sip.grammar import quote
from ivr.sip.identity import Identity
from ivr.sip.line import Line
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.names import Answer, Kind
from ivr.sip.outcome import Outcome
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.outgoing_handler import OutgoingHandler
from ivr.sip.reliable import OPTION
from ivr.sip.request_out import Draft, checked, new_call_id, new_tag
from ivr.sip.resolution import Resolver
from ivr.sip.responder import HeaderLines
from ivr.sip.sessions import Sessions
from ivr.sip.targets import Finder, Penalties, Targets
from ivr.sip.timers import GIVE_UP, Lingering
from ivr.sip.trunk import Trunk
from ivr.sip.trunks import Proof, Trunks
from ivr.sip.uri import Uri, parse_uri

log = structlog.get_logger()


class NoNames:
    """A name service that knows no name."""

    async def lookup(self, kind: Kind, name: str) -> Answer:  # noqa: ARG002 - none is looked up
        """Raise NameServiceError."""
        raise NameServiceError(f"names are not looked up here: {name}")


class Outbound:
    """Makes calls, and finds the targets of whatever else is sent outside dialogs."""

    def __init__(
        self,
        clock: Clock,
        identity: Identity,
        clients: ClientTransactions,
        sessions: Sessions,
        abilities: HeaderLines,
        resolver: Resolver | None,
        on_change: Callable[[], None],
        on_line: Callable[[Line], object],
        proof: Proof,
    ) -> None:
        self.clock = clock
        self.identity = identity
        self.clients = clients
        self.sessions = sessions
        self.expiring: Lingering[Attempt] = Lingering(clock, GIVE_UP, Attempt.expire)
        self.penalties = Penalties(clock)
        self._abilities = _for_requests(abilities)
        self._on_change = on_change
        self._resolver = resolver or Resolver(NoNames())
        self.trunks = Trunks(self, on_line, proof)
        self._undoing: set[Attempt] = set()
        self._nobody = Trunk("direct", identity.local.in_uri())

    # For the application:

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
        headers: HeaderLines = (),
    ) -> OutgoingCall:
        """As `UserAgent.call`."""
        line = Line(self._nobody) if trunk is None else self.trunks.use(trunk)
        uri = line.trunk.uri(target)
        if not offer:
            raise ValueError("a call needs an offer")
        lines = [*self._abilities, ("User-Agent", self.identity.name)]
        if line.trunk.asserted_identity:
            lines.append(("P-Asserted-Identity", f"<{line.trunk.asserted_identity}>"))
        draft = Draft(
            "INVITE",
            uri.text,
            f"<{uri.text}>",
            f"{self._from(line, caller)};tag={new_tag()}",
            new_call_id(),
            routes=tuple(f"<{parse_uri(one)}>" for one in route) or line.routes,
            lines=(*lines, *checked(headers), ("Content-Type", BODY_TYPE)),
            body=offer,
        )
        refusal = line.refusal
        call = OutgoingCall(self, line, draft, handler)
        self.sessions.add(call)
        if refusal:
            self.clock.callLater(0, call.no_target, Outcome(503, refusal, local=True))
        elif hop is not None:
            call.targets_found(Targets(self.penalties, [hop]))
        else:
            call.start()
        return call

    @property
    def idle(self) -> bool:
        """Whether no call that was given up is still to be undone."""
        return not self._undoing

    def close(self) -> None:
        """Cancel all timers."""
        self.trunks.close()
        self.expiring.clear()
        self._undoing.clear()

    # For calls (`OutgoingHost`):

    def find(self, uri: Uri, line: Line, then: Finder) -> None:
        """Look up where requests for `uri` go."""
        transport = line.trunk.transport
        try:
            direct = self._resolver.numeric(uri, transport)
        except NameServiceError as error:
            self._later(then, str(error))
            return
        if direct is not None:
            self._choose([direct], then)
            return

        def found(targets: list[Address]) -> None:
            self._choose(targets, then)

        def failed(failure: TwistedFailure) -> None:
            if not isinstance(failure.value, NameServiceError):
                log.error("sip-lookup-failed", error=type(failure.value).__name__)
            self._later(then, failure.getErrorMessage())

        work = Deferred.fromCoroutine(self._resolver.resolve(uri, transport))
        work.addCallbacks(found, failed)

    def abandoned(self, attempt: Attempt) -> None:
        """Remember that an attempt has to be undone before all is quiet."""
        self._undoing.add(attempt)

    def settled(self, attempt: Attempt) -> None:
        """Forget an attempt."""
        if attempt in self._undoing:
            self._undoing.remove(attempt)
            self._on_change()

    # Inside:

    def _from(self, line: Line, caller: str) -> str:
        """Return the value of From: a URI, or a name with one, in angle brackets."""
        if not caller:
            return line.trunk.from_(self.identity.local.in_uri())
        [(_, value)] = checked([("From", caller)])
        parsed = parse_name_addr(value)
        _ = parsed.uri
        shown = f"{quote(parsed.display_name)} " if parsed.display_name else ""
        return f"{shown}<{parsed.uri_text}>"

    def _choose(self, found: list[Address], then: Finder) -> None:
        ordered = self.penalties.order(found)
        if ordered:
            then.targets_found(Targets(self.penalties, ordered))
            return
        wait = self.penalties.wait(found)
        why = "Every target asked to be left alone"
        self.clock.callLater(0, then.no_target, Outcome(503, why, local=True, retry_after=wait))

    def _later(self, then: Finder, why: str) -> None:
        self.clock.callLater(0, then.no_target, Outcome(503, why, local=True))


def _for_requests(abilities: HeaderLines) -> tuple[tuple[str, str], ...]:
    """Return what a request says of our abilities; reliable responses are taken always."""
    lines = dict(abilities)
    supported = [one.strip() for one in lines.get("Supported", "").split(",")]
    options = dict.fromkeys((*filter(None, supported), OPTION))
    return (("Allow", lines["Allow"]), ("Supported", ", ".join(options)))
