"""Reliable provisional responses (RFC 3262), on the side that sends them and the other.

send() ──► repeated from T1 on, doubling ──► PRACK ──► the next one
                    └── 64·T1 ──► given up
"""

import secrets
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ivr.clock import Clock
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import to_int
from ivr.sip.message import CSEQ_LIMIT, Request, Response
from ivr.sip.responder import HeaderLines
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.timers import GIVE_UP, Repetition

OPTION = "100rel"
_RSEQ_LIMIT = 2**32


class _Provisional(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ReliableResponses:
    """The provisional responses to one INVITE, each sent until its PRACK (§3)."""

    __slots__ = (
        "_clock",
        "_cseq",
        "_give_up",
        "_queue",
        "_repetition",
        "_rseq",
        "_transaction",
        "_waiting",
    )

    def __init__(
        self,
        clock: Clock,
        invite: Request,
        transaction: ServerTransaction,
        give_up: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._cseq = invite.cseq.number
        self._transaction = transaction
        self._give_up: Callable[[], object] | None = give_up
        self._rseq = secrets.randbelow(2**31 - 2**10) + 1
        self._queue: deque[_Provisional] = deque()
        self._repetition: Repetition | None = None
        self._waiting = False

    @property
    def describes(self) -> bool:
        """Whether one with a session description waits for its PRACK, or to be sent."""
        return any(one.body for one in self._queue)

    def send(self, status: int, headers: HeaderLines, body: bytes) -> None:
        """Send a response, or later: before the PRACK of one no other is sent."""
        self._queue.append(_Provisional(status, tuple(headers), body))
        if len(self._queue) == 1:
            self._send_first()

    def acknowledged(self, prack: Request) -> bytes | None:
        """Take a PRACK; return the body of what it acknowledges, None when that is nothing.

        Raise MalformedMessageError when its RAck is none. Call `go_on` afterwards.
        """
        if not self._waiting or _rack(prack) != (self._rseq, self._cseq, "INVITE"):
            return None
        self._waiting = False
        if self._repetition is not None:
            self._repetition.stop()
            self._repetition = None
        return self._queue.popleft().body if self._queue else b""

    def go_on(self) -> None:
        """Send what waited for the PRACK."""
        if self._queue and not self._waiting:
            self._send_first()

    def stop(self) -> None:
        """Send nothing any more: there is a final response. Its PRACK may still come."""
        if self._repetition is not None:
            self._repetition.stop()
        self._repetition = self._give_up = None
        self._queue.clear()

    def _send_first(self) -> None:
        give_up = self._give_up
        if give_up is None:
            return
        first = self._queue[0]
        self._rseq += 1
        self._waiting = True
        lines = (*first.headers, ("Require", OPTION), ("RSeq", str(self._rseq)))
        self._repetition = Repetition(
            self._clock, self._transaction.repeat, give_up, longest=GIVE_UP
        )
        self._transaction.respond(first.status, headers=lines, body=first.body)


class ReliableReceiver:
    """The provisional responses of one early dialog, in their order (§4)."""

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest: int | None = None

    def take(self, response: Response) -> str | None:
        """Return the RAck of the PRACK that a response wants.

        None when it is not reliable, came before already, or came before its time: then
        it is repeated. Raise MalformedMessageError when its RSeq is none.
        """
        if OPTION not in response.headers.values("Require"):
            return None
        rseq = to_int(response.headers.get("RSeq"), _RSEQ_LIMIT)
        if rseq is None:
            raise MalformedMessageError("Malformed RSeq header field")
        if self._highest is not None and rseq != self._highest + 1:
            return None
        self._highest = rseq
        return f"{rseq} {response.cseq.number} {response.cseq.method}"


def _rack(prack: Request) -> tuple[int, int, str]:
    parts = prack.headers.get("RAck").split()
    if len(parts) == 3:
        rseq, cseq = to_int(parts[0], _RSEQ_LIMIT), to_int(parts[1], CSEQ_LIMIT)
        if rseq is not None and cseq is not None:
            return rseq, cseq, parts[2]
    raise MalformedMessageError("Malformed RAck header field")
