"""The call to one agent's telephone.

calling ─ ringing ─ answered ─ over
   └─────────┴─ not answered: busy, no-answer, refused, unreachable
"""

from collections.abc import Callable

import structlog
from twisted.internet.defer import Deferred

from ivr.clock import Clock, DelayedCall
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import NotAcceptable
from ivr.media.sdp import SdpError
from ivr.sip.errors import NotAcceptableHereError
from ivr.sip.handler import CallEnd
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.outgoing_handler import OutgoingHandler

_log = structlog.get_logger(__name__)

NO_ANSWER = "no-answer"
REFUSED = "refused"
_WHY = {
    **dict.fromkeys((486, 600), "busy"),
    **dict.fromkeys((408, 480, 487), NO_ANSWER),
    **dict.fromkeys((404, 410, 484, 500, 502, 503, 504, 604), "unreachable"),
}
"""By the status that ended the call; any other is a refusal."""

Dial = Callable[[bytes, OutgoingHandler], OutgoingCall]
"""Makes a call with an offer, for a handler."""


def why_unanswered(call: OutgoingCall | None) -> str:
    """Return the word that says why nobody has answered."""
    outcome = None if call is None else call.outcome
    return REFUSED if outcome is None else _WHY.get(outcome.status, REFUSED)


def _nothing() -> None:
    """Nobody wants to know yet."""


class AgentCall:
    """One call to an agent; the handler of its SIP call. It owns `leg`.

    `settled` fires with "" when it is answered, and otherwise with why not.
    `on_end` is called when an answered call is over.
    """

    def __init__(self, clock: Clock, leg: MediaLeg, ring_for: float) -> None:
        self.settled: Deferred[str] = Deferred()
        self.on_end: Callable[[], object] = _nothing
        self.leg = leg
        leg.on_silence = self.hang_up
        self._clock = clock
        self._ring_for = ring_for
        self._call: OutgoingCall | None = None
        self._patience: DelayedCall | None = None
        self._why = ""
        self._over = False

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return not self._over

    def place(self, dial: Dial) -> None:
        """Begin to call. Raise what `dial` raises; the leg is closed then."""
        try:
            self._call = dial(self.leg.offer(), self)
        except BaseException:
            self._over = True
            self.leg.close()
            raise
        self._patience = self._clock.callLater(self._ring_for, self._not_answered)

    def hang_up(self) -> None:
        """End it, or give it up. Idempotent."""
        if self._call is not None and not self._over:
            self._call.hang_up()

    # The user agent calls:

    def ringing(self) -> None:
        """Let it ring."""

    def early_media(self, body: bytes) -> None:
        """Pass over what is heard before the answer: the debtor hears us meanwhile."""

    def answered(self, body: bytes) -> None:
        """Take the answer."""
        self._stop_waiting()
        try:
            self.leg.accept_answer(body)
        except (NotAcceptable, SdpError) as why:
            _log.warning("agent.answer-refused", why=str(why))
            self._why = REFUSED
            self.hang_up()
            return
        self.settled.callback("")

    def acknowledged(self, body: bytes) -> None:
        """Take the answer to an offer that a re-INVITE left to us."""
        try:
            if body:
                self.leg.accept_answer(body)
        except (NotAcceptable, SdpError) as why:
            _log.warning("agent.answer-refused", why=str(why))
            self.hang_up()

    def renegotiated(self, body: bytes) -> bytes:
        """Answer a re-INVITE."""
        try:
            return self.leg.answer(body) if body else self.leg.offer()
        except (NotAcceptable, SdpError) as why:
            raise NotAcceptableHereError(str(why)) from None

    def ended(self, end: CallEnd) -> None:
        """Free the media; say why nobody answered, or that it is over."""
        _log.debug("agent.call-ended", end=str(end))
        self._over = True
        self._stop_waiting()
        self.leg.close()
        if self.settled.called:
            self.on_end()
            return
        self.settled.callback(self._why or why_unanswered(self._call))

    def _not_answered(self) -> None:
        self._patience = None
        self._why = NO_ANSWER
        self.hang_up()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
