"""A call from INVITE to BYE inside the test's process, so that each layer can be broken.

Real sockets, reactor, ledger and gateway; only SIP is handed over as bytes, and prompts are
two packets long.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor

from ivr.aio import deferred, future
from ivr.calls.cashier import CashDesk
from ivr.calls.debtor_call import Surroundings
from ivr.journey.questions import questions
from ivr.ledger.database import open_database
from ivr.ledger.debts import NewDebt
from ivr.ledger.events import Event
from ivr.ledger.schema import migrate
from ivr.ledger.writer import LedgerWriter
from ivr.media.clips import Clip, silence
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.settings import Settings
from ivr.vocabulary import EventType, Result, Step
from payment_gateway.interface import Gateway
from tests.calls.exchange import nobody, switchboard
from tests.end_to_end.debtor import AMOUNT, ASKED, REFERENCE, Answers
from tests.end_to_end.keypad_pcap import key_packets
from tests.fakes.speech import FakeLibrary, FakePrompt
from tests.sip.wire import Wire, request

reactor: Any = _reactor

_SECONDS = 20
_OFFER = """\
v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio {port} RTP/AVP 8 101\r
a=rtpmap:101 telephone-event/8000\r
"""


class ShortLibrary(FakeLibrary):
    """Says everything in 40 ms."""

    def prompt(self, language: str, step: str, moment: str, attempt: int = 1) -> FakePrompt:
        return FakePrompt(f"{step}.{moment}", silence(40))

    def amount(
        self, language: str, amount: int, currency: str, *, final: bool = True
    ) -> list[Clip]:
        return [silence(40)]


class WholeCall:
    """One caller of one node. Events are kept, and go on to the ledger."""

    def __init__(self, ledger: LedgerWriter, gateway: Gateway, settings: Settings) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self._ledger = ledger
        self._pressed = 0
        self._legs: list[MediaLeg] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.desk = CashDesk(reactor, ledger, gateway, deadline=30, statement_suffix="")
        around = Surroundings(
            clock=reactor,
            now=_now,
            events=self,
            debts=self,
            cash_desk=self.desk,
            library=ShortLibrary(),
            questions=questions(settings, date.today),
            phones=nobody(reactor),
        )
        node = MediaNode(
            reactor, Playout(reactor), PortPool(36000, 36998), "127.0.0.1", "127.0.0.1"
        )

        def open_leg(source: object) -> MediaLeg:
            self._legs.append(MediaLeg(node, "127.0.0.1"))
            return self._legs[-1]

        self._switchboard = switchboard(around, open_leg)
        self._wire = Wire(on_call=self._switchboard.offered)

    def record(self, event: Event) -> None:
        self._ledger.record(event)
        self.events.append(event)
        self._news.set()

    def find(self, reference: str) -> Any:
        found: Any = deferred(self._ledger.find_debt(reference))
        return found

    def call(self) -> None:
        """Be answered, and acknowledge."""
        uri = "sip:3000@127.0.0.1"
        offer = _OFFER.format(port=self._socket.getsockname()[1]).encode()
        answered = self._wire.receive(request(uri=uri, body=offer))[-1]
        self._wire.receive(request("ACK", uri=uri, to_tag=answered.to.tag, branch="z9hG4bKa"))

    async def answer(self, answers: Answers) -> None:
        """Key each answer at its step."""
        for step in ASKED:
            await self.enters(step)
            self.press(answers.to(step))

    def press(self, keys: str) -> None:
        """Send the telephone-events of `keys`, without the pauses."""
        packets = key_packets([(self._pressed, keys)], audio=False, gap_ms=100)
        self._pressed += 10
        for packet in packets:
            if packet.key is not None:
                self._socket.sendto(packet.to_bytes(7), ("127.0.0.1", self._legs[-1].port))

    async def enters(self, step: Step) -> None:
        """Wait until the journey has reached `step`."""
        await self._until(lambda event: (event.type, event.step) == (_ENTERED, step))

    async def result(self) -> Result:
        """Wait for the end of the transaction and of its charge."""
        ended = await self._until(lambda event: event.type is EventType.TRANSACTION_ENDED)
        await self.desk.idle()
        assert ended.detail.result is not None
        return ended.detail.result

    async def close(self) -> None:
        """End whatever goes on."""
        self._switchboard.hang_up_all()
        await self.desk.idle()
        await future(self._switchboard.idle())
        self._wire.agent.close()
        self._socket.close()

    async def _until(self, wanted: Any) -> Event:
        async with asyncio.timeout(_SECONDS):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._news.clear()
                await self._news.wait()


_ENTERED = EventType.STEP_ENTERED


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def whole_call(
    folder: Path, gateway: Gateway, settings: Settings | None = None
) -> AsyncIterator[WholeCall]:
    """Open a ledger in `folder` with the debt of `REFERENCE`, and a node for one call."""
    database = open_database(f"sqlite:///{folder / 'ledger.db'}")
    await migrate(database)
    ledger = LedgerWriter(database, "node", _now)
    await ledger.start()
    await ledger.add_debts([NewDebt(reference=REFERENCE, amount=AMOUNT, currency="EUR")])
    call = WholeCall(ledger, gateway, settings or Settings())
    try:
        yield call
    finally:
        await call.close()
        await ledger.close()
        await gateway.close()
        await database.close()
