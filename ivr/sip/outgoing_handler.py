"""What the application sees of a call that it makes."""

from typing import Protocol

from ivr.sip.handler import CallHandler


class OutgoingHandler(CallHandler, Protocol):
    """The application's side of one outgoing call. What it raises ends the call.

    `ended` comes exactly once, also when nobody answered: `OutgoingCall.outcome`
    says why. `acknowledged` comes only for a re-INVITE that our 200 made an offer in.
    """

    def ringing(self) -> None:
        """Learn that it rings somewhere (180); once."""

    def early_media(self, body: bytes) -> None:
        """Take a session description that came before the answer (183).

        Another one, of another branch of a forked call, replaces it.
        """

    def answered(self, body: bytes) -> None:
        """Learn that the call was answered; `body` is the answer to our offer."""
