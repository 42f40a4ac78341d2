"""A small telephone exchange for the demo: extensions, and an outside line to Solde.

It stands for the company's own PBX, in a process of its own, and is told what to do by JSON
lines as the phone is. Extensions register; who dials one is connected to it; every other
number goes to the outside line. `transfer` is a blind transfer as most exchanges make it: the
extension is let go, and a new call to the target takes its place.

    {"do": "transfer", "from": "200", "to": "sip:t-…@127.0.0.1:5060"}
    {"do": "quit"}

The events are `ready` (with `port`), `connected`, `transferred`, `ended` and `error`.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

import click
from twisted.internet import asyncioreactor
from twisted.internet.main import installReactor

from ivr.demo.phone_desk import report
from ivr.media.bridge import Bridge
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.negotiation import NotAcceptable
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.sdp import SdpError
from ivr.sip import (
    Address,
    CallEnd,
    IncomingCall,
    NotAcceptableHereError,
    OutgoingCall,
    Registrar,
    UserAgent,
    listen,
)

_HOST = "127.0.0.1"


class Party:
    """One of the two sides of a connection, and its media."""

    def __init__(self, connection: "Connection", leg: MediaLeg) -> None:
        self.leg = leg
        self.call: IncomingCall | OutgoingCall | None = None
        self._connection = connection

    def ringing(self) -> None:
        """Let the caller hear that it rings."""
        self._connection.ringing()

    def early_media(self, body: bytes) -> None:
        """Wait for the answer."""

    def answered(self, body: bytes) -> None:
        """Join the two."""
        self.leg.accept_answer(body)
        self._connection.joined(self)

    def acknowledged(self, body: bytes) -> None:
        """Nothing follows."""

    def renegotiated(self, body: bytes) -> bytes:
        """Answer a hold, or whatever else is asked for."""
        try:
            return self.leg.answer(body) if body else self.leg.offer()
        except (NotAcceptable, SdpError) as why:
            raise NotAcceptableHereError(str(why)) from None

    def ended(self, end: CallEnd) -> None:
        """Let the other go, too."""
        self.leg.close()
        self._connection.left(self, end)

    def hang_up(self) -> None:
        """End this side."""
        if self.call is not None:
            self.call.hang_up()


class Connection:
    """A caller, and whoever they are connected to now."""

    def __init__(self, pbx: "Pbx", call: IncomingCall) -> None:
        self._pbx = pbx
        self._call = call
        self._bridge: Bridge | None = None
        self._callee: Party | None = None
        self._caller = Party(self, pbx.leg())
        self._caller.call = call
        call.handler = self._caller
        self.extension = ""
        self._answered = False

    def connect(self, number: str) -> None:
        """Call `number`, an extension, a URI, or something outside."""
        callee = Party(self, self._pbx.leg())
        self._callee = callee
        self.extension = number
        callee.call = self._pbx.dial(number, callee)

    def transfer(self, target: str) -> None:
        """Let the callee go, and call `target` in its place."""
        before = self._callee
        self._part()
        self.connect(target)
        if before is not None:
            before.hang_up()
        report("transferred")

    def ringing(self) -> None:
        """Let the caller hear that it rings."""
        if not self._answered:
            self._call.ring()

    def joined(self, callee: Party) -> None:
        """Answer the caller, the first time, and let the two speak."""
        if callee is not self._callee:
            return
        if not self._answered:
            self._answered = True
            self._call.answer(self._caller.leg.answer(self._call.offer))
        self._bridge = Bridge(self._caller.leg, callee.leg)
        report("connected")

    def left(self, party: Party, _end: CallEnd) -> None:
        """End the connection when one of the two has gone, and not to be replaced."""
        if party is self._caller:
            self._pbx.forget(self)
            if self._callee is not None:
                self._callee.hang_up()
            report("ended")
        elif party is self._callee:
            self._part()
            if self._answered:
                self._caller.hang_up()
            else:
                self._call.reject(480)

    def _part(self) -> None:
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


class Pbx:
    """The exchange. `users` are passwords by extension, `outside` is `host:port`."""

    def __init__(self, reactor: Any, users: dict[str, str], outside: str) -> None:
        transport, self.listener, self.address = listen(reactor, Address(_HOST, 0))
        self._node = MediaNode(reactor, Playout(reactor), PortPool(38000, 39998), _HOST, _HOST)
        self._registrar = Registrar(reactor, "pbx", users)
        self._outside = outside
        self._connections: list[Connection] = []
        self._agent = UserAgent(
            reactor,
            transport,
            local=self.address,
            on_call=self._offered,
            registrar=self._registrar,
        )
        transport.received = self._agent.datagram_received

    def leg(self) -> MediaLeg:
        """Open a leg for one side."""
        return MediaLeg(self._node, _HOST)

    def dial(self, number: str, party: Party) -> OutgoingCall:
        """Call an extension where it has registered, a URI, or a number outside."""
        bindings = self._registrar.bindings(number)
        caller = f"<sip:pbx@{self.address.host}:{self.address.port}>"
        if bindings:
            target, hop = bindings[0].uri.text, bindings[0].source
        else:
            target = number if ":" in number else f"sip:{number}@{self._outside}"
            hop = None
        return self._agent.call(
            target, party.leg.offer(), handler=party, hop=hop, caller=caller
        )

    def transfer(self, extension: str, target: str) -> None:
        """Transfer who speaks with `extension` to `target`. Raise `ValueError` for nobody."""
        for connection in self._connections:
            if connection.extension == extension:
                connection.transfer(target)
                return
        raise ValueError(f"nobody speaks with {extension}")

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended."""
        self._connections.remove(connection)

    def close(self) -> None:
        """End all calls."""
        self._agent.close()

    def _offered(self, call: IncomingCall) -> None:
        connection = Connection(self, call)
        self._connections.append(connection)
        connection.connect(call.called)


@click.command()
@click.option("--outside", required=True, metavar="HOST:PORT", help="Where other numbers go.")
@click.option(
    "--passwords-env", required=True, metavar="NAME", help="The variable: JSON, by extension."
)
def main(outside: str, passwords_env: str) -> None:
    """Be an exchange: commands on standard input, events on standard output."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    reactor: Any = asyncioreactor.AsyncioSelectorReactor(loop)
    reactor.seconds = time.monotonic
    installReactor(reactor)  # type: ignore[no-untyped-call] # Twisted's own gap
    pbx = Pbx(reactor, json.loads(os.environ[passwords_env]), outside)

    async def serve() -> None:
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        report("ready", port=pbx.address.port)
        async for line in lines:
            command = json.loads(line)
            if command["do"] == "quit":
                break
            try:
                pbx.transfer(command["from"], command["to"])
            except (KeyError, ValueError) as error:
                report("error", do=command.get("do"), reason=str(error))
        pbx.close()
        reactor.stop()

    serving: list[asyncio.Task[None]] = []
    reactor.callLater(0, lambda: serving.append(loop.create_task(serve())))
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
