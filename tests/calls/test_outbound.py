"""The agent has the debtor called: first the agent's phone rings, then the debtor's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from ivr.calls.phones import Phones
from ivr.ledger.commands import Command
from ivr.ledger.details import Direction
from ivr.media.leg import MediaLeg
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Result, Step
from tests.calls.desk import ANNA
from tests.calls.exchange import OFFER
from tests.calls.led import Led
from tests.fakes.speech import FakeLibrary, FakePrompt

DONE, NOT_NOW = CommandOutcome.DONE, CommandOutcome.NOT_NOW
UNAVAILABLE = CommandOutcome.AGENT_UNAVAILABLE
NUMBER = "+33199000001"


class Out(Led):
    """A node that is told to call; `outcomes` are what came of it."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.opened: list[MediaLeg] = []
        super().__init__(*given, **more)
        self.outcomes: list[CommandOutcome] = []

    def phones(self) -> Phones:
        self.calling = super().phones()
        return self.calling

    def _agent_leg(self, host: str | None) -> MediaLeg:
        self.opened.append(super()._agent_leg(host))
        return self.opened[-1]

    def call(self, **more: Any) -> None:
        data = {"phone": "1001", "agent": ANNA, "number": NUMBER, "language": "fr"}
        data |= {"call": "call-out", "transaction": "tx-out", **more}
        now = datetime.now(UTC)
        command = Command(
            7, CommandType.CALL, None, None, "node", data, "user:anna", now, now, None, None
        )
        done = self.switchboard.command(command)
        assert isinstance(done, Deferred)
        done.addCallback(self.outcomes.append)
        self.look()

    def agent_takes_it(self) -> None:
        self.agent_answers()
        self.agents_invite = self.last_but_one()

    def last_but_one(self) -> Any:
        self.look()
        return [m for m in self.sent if getattr(m, "method", "") == "INVITE"][-2]

    def debtor_hears(self, status: int) -> None:
        self.agent_hears(status, OFFER if status == 200 else b"")

    def connected(self, **more: Any) -> None:
        self.call(**more)
        self.agent_takes_it()
        self.debtor_hears(180)
        self.debtor_hears(200)

    def hangs_up(self, invite: Any) -> None:
        """Let whoever was called by `invite` hang up."""
        kept, self.last = self.last, lambda method="INVITE": invite  # type: ignore[method-assign]
        self.agent_hangs_up()
        self.last = kept  # type: ignore[method-assign]


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[Out]:
    out = Out(36800)
    monkeypatch.setattr("ivr.calls.capture_desk.prove", out.prove)
    yield out
    out.nothing_is_left()


def test_the_agent_is_called_first_and_then_the_debtor(out: Out) -> None:
    out.call()
    assert out.last().uri.called == "1001"
    assert NUMBER not in str(out.last().uri.text)
    assert not out.outcomes
    assert not out.events
    out.agent_takes_it()
    assert out.outcomes == [DONE]
    assert out.last().uri.called == NUMBER
    [started] = out.events
    assert (started.type, started.call_id) == (EventType.CALL_STARTED, "call-out")
    assert started.detail.direction is Direction.OUTBOUND
    assert (started.detail.caller, started.detail.called) == ("1001", NUMBER)
    out.debtor_hears(200)
    assert out.types[1:] == [
        EventType.CALL_ANSWERED,
        EventType.TRANSACTION_CREATED,
        EventType.STEP_ENTERED,
        EventType.AGENT_CONNECTED,
    ]
    assert {e.transaction_id for e in out.events[2:]} == {"tx-out"}
    assert out.events[-1].detail.agent == ANNA
    assert out.talking
    out.hangs_up(out.last())


def test_a_card_is_keyed_as_in_any_call(out: Out) -> None:
    out.connected(reference="20261234", amount=900)
    [told] = [e.detail for e in out.events if e.type is EventType.TRANSACTION_IDENTIFIED]
    assert (told.debt_id, told.amount) == ("debt", 900)
    assert out.start() == [DONE]
    # The debtor's leg was opened first.
    out.legs = out.opened[:1]
    out.key_card()
    assert out.complete() is DONE
    assert [money.amount for _, money, _ in out.cashier.charged] == [900]
    assert out.results == [Result.SUCCESS]
    out.hangs_up(out.agents_invite)
    assert out.said[-1] == "agent.good-bye"
    out.listen(4)


def test_handed_over_the_debtor_goes_on_alone(out: Out) -> None:
    out.connected(reference="20261234")
    assert out.hand_over() is DONE
    assert out.said[-1] == "welcome.handed-over"
    assert out.steps[-1] is Step.WELCOME
    out.hangs_up(out.last())
    assert out.results == [Result.CALLER_HUNG_UP]


@pytest.mark.parametrize(
    ("status", "word"), [(486, "busy"), (480, "no-answer"), (404, "unreachable")]
)
def test_an_agent_hears_that_the_debtor_does_not_answer(
    out: Out, status: int, word: str
) -> None:
    out.call()
    out.agent_takes_it()
    out.debtor_hears(status)
    assert out.types == [EventType.CALL_STARTED, EventType.CALL_ENDED]
    assert out.events[-1].detail.reason == word
    out.listen(3)
    assert out.last("BYE").call_id == out.agents_invite.call_id


def test_a_debtor_who_lets_it_ring_is_given_up(out: Out) -> None:
    out.call()
    out.agent_takes_it()
    out.debtor_hears(180)
    out.listen(26)
    assert out.last("CANCEL").call_id == out.last().call_id
    out.debtor_hears(487)
    assert out.told(EventType.CALL_ENDED) == ["no-answer"]
    out.listen(3)


def test_an_agent_who_hangs_up_meanwhile_ends_it(out: Out) -> None:
    out.call()
    out.agent_takes_it()
    out.debtor_hears(180)
    out.hangs_up(out.agents_invite)
    assert out.last("CANCEL").call_id == out.last().call_id
    out.debtor_hears(487)
    assert out.told(EventType.CALL_ENDED) == ["agent-hung-up"]


def test_an_agent_who_does_not_answer_calls_nobody(out: Out) -> None:
    out.call()
    out.agent_hears(486)
    assert out.outcomes == [UNAVAILABLE]
    assert not out.events
    assert out.last().uri.called == "1001"


def test_a_debtor_without_a_way_to_them_is_not_called(out: Out) -> None:
    object.__setattr__(out.calling, "trunk", None)
    out.call()
    assert out.outcomes == [NOT_NOW]
    assert "INVITE" not in [getattr(m, "method", "") for m in out.sent]


def test_the_agent_hears_again_and_again_whom_we_call(
    out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    class Heard(FakeLibrary):
        def prompt(self, language: str, step: str, moment: str, attempt: int = 1) -> FakePrompt:
            heard.append(moment)
            return super().prompt(language, step, moment, attempt)

    around = out.switchboard._around
    monkeypatch.setattr(out.switchboard, "_around", replace(around, library=Heard()))
    out.call()
    out.agent_takes_it()
    out.debtor_hears(180)
    out.listen(7)
    assert heard == ["calling", "calling"]
    out.debtor_hears(486)
    out.listen(3)
    assert heard == ["calling", "calling", "debtor-busy"]
