"""A call that we make, until it is a session like any other (RFC 3261 §13.2).

seeking targets ──► attempt ── 2xx ──► CONFIRMED, as in `session`
│  ▲
401, 407, 503, 3xx,  │  │  with credentials, to the next target,
silence, time-out    ▼  │  to the next contact
next one ── none ──► ENDED, `outcome` says why
"""

from typing import Protocol

from ivr.clock import DelayedCall
from ivr.sip.attempt import Attempt, AttemptHost
from ivr.sip.client_transaction import Failure
from ivr.sip.dialog import Dialog
from ivr.sip.digest_client import DigestClient
from ivr.sip.errors import MalformedMessageError
from ivr.sip.handler import CallEnd
from ivr.sip.lifecycle import Phase
from ivr.sip.line import Line
from ivr.sip.message import Response
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.outcome import Outcome, no_response, outcome_of, retry_after
from ivr.sip.outgoing_handler import OutgoingHandler
from ivr.sip.redirects import Redirects
from ivr.sip.request_out import Draft
from ivr.sip.session import Session
from ivr.sip.targets import Finder, Targets
from ivr.sip.uri import Uri, parse_uri


class OutgoingHost(AttemptHost, Protocol):
    """What a call needs of its user agent."""

    def find(self, uri: Uri, line: Line, then: Finder) -> None:
        """Look up where requests for `uri` go, and tell `then`, perhaps at once."""


