"""A debtor whom we call, because whoever has called us asks for it by REFER (RFC 3515, 5589).

An agent calls us, and then transfers that call to the debtor: we call the debtor's side, taking
the place of the agent's own call with them where Refer-To has a Replaces.
"""

from collections.abc import Callable
from dataclasses import replace

import structlog

from ivr.calls.debtor_call import DebtorCall, Surroundings
from ivr.calls.phones import Origin
from ivr.ledger.details import Direction
from ivr.media.leg import MediaLeg
from ivr.media.ports import NoPortLeft
from ivr.sip.errors import CallStateError, MalformedMessageError
from ivr.sip.handler import CallEnd
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.referral import Referral

_log = structlog.get_logger(__name__)

Admit = Callable[["FetchedCall"], object]
"""Keeps a call that is made."""


class FetchedCall(DebtorCall):
    """The call to the debtor; it carries on with the transaction of `former` once answered."""

    def __init__(
        self,
        around: Surroundings,
        leg: MediaLeg,
        language: str,
        origin: Origin,
        former: DebtorCall,
        referral: Referral,
    ) -> None:
        debtor = replace(origin, caller=referral.target.uri.called)
        super().__init__(around, leg, language, debtor)
        self._former = former
        self._referral = referral
        self._fetched: OutgoingCall | None = None
        self._answered = False

    def fetch(self) -> None:
        """Call. Raise MalformedMessageError, CallStateError or ValueError."""
        target = self._referral.target.uri
        headers = []
        replaces = self._referral.replaces
        if replaces is not None:
            tags = f";to-tag={replaces.to_tag or 0};from-tag={replaces.from_tag or 0}"
            headers.append(("Replaces", replaces.call_id + tags))
        by = self._referral.request.headers.get("Referred-By")
        if by:
            headers.append(("Referred-By", by))
        self.call = self._fetched = self._around.phones.agent.call(
            target.text.partition("?")[0],
            self._leg.offer(),
            handler=self,
            trunk=self._origin.trunk,
            headers=headers,
        )
        self._journal.call_started(
            caller=self._former.origin.caller,
            called=target.called,
            sip_call_id=self._fetched.id,
            direction=Direction.OUTBOUND,
        )
        # Whoever has asked for it may hang up at once.
        self._former.wait_for_successor(wait=True)

    def ringing(self) -> None:
        """Tell who has asked for it."""
        self._referral.progress(180)

    def early_media(self, body: bytes) -> None:
        """Pass over what is heard before the answer."""

    def answered(self, body: bytes) -> None:
        """Speak to the debtor, and let go of whoever has asked for it."""
        if not self._follow(body):
            return
        self._answered = True
        self._former.yield_to(self, "by-refer")
        self._referral.finish(200)
        self._begin()
        self._former.hang_up()

    def ended(self, end: CallEnd) -> None:
        """Tell who has asked for it why nobody has answered."""
        if not self._answered:
            self._former.wait_for_successor(wait=False)
            outcome = None if self._fetched is None else self._fetched.outcome
            self._referral.finish(max(outcome.status, 400) if outcome is not None else 503)
        super().ended(end)


def fetch(
    around: Surroundings, former: DebtorCall, language: str, referral: Referral, admit: Admit
) -> None:
    """Do what a REFER asks, or refuse it: nobody is called but at the side that asks."""
    origin = former.origin
    own = {origin.source.host}
    if origin.trunk is not None:
        own.add(origin.trunk.home().host.strip("[]").lower())
    target = referral.target.uri
    if referral.method != "INVITE" or target.host.strip("[]").lower() not in own:
        _log.warning("referral.refused", host=target.host)
        referral.refuse(403)
        return
    try:
        leg = around.phones.open_leg(origin.source.host, origin.trunk)
    except (NoPortLeft, OSError):
        referral.refuse(503)
        return
    fetched = FetchedCall(around, leg, language, origin, former, referral)
    try:
        fetched.fetch()
    except (MalformedMessageError, CallStateError, ValueError) as why:
        _log.warning("referral.refused", why=str(why))
        leg.close()
        referral.refuse(400)
        return
    admit(fetched)
