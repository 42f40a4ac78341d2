"""Deciding what each new call is, and keeping the live ones."""

from collections.abc import Callable, Mapping

import structlog
from twisted.internet.defer import Deferred, DeferredList

from ivr.calls.inbound import InboundCall, Surroundings
from ivr.media.leg import MediaLeg
from ivr.media.negotiation import NotAcceptable
from ivr.media.ports import NoPortLeft
from ivr.media.sdp import SdpError
from ivr.sip.admission import warning
from ivr.sip.call import IncomingCall

_log = structlog.get_logger(__name__)

_AGENT = "solde"  # the warn-agent of RFC 3261 §20.43


class Switchboard:
    """Answers calls to the payment numbers and refuses all others, saying why."""

    def __init__(
        self,
        around: Surroundings,
        languages: Mapping[str, str],
        open_leg: Callable[[IncomingCall], MediaLeg],
        retry_after: int,
    ) -> None:
        """`languages` is the language of each payment number, as it is dialled."""
        self._around = around
        self._languages = languages
        self._open_leg = open_leg
        self._retry_after = retry_after
        self._live: set[InboundCall] = set()

    def offered(self, call: IncomingCall) -> None:
        """Take or refuse a new call."""
        language = self._languages.get(call.called)
        if language is None:
            call.reject(404, headers=(warning(_AGENT, "no such payment number"),))
            return
        try:
            leg = self._open_leg(call)
        except NoPortLeft:
            _log.error("call.refused", why="no RTP port is left: media.first_port, last_port")
            call.reject(503, headers=(("Retry-After", str(self._retry_after)),))
            return
        inbound = InboundCall(self._around, call, leg, language)
        try:
            inbound.answer()
        except (NotAcceptable, SdpError) as why:
            leg.close()
            call.reject(488, headers=(warning(_AGENT, str(why)),))
            return
        self._live.add(inbound)
        inbound.over.addCallback(lambda _: self._live.discard(inbound))

    def hang_up_all(self) -> None:
        """End every call at once."""
        for inbound in list(self._live):
            inbound.hang_up()

    def idle(self) -> Deferred[None]:
        """Fire when every call of now is over."""
        waiting = [self._when_over(inbound) for inbound in self._live]
        return DeferredList(waiting).addCallback(lambda _: None)

    @staticmethod
    def _when_over(inbound: InboundCall) -> Deferred[None]:
        over: Deferred[None] = Deferred()
        inbound.over.addCallback(over.callback)
        return over
