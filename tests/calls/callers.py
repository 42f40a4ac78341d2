"""Debtors who call, key, wait, hang up: each with a telephone's signalling and its media.

Their plans are told by the step that their journey enters; their packets are real.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ivr.ledger.events import Event
from ivr.media.rtp import RtpPacket
from ivr.media.telephone_event import encode_press
from ivr.sip import Address, CallEnd, CallStateError, OutgoingCall, UserAgent
from ivr.sip.transfer import TransferResult
from ivr.vocabulary import EventType, Step
from tests.media.harness import ManualReactor, Phone
from tests.sip.test_day_of_calls import Network

KEYS = {
    Step.REFERENCE: "20261234",
    Step.AMOUNT: "1",
    Step.READY: "#",
    Step.CARD_NUMBER: "4242424242424242",
    Step.EXPIRATION_DATE: "1230",
    Step.SECURITY_CODE: "123",
    Step.CONFIRM: "1",
}
SERVER = Address("127.0.0.1", 5060)
_SIGN_OF_LIFE = 2.0
_ONE_IN = 64
"""Where telephone-events were agreed the kernel lets the packets of these numbers through."""


@dataclass
class Plan:
    """What one caller does; `at` is the step where it happens, None for never."""

    name: str
    at: Step | None = None
    do: "Callable[[Caller], object] | None" = None
    number: str = "3000"
    codec: str = "8"
    talks: bool = True
    keys: dict[Step, str] = field(default_factory=lambda: KEYS)


class Lines(Network):
    """The network of the day; who has lost it is neither heard nor told anything."""

    def __init__(self, reactor: ManualReactor, dice: random.Random, loss: float) -> None:
        super().__init__(reactor, dice, loss)
        self.cut: set[bytes] = set()

    def _carry(self, data: bytes, source: Address, to: Address) -> None:
        if not any(call_id in data for call_id in self.cut):
            super()._carry(data, source, to)


class Caller:
    """One call of a debtor, and the handler of its telephone's side."""

    def __init__(
        self, town: "Town", number: int, plan: Plan, headers: list[tuple[str, str]]
    ) -> None:
        self.plan = plan
        self.town = town
        self.ends: list[CallEnd] = []
        self.phone = Phone()
        self.transfers: list[TransferResult] = []
        self._remote_port = 0
        self._sequence = 0
        self.call: OutgoingCall = town.agent.call(
            f"sip:{plan.number}@127.0.0.1",
            self._offer("sendrecv"),
            handler=self,
            caller=f"<sip:+339{number:06}@127.0.0.1>",
            hop=SERVER,
            headers=headers,
        )
        if plan.at is None and plan.do is not None:
            plan.do(self)

    # The telephone:

    def ringing(self) -> None:
        pass

    def early_media(self, body: bytes) -> None:
        pass

    def answered(self, body: bytes) -> None:
        self._remote_port = int(body.split(b"m=audio ")[1].split()[0])
        if self.plan.talks:
            self._talk()

    def acknowledged(self, body: bytes) -> None:
        pass

    def renegotiated(self, body: bytes) -> bytes:
        return self._offer("sendrecv")

    def ended(self, end: CallEnd) -> None:
        self.ends.append(end)
        self.phone.socket.close()

    # The debtor:

    def heard(self, event: Event) -> None:
        """Learn what the server's side of the call has come to."""
        if event.type is not EventType.STEP_ENTERED or event.step is None:
            return
        later = self.town.later
        if event.step is self.plan.at and self.plan.do is not None:
            later(0.3, self.plan.do, self)
        for place, key in enumerate(self.plan.keys.get(event.step, "")):
            later(0.5 + 0.25 * place, self._press, key)

    def hang_up(self) -> None:
        self.call.hang_up()

    def hold(self) -> None:
        """Hold the call for a while."""
        self._offer_again("sendonly")
        self.town.later(8.0, self._offer_again, "sendrecv")

    def vanish(self) -> None:
        """Hold the call, and lose the network: only signalling can tell that we are gone."""
        self._offer_again("inactive")
        self.town.later(8.0, self.town.lines.cut.add, self.call.id.encode())

    def lose_network_at_once(self) -> None:
        self.town.later(0.005, self.town.lines.cut.add, self.call.id.encode())

    def fall_silent(self) -> None:
        self.plan.talks = False

    def transfer(self) -> None:
        """Ask the server to call somebody else: it does not."""
        with suppress(CallStateError):
            self.call.transfer("sip:other@127.0.0.1").addCallback(self.transfers.append)

    def move(self) -> None:
        """Take the call over with another telephone."""
        if self.call.live:
            call_id, ours, theirs = self.call.dialog.id
            replaced = f"{call_id};to-tag={theirs};from-tag={ours}"
            self.town.make(Plan("paid"), [("Replaces", replaced)])

    # Inside:

    def _offer(self, direction: str) -> bytes:
        offer = self.phone.offer(f"a={direction}")
        return offer.replace(b"AVP 8", b"AVP " + self.plan.codec.encode())

    def _offer_again(self, direction: str) -> None:
        if self.call.live:
            self.call.renegotiate(lambda: self._offer(direction)).addErrback(lambda _: None)

    def _talk(self) -> None:
        if self.ends or not self.plan.talks:
            return
        self._sequence += _ONE_IN - self._sequence % _ONE_IN
        self._send(RtpPacket(8, self._sequence & 0xFFFF, self._now, 5, bytes(160)).pack())
        self.town.later(_SIGN_OF_LIFE, self._talk)

    def _press(self, key: str) -> None:
        if self.ends or not self.plan.talks:
            return
        packets = encode_press(
            key,
            payload_type=101,
            ssrc=5,
            sequence=self._sequence + 1 & 0xFFFF,
            timestamp=self._now,
        )
        self._sequence += len(packets)
        for packet in packets:
            self._send(packet)

    @property
    def _now(self) -> int:
        return int(self.town.reactor.seconds() * 8000) & 0xFFFFFFFF

    def _send(self, packet: bytes) -> None:
        self.phone.send(packet, self._remote_port)
        self.town.reactor.read(1)


class Town:
    """All callers, behind one telephone system."""

    def __init__(self, reactor: ManualReactor, lines: Lines) -> None:
        self.reactor = reactor
        self.lines = lines
        self.callers: list[Caller] = []
        self._by_number: dict[str, Caller] = {}
        self._by_call: dict[str, Caller] = {}
        local = Address("127.0.0.1", 5070)
        self.agent = UserAgent(
            reactor, lines.socket(local), local=local, on_call=lambda call: call.reject(486)
        )
        lines.plug(self.agent)

    def later(self, seconds: float, what: Callable[..., object], *args: Any) -> None:
        self.reactor.callLater(seconds, what, *args)

    def make(self, plan: Plan, headers: list[tuple[str, str]] | None = None) -> None:
        number = len(self.callers)
        caller = Caller(self, number, plan, headers or [])
        self.callers.append(caller)
        self._by_number[f"+339{number:06}"] = caller

    def heard(self, event: Event) -> None:
        """Tell a caller what has become of the call."""
        if event.call_id is None:
            return
        if event.type is EventType.CALL_STARTED:
            self._by_call[event.call_id] = self._by_number[event.detail.caller or ""]
        self._by_call[event.call_id].heard(event)
