"""Keypad events said again: whatever the pace of the sender's packets, one clean event."""

from ivr.media.event_relay import EventRelay
from ivr.media.g711 import FRAME
from ivr.media.playback import EventPacket
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press


def press(key: str, at: int = 0, seconds: float = 0.1) -> list[RtpPacket]:
    octets = encode_press(
        key, payload_type=101, ssrc=1, sequence=at, timestamp=at * FRAME, duration=seconds
    )
    packets = [unpack(each) for each in octets]
    return [each for each in packets if each is not None]


def sent(relay: EventRelay, at: float, beats: int) -> list[EventPacket]:
    found = (relay.next(n * FRAME, at + n * 0.02) for n in range(beats))
    return [each for each in found if each is not None]


def test_packets_that_come_at_once_are_sent_one_by_one() -> None:
    relay = EventRelay()
    for packet in press("5"):
        relay.receive(packet, 0.0, silently=False)
    events = sent(relay, 0.0, 50)
    assert [each.payload[0] for each in events] == [5] * 7
    assert [each.marker for each in events] == [True] + [False] * 6
    assert [each.payload[1] >> 7 for each in events] == [0, 0, 0, 0, 1, 1, 1]
    lengths = [int.from_bytes(each.payload[2:], "big") for each in events]
    assert lengths == [160, 320, 480, 640, 800, 800, 800]
    assert {each.timestamp for each in events} == {0}


def test_keys_wait_for_each_other() -> None:
    relay = EventRelay()
    for n, key in enumerate("121"):
        for packet in press(key, n * 20):
            relay.receive(packet, 0.0, silently=False)
    events = sent(relay, 0.0, 50)
    assert [each.payload[0] for each in events] == [1] * 7 + [2] * 7 + [1] * 7
    assert len({each.timestamp for each in events}) == 3


def test_a_key_held_for_long_is_cut_at_the_longest_event() -> None:
    relay = EventRelay()
    packets = press("9", seconds=12.0)
    events = []
    for n, packet in enumerate(packets):
        relay.receive(packet, n * 0.02, silently=False)
        event = relay.next(n * FRAME, n * 0.02)
        events += [event] if event is not None else []
    assert {each.timestamp for each in events} == {0}
    assert max(int.from_bytes(each.payload[2:], "big") for each in events) <= 0xFFFF
    assert [each.payload[1] >> 7 for each in events[-4:]] == [0, 1, 1, 1]


def test_a_key_pressed_silently_stays_silent() -> None:
    relay = EventRelay()
    first, *rest = press("3")
    relay.receive(first, 0.0, silently=True)
    for packet in rest:
        relay.receive(packet, 0.1, silently=False)
    assert sent(relay, 0.1, 50) == []


def test_what_was_dropped_is_not_sent_and_what_follows_is() -> None:
    relay = EventRelay()
    for packet in press("3"):
        relay.receive(packet, 0.0, silently=False)
    assert len(sent(relay, 0.0, 2)) == 2
    relay.drop()
    assert sent(relay, 0.1, 50) == []
    for packet in press("4", 50):
        relay.receive(packet, 1.0, silently=False)
    assert {each.payload[0] for each in sent(relay, 1.0, 50)} == {4}


def test_a_flood_of_keys_is_bounded() -> None:
    relay = EventRelay()
    for n in range(100):
        for packet in press("7", n * 20):
            relay.receive(packet, 0.0, silently=False)
    assert len({each.timestamp for each in sent(relay, 0.0, 1000)}) == 16
