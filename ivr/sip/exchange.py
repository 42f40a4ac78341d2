"""A request outside dialogs until somebody answers it: REGISTER, OPTIONS.

look-up ──► request ── final response ──► outcome
│          │  ▲
│   401, 407, │ 503, no response
│          ▼  │
└── none ──► outcome, `local`
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.client_transaction import ClientTransactions, Failure
from ivr.sip.identity import Identity
from ivr.sip.line import Line
from ivr.sip.message import Response
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.outcome import Outcome, no_response, outcome_of, retry_after
from ivr.sip.request_out import Draft
from ivr.sip.targets import Finder, Targets
from ivr.sip.uri import Uri, parse_uri

OnOutcome = Callable[[Outcome, Response | None], object]
"""Takes the outcome, and the response when there is one."""
MakeLines = Callable[[Address], Iterable[tuple[str, str]]]
"""Makes the headers that depend on where the request goes."""


class ExchangeHost(Protocol):
    """What an exchange needs of its user agent."""

    clock: Clock
    identity: Identity
    clients: ClientTransactions

    def find(self, uri: Uri, line: Line, then: Finder) -> None:
        """Look up where requests for `uri` go, and tell `then`, perhaps at once."""


class Exchange:
    """One request, sent again for each target and each challenge."""

    __slots__ = ("_digest", "_draft", "_host", "_line", "_make", "_on_outcome", "_targets")

    def __init__(
        self,
        host: ExchangeHost,
        line: Line,
        draft: Draft,
        on_outcome: OnOutcome,
        make: MakeLines = lambda _: (),
    ) -> None:
        self._host = host
        self._line = line
        self._draft = draft
        self._make = make
        self._on_outcome: OnOutcome | None = on_outcome
        self._digest = line.digest.exchange()
        self._targets: Targets | None = None

    def start(self) -> None:
        """Look for the first target."""
        routes = self._draft.routes
        uri = parse_name_addr(routes[0]).uri if routes else parse_uri(self._draft.uri_text)
        self._host.find(uri, self._line, self)

    def stop(self) -> None:
        """Tell nobody of the outcome."""
        self._on_outcome = None

    def targets_found(self, targets: Targets) -> None:
        """Send the request to the first of `targets`."""
        self._targets = targets
        self._send(targets)

    def no_target(self, outcome: Outcome) -> None:
        """Learn that there is no target."""
        self._finish(outcome, None)

    def _send(self, targets: Targets) -> None:
        if self._on_outcome is None:
            return
        to = targets.current
        draft = self._draft
        lines = [*self._make(to), *self._digest.lines(draft.method, draft.uri_text)]
        request = draft.request(self._host.identity.via(to), lines)
        self._host.clients.begin(request, to, self._answered)

    def _answered(self, response: Response | None) -> None:
        targets = self._targets
        if targets is None:
            return
        if response is None:
            if targets.failed():
                self._send(targets)
            else:
                self._finish(no_response(Failure.TIMEOUT), None)
        elif response.status == 503:
            if targets.failed(retry_after(response)):
                self._send(targets)
            else:
                self._finish(outcome_of(response), response)
        else:
            targets.answered()
            if self._digest.challenged(response):
                self._send(targets)
            else:
                self._finish(outcome_of(response), response)

    def _finish(self, outcome: Outcome, response: Response | None) -> None:
        on_outcome, self._on_outcome = self._on_outcome, None
        if on_outcome is not None:
            on_outcome(outcome, response)
