"""Keys across a bridge, whichever way they come and whatever the other leg has negotiated."""

from collections.abc import Iterator

import numpy as np
import pytest

from ivr.media.bridge import Bridge
from ivr.media.info import InfoKey
from ivr.media.leg import MediaNode
from ivr.media.mask_tone import MASK_TONE
from tests.media.bridged import ALAW, Call, Caller, assert_one_stream, audio, presses
from tests.media.harness import ManualReactor
from tests.media.sound import keys_in, tone

EVENT = b"a=rtpmap:%d telephone-event/8000"
WAYS = ("event", "info", "in-band")


@pytest.fixture
def call(node: MediaNode, reactor: ManualReactor) -> Iterator[Call]:
    call = Call(node, reactor)
    yield call
    call.close()
    assert reactor.calls == []


def without_events(caller: Caller) -> bytes:
    return caller.describe().replace(EVENT % caller.event, b"a=x")


def press(call: Call, way: str, key: str) -> None:
    if way == "event":
        call.press(key)
    elif way == "info":
        call.debtor_leg.info_key(InfoKey(key, 0.1))
    else:
        call.talk(120, tone(key, 120))
    call.talk(400)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_becomes_one_event_where_events_were_negotiated(call: Call, way: str) -> None:
    if way != "event":
        call.debtor_leg.answer(without_events(call.debtor))
    call.talk(200)
    for key in "159#":
        press(call, way, key)
    received = call.agent.listen()
    assert call.pressed == list("159#")
    assert presses(received, event=97) == "159#"
    assert_one_stream(received)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_becomes_one_tone_where_none_were(call: Call, way: str) -> None:
    call.agent_leg.answer(without_events(call.agent))
    if way != "event":
        call.debtor_leg.answer(without_events(call.debtor))
    call.talk(200)
    for key in "159#":
        press(call, way, key)
    received = call.agent.listen()
    assert call.pressed == list("159#")
    assert {each.payload_type for each in received} == {8}
    assert keys_in([audio(received)]) == ["159#"]


def test_a_press_that_comes_by_two_ways_is_one_event(call: Call) -> None:
    call.talk(200)
    call.talk(40, tone("6", 40))
    call.press("6", 0.2)
    call.debtor_leg.info_key(InfoKey("6", 0.2))
    call.talk(600)
    assert call.pressed == ["6"]
    assert presses(call.agent.listen(), event=97) == "6"


@pytest.mark.parametrize("agent_has_events", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_behind_a_shield_no_way_gets_through(
    call: Call, way: str, agent_has_events: bool
) -> None:
    if not agent_has_events:
        call.agent_leg.answer(without_events(call.agent))
    if way != "event":
        call.debtor_leg.answer(without_events(call.debtor))
    call.talk(200)
    call.bridge.shield(True)
    call.talk(100)
    call.agent.listen()
    for key in "159#":
        press(call, way, key)
    call.talk(600)
    received = call.agent.listen()
    rest = [each for each in received if each.payload not in MASK_TONE[ALAW]]
    assert call.pressed == list("159#")
    assert {each.payload_type for each in received} == {8}
    assert len(received) - len(rest) == 24
    assert np.abs(audio(rest)).max() <= 8


@pytest.mark.parametrize("way", ["event", "info"])
def test_keys_that_are_not_passed_on_reach_only_their_leg(call: Call, way: str) -> None:
    call.bridge.close()
    call.bridge = Bridge(call.debtor_leg, call.agent_leg, keys=False)
    if way != "event":
        call.debtor_leg.answer(without_events(call.debtor))
    call.talk(200)
    for key in "159#":
        press(call, way, key)
    received = call.agent.listen()
    assert call.pressed == list("159#")
    assert {each.payload_type for each in received} == {8}
    assert keys_in([audio(received)]) == [""]
