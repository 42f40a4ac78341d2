"""A debtor's call to us, from its INVITE to its last event.

offered ─ ringing (what was prepared is looked up) ─ answered ─ acknowledged: its course runs
        ─ hung up, by either

An INVITE may replace a call that stands (RFC 3891), an agent's who then leaves: it carries on
with that call's transaction.
"""

from ivr.calls.debtor_call import DebtorCall, Surroundings
from ivr.calls.phones import Origin
from ivr.media.leg import MediaLeg
from ivr.sip.call import IncomingCall


class InboundCall(DebtorCall):
    """One call to us; with `agent_first` an agent talks before the journey does."""

    def __init__(
        self,
        around: Surroundings,
        call: IncomingCall,
        leg: MediaLeg,
        language: str,
        origin: Origin,
        *,
        agent_first: bool = False,
    ) -> None:
        super().__init__(around, leg, language, origin)
        self.call = self._invite = call
        self._agent_first = agent_first
        self._body = b""

    def ring(self) -> None:
        """Ring. Raise `NotAcceptable` or `SdpError` when no codec is shared."""
        invite = self._invite
        self._body = self._describe(invite.offer)
        self._journal.call_started(
            caller=invite.caller, called=invite.called, sip_call_id=invite.id
        )
        invite.handler = self
        invite.ring()

    def answer(self) -> None:
        """Answer what rings."""
        if not self._ended:
            self._invite.answer(self._body)
