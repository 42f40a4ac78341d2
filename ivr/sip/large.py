"""Requests too large for a datagram go over TCP (RFC 3261 §18.1.1)."""

from ivr.clock import Clock
from ivr.sip.address import Address, Transport
from ivr.sip.identity import Identity
from ivr.sip.message import Request

LARGEST_DATAGRAM = 1300
"""Bytes of a request that go over UDP though nobody knows the path's MTU."""
WITHOUT_TCP = 600.0
"""Seconds for which a target that did not take our connection gets datagrams."""
_TARGETS = 1024


class LargeRequests:
    """Moves a request from UDP to TCP, and back when the target takes no connection."""

    def __init__(self, clock: Clock, identity: Identity) -> None:
        self._clock = clock
        self._identity = identity
        self._without: dict[Address, float] = {}

    def move(self, request: Request, to: Address, size: int) -> Address:
        """Return where a request of `size` bytes goes; its Via says over what."""
        if to.transport is not Transport.UDP or size <= LARGEST_DATAGRAM:
            return to
        if self._without.get(to, 0) > self._clock.seconds():
            return to
        return self._over(request, to, Transport.TCP)

    def move_back(self, request: Request, to: Address) -> Address:
        """Return where a request goes that `move` moved to `to`, in vain."""
        datagrams = self._over(request, to, Transport.UDP)
        if len(self._without) >= _TARGETS:
            del self._without[next(iter(self._without))]
        self._without[datagrams] = self._clock.seconds() + WITHOUT_TCP
        return datagrams

    def _over(self, request: Request, to: Address, transport: Transport) -> Address:
        moved = to._replace(transport=transport)
        request.replace_via(self._identity.via(moved, request.via.branch))
        return moved
