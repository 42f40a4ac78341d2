"""A leg's offers, prompts and keys, on real sockets; the test moves the clock and reads."""

import pickle

import pytest
from structlog.testing import capture_logs

from ivr.media.keys import KeyPress
from ivr.media.leg import MediaLeg, MediaNode, MediaStateError
from ivr.media.negotiation import NotAcceptable
from ivr.media.sdp import SdpError, parse
from ivr.media.telephone_event import encode_press
from tests.media.harness import SILENCE, ManualReactor, Phone, clip, keys, results, run


def test_keys_come_in_and_prompts_go_out(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    described = parse(leg.answer(phone.offer(event=97)))
    assert described.media[0].port == leg.port
    fired = results(leg.play([clip(1, 2), clip(3)]))
    for key in "4970#":
        phone.press(key, leg.port, payload_type=97)
    reactor.read()
    run(reactor, 0.079)
    assert pressed == list("4970#")
    assert phone.heard() == [1, 2, 3, SILENCE]
    assert fired == [True]


def test_a_payload_type_that_changes_in_a_reinvite_is_followed_at_once(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer(event=101))
    phone.press("1", leg.port, payload_type=101)
    reactor.read()
    leg.answer(phone.offer(event=96))
    phone.press("2", leg.port, payload_type=101)
    phone.press("3", leg.port, payload_type=96)
    reactor.read()
    assert pressed == ["1", "3"]


def test_a_press_that_spans_a_reinvite_is_one_key(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    packets = encode_press("7", payload_type=101, ssrc=5, sequence=1, timestamp=0)
    phone.send(packets[0], leg.port)
    reactor.read()
    leg.answer(phone.offer("a=sendonly"))
    leg.answer(phone.offer())
    for packet in packets[1:]:
        phone.send(packet, leg.port)
    reactor.read()
    assert pressed == ["7"]


@pytest.mark.parametrize("hold", ["a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"])
def test_hold_pauses_what_is_played_and_resume_goes_on(
    leg: MediaLeg, node: MediaNode, reactor: ManualReactor, phone: Phone, hold: str
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    fired = results(leg.play([clip(1, 2, 3, 4)]))
    run(reactor, 0.03)
    leg.answer(phone.offer(hold))
    run(reactor, 5.0)
    assert phone.heard() == [1, 2]
    assert (fired, len(node.playout)) == ([], 0)
    phone.press("5", leg.port)
    reactor.read()
    assert pressed == ["5"]
    leg.answer(phone.offer())
    run(reactor, 0.05)
    assert phone.heard() == [3, 4, SILENCE]
    assert fired == [True]


def test_a_refused_reinvite_changes_nothing(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    before = leg.negotiated
    for bad, refusal in [
        (b"nonsense", SdpError),
        (phone.offer().replace(b"AVP 8", b"SAVP 8"), NotAcceptable),
    ]:
        with pytest.raises(refusal):
            leg.answer(bad)
    assert leg.negotiated is before
    phone.press("1", leg.port)
    reactor.read()
    assert pressed == ["1"]


def test_a_late_offer_is_answered_and_followed(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    pressed = keys(leg)
    playback = leg.play([clip(1, 2)])
    with pytest.raises(MediaStateError):
        leg.accept_answer(phone.offer())
    offered = parse(leg.offer())
    assert offered.media[0].formats == ("8", "0", "101")
    run(reactor, 1.0)
    assert not playback.finished.called
    leg.accept_answer(phone.offer(event=96))
    phone.press("1", leg.port, payload_type=101)
    phone.press("2", leg.port, payload_type=96)
    reactor.read()
    run(reactor, 0.05)
    assert pressed == ["1", "2"]
    assert phone.heard() == [1, 2, SILENCE]


def test_what_is_played_next_stops_what_was_played(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    leg.answer(phone.offer())
    first = results(leg.play([clip(1, 2, 3)]))
    run(reactor, 0.03)
    second = results(leg.play([clip(11, 12, 13)]))
    assert (first, second) == ([False], [])
    run(reactor, 0.02)
    leg.stop()
    leg.stop()
    assert second == [False]
    run(reactor, 0.02)
    assert phone.heard() == [1, 2, 11, SILENCE]


def test_a_key_stops_a_prompt_within_20_ms(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    leg.on_key = lambda _: leg.stop()
    leg.answer(phone.offer())
    fired = results(leg.play([clip(*range(1, 51))]))
    run(reactor, 0.085)
    phone.press("1", leg.port)
    reactor.read()
    assert fired == [False]
    run(reactor, 0.03)
    assert phone.heard() == [1, 2, 3, 4, 5, SILENCE]


def test_what_a_listener_raises_goes_no_further_and_shows_no_key(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    heard: list[str] = []

    def fail(press: KeyPress) -> None:
        heard.append(press.key)
        raise KeyError(press.key)

    leg.on_key = fail
    leg.answer(phone.offer())
    with capture_logs() as logs:
        phone.press("6", leg.port)
        phone.press("7", leg.port)
        reactor.read()
    assert heard == ["6", "7"]
    assert [(log["event"], log["error"]) for log in logs] == [
        ("media.on_key_failed", "KeyError")
    ] * 2
    for log in logs:
        assert set(log) == {"event", "log_level", "port", "error", "place"}
        assert "fail" in log["place"]


def test_an_error_of_our_own_leaves_the_leg_reading(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = keys(leg)
    leg.answer(phone.offer())
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr("ivr.media.wire.unpack", lambda _: 1 / 0)
        phone.speak(leg.port)
        reactor.read(1)
    assert [(log["event"], log["error"]) for log in logs] == [
        ("media.receive_failed", "ZeroDivisionError")
    ]
    phone.press("1", leg.port)
    reactor.read()
    assert pressed == ["1"]


def test_a_closed_leg_is_silent_deaf_and_gives_its_port_back(
    node: MediaNode, reactor: ManualReactor, phone: Phone
) -> None:
    free = len(node.ports)
    leg = MediaLeg(node)
    pressed = keys(leg)
    leg.answer(phone.offer())
    fired = results(leg.play([clip(1, 2, 3)]))
    assert len(node.ports) == free - 1
    leg.close()
    leg.close()
    assert fired == [False]
    assert (len(node.ports), reactor.readers, reactor.calls) == (free, [], [])
    phone.press("1", leg.port)
    assert pressed == []
    leg.stop()
    assert results(leg.play([clip(1)])) == [False]
    for refused in (
        leg.offer,
        lambda: leg.answer(phone.offer()),
        lambda: leg.accept_answer(b""),
    ):
        with pytest.raises(MediaStateError):
            refused()


def test_a_leg_closed_by_a_key_hears_no_more_of_them(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    heard: list[str] = []

    def hang_up(press: KeyPress) -> None:
        heard.append(press.key)
        leg.close()

    leg.on_key = hang_up
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    phone.press("2", leg.port)
    reactor.read()
    assert heard == ["1"]


def test_a_key_press_of_a_leg_cannot_be_stored(
    leg: MediaLeg, reactor: ManualReactor, phone: Phone
) -> None:
    presses: list[KeyPress] = []
    leg.on_key = presses.append
    leg.answer(phone.offer())
    phone.press("1", leg.port)
    reactor.read()
    with pytest.raises(TypeError):
        pickle.dumps(presses[0])
