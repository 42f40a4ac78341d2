"""The proof before a capture: what is broken is not proved, and nobody hears it."""

from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import pytest

from ivr.media import tone_gate
from ivr.media.bridge import Bridge
from ivr.media.g711 import FRAME, Codec
from ivr.media.leak_test import Leak, Proof, prove
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.mask_tone import MASK_TONE
from ivr.media.negotiation import Negotiated
from ivr.media.playback import EventPacket
from ivr.media.rtp import RtpPacket
from ivr.media.shield import ShieldMode
from tests.media.bridged import ALAW, ULAW, Call, audio
from tests.media.harness import ManualReactor, run


@pytest.fixture
def call(node: MediaNode, reactor: ManualReactor) -> Iterator[Call]:
    call = Call(node, reactor)
    yield call
    call.close()
    assert reactor.calls == []


def proof(call: Call, meanwhile: Callable[[], object] | None = None) -> Proof:
    found: list[Proof] = []
    prove(call.bridge, call.debtor_leg, call.agent_leg).addCallback(found.append)
    assert found == [] or found[0].reason in (Leak.NOT_JOINED, Leak.NOT_NEGOTIATED)
    if meanwhile is not None:
        meanwhile()
    run(call.reactor, 0.01)
    (one,) = found
    return one


def leak(reason: Leak) -> Proof:
    return Proof(proved=False, reason=reason)


PROVED = Proof(proved=True)


@pytest.mark.parametrize("mode", list(ShieldMode))
@pytest.mark.parametrize(("one", "other"), [(ALAW, ALAW), (ALAW, ULAW), (ULAW, ALAW)])
def test_a_shield_that_is_up_is_proved(
    call: Call, mode: ShieldMode, one: Codec, other: Codec
) -> None:
    call.debtor.codec, call.agent.codec = one, other
    call.negotiate()
    call.bridge.shield(True, mode)
    assert proof(call) == PROVED


def test_nobody_hears_it_and_no_key_is_told(call: Call) -> None:
    call.bridge.shield(True)
    call.talk(100)
    found: list[Proof] = []
    prove(call.bridge, call.debtor_leg, call.agent_leg).addCallback(found.append)
    call.talk(1500)
    assert found == [PROVED]
    assert call.pressed == []
    for phone in (call.debtor, call.agent):
        packets = phone.listen()
        assert {each.payload_type for each in packets} == {8}
        assert not {each.payload for each in packets} & set(MASK_TONE[ALAW])
        assert np.abs(audio(packets)).max() <= 8


def test_without_events_it_is_proved_too(call: Call) -> None:
    offer = call.debtor.describe().replace(b"a=rtpmap:101 telephone-event/8000", b"a=x")
    call.debtor_leg.answer(offer)
    call.bridge.shield(True)
    assert proof(call) == PROVED


def test_without_a_shield_the_probes_leak(call: Call) -> None:
    assert proof(call) == leak(Leak.EVENT)
    offer = call.agent.describe().replace(b"a=rtpmap:97 telephone-event/8000", b"a=x")
    call.agent_leg.answer(offer)
    assert proof(call) == leak(Leak.TONE)


def test_a_shield_that_comes_down_or_is_before_the_other_is_none(call: Call) -> None:
    call.bridge.shield(True)
    call.bridge.shield(False)
    assert call.bridge.shielded
    assert proof(call) == leak(Leak.EVENT)
    call.talk(1500)
    call.bridge.shield(True, keying=call.agent_leg)
    assert not proof(call).proved


@pytest.mark.parametrize(
    ("events", "sounds"),
    [
        pytest.param(set(), {8}, id="dropped"),
        pytest.param({102}, {8}, id="another number"),
        pytest.param(set(), {8, 101}, id="taken for audio"),
        pytest.param({101, 8}, {8}, id="audio taken for keys"),
    ],
)
def test_payload_types_that_are_not_the_negotiated_ones_are_found(
    call: Call, events: set[int], sounds: set[int]
) -> None:
    call.bridge.shield(True)
    wire = call.debtor_leg._wire
    wire._event_types, wire._audio_types = frozenset(events), frozenset(sounds)
    assert not proof(call).proved


def test_a_type_that_changed_at_a_reinvite_is_followed_or_found(call: Call) -> None:
    call.bridge.shield(True)
    assert proof(call) == PROVED
    old = call.debtor_leg._wire._event_types
    call.debtor.event = 110
    call.negotiate()
    assert proof(call) == PROVED
    call.debtor_leg._wire._event_types = old
    assert proof(call) == leak(Leak.UNMASKED)


def test_a_reinvite_meanwhile_is_found(call: Call) -> None:
    call.bridge.shield(True)

    def reinvite() -> None:
        call.debtor.event = 110
        call.negotiate()

    assert proof(call, reinvite) == leak(Leak.CHANGED)
    assert proof(call, lambda: call.bridge.shield(False)) == leak(Leak.CHANGED)
    call.bridge.shield(True)
    assert proof(call, call.bridge.close) == leak(Leak.CHANGED)


class Direct:
    """A tap that hands on all there is, with no shield."""

    def audio(self, packet: RtpPacket) -> None: ...

    def events(self, packet: RtpPacket) -> None: ...

    def key(self, press: object) -> None: ...

    def followed(self, negotiated: Negotiated) -> None: ...

    def closed(self) -> None: ...

    def frame(self, codec: Codec) -> bytes:
        return codec.silence

    def event(self, timestamp: int) -> EventPacket | None: ...


def test_a_direct_tap_is_found(call: Call) -> None:
    call.bridge.shield(True)
    call.agent_leg._stream.source = Direct()
    assert proof(call) == leak(Leak.NOT_JOINED)
    call.agent_leg._stream.source = call.agent_leg._tap
    assert proof(call) == PROVED
    call.agent_leg.join(None)
    call.agent_leg.join(Direct())
    assert proof(call) == leak(Leak.NOT_JOINED)


def test_another_bridge_is_not_proved_by_this_one(call: Call) -> None:
    call.bridge.shield(True)
    old = call.bridge
    old.close()
    assert proof(call) == leak(Leak.NOT_JOINED)
    call.bridge = Bridge(call.debtor_leg, call.agent_leg)
    call.bridge.shield(True)
    assert proof(call) == PROVED
    third = MediaLeg(call.node)
    call.bridge.close()
    call.bridge = Bridge(call.debtor_leg, third)
    found: list[Proof] = []
    prove(call.bridge, call.debtor_leg, third).addCallback(found.append)
    assert found == [leak(Leak.NOT_NEGOTIATED)]
    third.close()


def test_a_gate_that_stops_nothing_is_found(call: Call) -> None:
    call.bridge.shield(True)
    deaf = mock.patch.object(
        tone_gate, "suspicious", lambda each: np.zeros((len(each), 2), np.bool_)
    )
    open_ = mock.patch.object(tone_gate, "_FILTER", np.eye(448, FRAME, -144, np.float32))
    with deaf, open_:
        assert proof(call) == leak(Leak.TONE)


def test_a_mask_that_differs_is_found(call: Call) -> None:
    call.bridge.shield(True)
    with mock.patch("ivr.media.shield.MaskTones.frame", return_value=None):
        assert proof(call) == leak(Leak.UNMASKED)
