"""Each change of a trunk is told once, in the words of the ledger."""

from datetime import UTC, datetime

import pytest

from ivr.calls.trunk_journal import TrunkJournal
from ivr.ledger.events import Event
from ivr.sip import Address, Credentials, Request
from ivr.sip.trunk import Trunk
from tests.sip.callee import reply
from tests.sip.wire import Wire

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PBX = Address("192.0.2.20", 5060)


class Told:
    """A user agent with one trunk, what is told of it, and a peer that the test plays."""

    def __init__(self, *, registers: bool, ping_interval: float) -> None:
        self.events: list[Event] = []
        self.wire = Wire(on_line=TrunkJournal(self, lambda: NOW).changed)
        credentials = (Credentials("1001", "s3cret"),)
        line = self.wire.agent.trunks.use(
            Trunk(
                "pbx",
                PBX.host,
                credentials=credentials,
                registers=registers,
                ping_interval=ping_interval,
            )
        )
        if line.registration is not None:
            line.registration._below = lambda _: 0

    def record(self, event: Event) -> None:
        self.events.append(event)

    @property
    def words(self) -> list[tuple[str, str | None]]:
        assert {event.detail.trunk for event in self.events} <= {"pbx"}
        return [(event.type.value, event.detail.reason) for event in self.events]

    def answer(self, status: int, *headers: str) -> None:
        """Answer all that was asked."""
        for asked in self.wire.take():
            assert isinstance(asked, Request)
            self.wire.agent.datagram_received(reply(asked, status, *headers), PBX)

    def silent_for(self, seconds: int) -> None:
        for _ in range(2 * seconds):
            self.wire.clock.advance(0.5)
        self.wire.take()


def test_a_trunk_that_answers_is_up_until_it_is_silent_and_up_again_when_it_answers() -> None:
    told = Told(registers=False, ping_interval=60)
    told.wire.clock.advance(0.25)
    told.answer(200)
    assert told.words == [("trunk.up", None)]
    assert told.events[0].detail.round_trip == 0.25
    told.silent_for(300)
    assert told.words[1:] == [("trunk.down", "no-answer")]
    for _ in range(10):
        told.wire.clock.advance(11)
        told.answer(200)
    assert told.words[2:] == [("trunk.up", None)]


def test_a_trunk_that_says_503_is_down() -> None:
    told = Told(registers=False, ping_interval=60)
    for _ in range(5):
        told.answer(503)
        told.wire.clock.advance(11)
    assert told.words == [("trunk.down", "sip-503")]


def test_a_registration_is_told_when_it_is_granted_refused_and_ended() -> None:
    told = Told(registers=True, ping_interval=0)
    assert told.words == []
    contact = "Contact: <sip:1001@192.0.2.1>;expires=600"
    told.answer(200, contact)
    assert told.words == [("trunk.registered", None)]
    told.wire.clock.advance(450)
    told.answer(200, contact)
    assert len(told.words) == 1
    told.wire.clock.advance(450)
    told.answer(403)
    assert told.words[1:] == [("trunk.unregistered", "sip-403")]
    told.wire.clock.advance(1800)
    told.answer(200, contact)
    told.wire.agent.close()
    assert told.words[2:] == [("trunk.registered", None), ("trunk.unregistered", None)]


@pytest.mark.parametrize("status", [403, 500])
def test_a_registration_that_never_succeeded_is_told_once(status: int) -> None:
    told = Told(registers=True, ping_interval=0)
    for _ in range(3):
        told.answer(status)
        told.wire.clock.advance(1800)
    told.wire.agent.close()
    assert told.words == [("trunk.unregistered", f"sip-{status}")]


def test_a_trunk_that_was_never_registered_anywhere_is_not_told_of() -> None:
    told = Told(registers=True, ping_interval=0)
    told.wire.agent.close()
    assert told.words == []
