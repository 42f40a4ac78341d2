"""Client transactions for requests other than INVITE (RFC 3261 §17.1.2): BYE."""

import secrets
from collections.abc import Callable

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.message import Request, Response
from ivr.sip.server_transaction import Send
from ivr.sip.timers import Repetition
from ivr.sip.via import MAGIC_COOKIE

OnFinal = Callable[[Response | None], object]
"""Takes the final response, or None when 64·T1 brought none."""


def new_branch() -> str:
    """Return a branch no other transaction has."""
    return MAGIC_COOKIE + secrets.token_hex(12)


class ClientTransactions:
    """All non-INVITE client transactions of one user agent.

    A transaction is gone with its final response. Timer K would only keep
    copies of that response from the transaction user, and a response that
    belongs to no transaction is dropped anyway.
    """

    def __init__(self, clock: Clock, send: Send) -> None:
        self._clock = clock
        self._send = send
        self._running: dict[str, _Client] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, request: Request, to: Address, on_final: OnFinal) -> None:
        """Send `request`, whose top Via has a `new_branch()`, until it is answered."""
        key = f"{request.via.branch} {request.method}"
        data = request.render()

        def give_up() -> None:
            del self._running[key]
            on_final(None)

        repetition = Repetition(self._clock, lambda: self._send(data, to), give_up)
        self._running[key] = _Client(repetition, on_final)
        self._send(data, to)

    def response(self, response: Response) -> bool:
        """Take a response; return False when no transaction waits for it."""
        key = f"{response.via.branch} {response.cseq.method}"
        client = self._running.get(key)
        if client is None:
            return False
        if response.status < 200:
            client.repetition.slow_down()
            return True
        client.repetition.stop()
        del self._running[key]
        client.on_final(response)
        return True

    def close(self) -> None:
        """Stop all timers and forget everything; nobody is told."""
        for client in self._running.values():
            client.repetition.stop()
        self._running.clear()


class _Client:
    """One request under way."""

    __slots__ = ("on_final", "repetition")

    def __init__(self, repetition: Repetition, on_final: OnFinal) -> None:
        self.repetition = repetition
        self.on_final = on_final