class OutgoingCall(Session):
    """A call from us, for the application.

    `outcome` is set when the call was answered or has ended.
    """

    __slots__ = (
        "_attempt",
        "_digest",
        "_draft",
        "_exchange",
        "_line",
        "_listener",
        "_making",
        "_patience",
        "_redirects",
        "_rung",
        "_targets",
        "_time_limit",
        "outcome",
    )

    def __init__(
        self, host: OutgoingHost, line: Line, draft: Draft, handler: OutgoingHandler
    ) -> None:
        super().__init__(host.sessions, None)
        self.handler = handler
        self.outcome: Outcome | None = None
        self._listener: OutgoingHandler | None = handler
        self._making = host
        self._line = line
        self._draft = draft
        self._digest = line.digest
        self._exchange = self._digest.exchange()
        self._redirects = Redirects(draft.uri_text, follow=line.trunk.follow_redirects)
        self._targets: Targets | None = None
        self._attempt: Attempt | None = None
        self._rung = False
        self._patience: DelayedCall | None = None
        self._time_limit: DelayedCall | None = host.clock.callLater(
            line.trunk.answer_within, self._not_answered
        )
        line.calls += 1

    @property
    def id(self) -> str:
        """The Call-ID."""
        return self._draft.call_id

    # The user agent calls:

    def start(self) -> None:
        """Look for the first target."""
        first = self._draft.routes[0] if self._draft.routes else ""
        uri = parse_name_addr(first).uri if first else parse_uri(self._draft.uri_text)
        self._making.find(uri, self._line, self)

    def targets_found(self, targets: Targets) -> None:
        """Send the INVITE to the first of `targets`."""
        if self.live:
            self._targets = targets
            self._try()

    def no_target(self, outcome: Outcome) -> None:
        """Go on without a target for what was looked up."""
        if self.live:
            self._next_contact(outcome)

    # The attempt calls:

    def progressed(self, dialog: Dialog | None, response: Response, body: bytes) -> None:
        """Take a provisional response."""
        self._stop_waiting()
        if self._targets is not None:
            self._targets.answered()
        if dialog is not None and dialog is not self._dialog:
            self._enter(dialog)
        listener = self._listener
        if listener is None:
            return
        if response.status == 180 and not self._rung:
            self._rung = True
            if not self._tell("ringing", listener.ringing):
                self.hang_up()
                return
        if body and self.live and not self._tell("early media", listener.early_media, body):
            self.hang_up()

    def accepted(self, dialog: Dialog, response: Response, body: bytes, usable: bool) -> None:
        """Take the answer: the ACK is on its way."""
        self._stop_waiting()
        self._stop_limit()
        self._attempt = None
        if self._targets is not None:
            self._targets.answered()
        self._enter(dialog)
        try:
            self._established(dialog, self._draft.body, response)
        except MalformedMessageError:
            self._phase = Phase.CONFIRMED
            usable = False
        self.described(b"", body)
        self.outcome = outcome_of(response)
        listener = self._listener
        if not usable or not body:
            self.outcome = Outcome(488, "No usable answer in the 200", local=True)
            self._bye(CallEnd.REFUSED)
        elif listener is not None and not self._tell("answer", listener.answered, body):
            self.hang_up()

    def refused(self, response: Response) -> None:
        """Take a final response that is no 2xx, and try what may do better."""
        self._stop_waiting()
        self._attempt = None
        targets = self._targets
        outcome = outcome_of(response)
        if targets is None:
            self._next_contact(outcome)
        elif response.status == 503:
            if targets.failed(retry_after(response)):
                self._try()
            else:
                self._next_contact(outcome)
        else:
            targets.answered()
            if self._may_repeat(response):
                self._try()
            else:
                self._redirects.add(outcome)
                self._next_contact(outcome)

    def failed(self, failure: Failure) -> None:
        """Take that no response came, and try the next target (RFC 3263 §4.3)."""
        self._stop_waiting()
        self._attempt = None
        if self._targets is not None and self._targets.failed():
            self._try()
        else:
            self._next_contact(no_response(failure))

    # Inside:

    def _try(self) -> None:
        targets = self._targets
        if targets is None:
            return
        to = targets.current
        draft = self._draft
        identity = self._making.identity
        scheme = "sips" if draft.uri_text[:5].lower() == "sips:" else "sip"
        credentials = self._exchange.lines(draft.method, draft.uri_text)
        lines = [identity.contact(scheme, to), *self.timer.ask(), *credentials]
        request = draft.request(identity.via(to), lines)
        self._attempt = Attempt(self._making, request, to, self._digest, self)
        if targets.more:
            self._patience = self._making.clock.callLater(
                self._line.trunk.failover_after, self._silent
            )

    def _may_repeat(self, response: Response) -> bool:
        """Whether the same target may take the same INVITE with other headers."""
        try:
            too_short = self.timer.too_short(response)
        except MalformedMessageError:
            return False
        return too_short or self._exchange.challenged(response)

    def _silent(self) -> None:
        """Try the next target, and undo what the silent one may yet make of the INVITE."""
        self._patience = None
        self._give_up()
        if self._targets is not None and self._targets.failed():
            self._try()

    def _next_contact(self, outcome: Outcome) -> None:
        uri = self._redirects.next(outcome)
        if uri is None:
            self.outcome = outcome
            self._end(CallEnd.REFUSED)
            return
        self._draft.uri_text = uri.text
        self._targets = None
        # Credentials are for the trunk, not for whomever it names.
        away = self._redirects.elsewhere(uri, self._line)
        self._digest = DigestClient() if away else self._line.digest
        self._exchange = self._digest.exchange()
        self.start()

    def _enter(self, dialog: Dialog) -> None:
        if self._dialog is not None:
            self._host.leave(self._dialog)
        self._dialog = dialog
        self._host.join(self, dialog)

    def _not_answered(self) -> None:
        self._time_limit = None
        self.outcome = Outcome(408, "Not answered in time", local=True)
        self._give_up()
        self._end(CallEnd.REFUSED)

    def _abandon(self, end: CallEnd) -> None:
        self.outcome = Outcome(487, "Cancelled", local=True)
        self._give_up()
        self._end(end)

    def _hung_up(self) -> None:
        if self._phase is Phase.EARLY:
            self.outcome = Outcome(487, "Hung up before the answer", local=True)
        super()._hung_up()

    def _give_up(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandon()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_limit(self) -> None:
        if self._time_limit is not None:
            self._time_limit.cancel()
            self._time_limit = None

    def _released(self) -> None:
        super()._released()
        self._stop_waiting()
        self._stop_limit()
        self._give_up()
        self._listener = None
        self._line.calls -= 1
