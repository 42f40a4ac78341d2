"""The trunks in use: registered, pinged, and recognised in what comes in."""

from collections.abc import Callable, Iterator

from twisted.internet.defer import Deferred, DeferredList

from ivr.sip.address import Address
from ivr.sip.connection import PeerProof
from ivr.sip.exchange import ExchangeHost
from ivr.sip.line import Line
from ivr.sip.message import Request
from ivr.sip.registration import Registration
from ivr.sip.trunk import Trunk
from ivr.sip.watch import Watch

Proof = Callable[[Address], PeerProof | None]
"""Tells who the source of a message proved to be by TLS, None where it did not."""


class Trunks:
    """The lines of a user agent, by the names of their trunks.

    `on_change` hears of each change of a line's registration or state.
    """

    def __init__(
        self, host: ExchangeHost, on_change: Callable[[Line], object], proof: Proof
    ) -> None:
        self._host = host
        self._on_change = on_change
        self._proof = proof
        self._lines: dict[str, Line] = {}

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def use(self, trunk: Trunk) -> Line:
        """Register there and ping it, as it is configured; return what calls go over.

        Raise ValueError when another trunk of that name is in use.
        """
        line = self._lines.get(trunk.name)
        if line is not None:
            if line.trunk != trunk:
                raise ValueError(f"another trunk is called {trunk.name}")
            return line
        line = self._lines[trunk.name] = Line(trunk)

        def changed(_: object) -> None:
            self._on_change(line)

        if trunk.registers:
            line.registration = Registration(self._host, line, changed)
            line.registration.start()
        line.watch = Watch(self._host, line, changed)
        line.watch.start()
        return line

    def of(self, request: Request, source: Address) -> Line | None:
        """Return the line that a request came over, None for one from elsewhere.

        Told by our Contact there, which a registrar sends calls to, or by where the
        request came from; of a trunk that has to prove itself only when it did. Raise
        MalformedMessageError.
        """
        token = request.uri.param("line")
        proof = self._proof(source)
        for line in self._lines.values():
            if token is not None and token == line.token and line.trunk.is_proven_by(proof):
                return line
        for line in self._lines.values():
            if line.trunk.allows(source.host, proof):
                return line
        return None

    def unregister(self) -> Deferred[None]:
        """End all registrations and pings; fires when that was answered or given up."""
        stopped: list[Deferred[None]] = []
        for line in self._lines.values():
            if line.watch is not None:
                line.watch.close()
            if line.registration is not None:
                stopped.append(line.registration.stop())
        done: Deferred[None] = Deferred()
        DeferredList(stopped).addCallback(lambda _: done.callback(None))
        return done

    def close(self) -> None:
        """Cancel all timers at once."""
        for line in self._lines.values():
            if line.watch is not None:
                line.watch.close()
            if line.registration is not None:
                line.registration.close()
