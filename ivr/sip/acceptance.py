"""A 200 to an INVITE on its way (RFC 3261 §13.3.1.4)."""

from collections.abc import Callable

from ivr.clock import Clock
from ivr.sip.message import Request
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.timers import Repetition


class Acceptance:
    """A 200 to an INVITE, repeated until its ACK comes; calls `give_up` after 32 s.

    `cseq` is what the ACK will carry, `wants_answer` whether the 200 makes an
    offer, `left` whether any copy could leave this machine.
    """

    __slots__ = ("_repetition", "_transaction", "cseq", "left", "wants_answer")

    def __init__(
        self,
        clock: Clock,
        invite: Request,
        transaction: ServerTransaction,
        give_up: Callable[[], None],
    ) -> None:
        self.cseq = invite.cseq.number
        self.wants_answer = not invite.body
        self.left = False
        self._transaction = transaction
        self._repetition = Repetition(clock, self._repeat, give_up)

    def stop(self) -> None:
        """Repeat no more: the ACK is here, or the call is over."""
        self._repetition.stop()
        self._transaction.settle()

    def _repeat(self) -> None:
        self.left = self._transaction.repeat() or self.left
