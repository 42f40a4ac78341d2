"""Keys said again: whatever their way and the pace of their packets, one clean event."""

from ivr.media.event_relay import EventRelay
from ivr.media.g711 import FRAME
from ivr.media.keys import KeyPress
from ivr.media.playback import EventPacket
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import TelephoneEvents, encode_press


def press(key: str, at: int = 0, seconds: float = 0.1) -> list[RtpPacket]:
    octets = encode_press(
        key, payload_type=101, ssrc=1, sequence=at, timestamp=at * FRAME, duration=seconds
    )
    packets = [unpack(each) for each in octets]
    return [each for each in packets if each is not None]


class Sender:
    """Hands packets of events to a relay as a leg does: each press once, then its packets."""

    def __init__(self) -> None:
        self.relay = EventRelay()
        self._events = TelephoneEvents()

    def receive(self, packet: RtpPacket, at: float) -> None:
        for found in self._events.receive(packet, at):
            self.relay.press(found)
        self.relay.packet(packet, at)


def sent(relay: EventRelay, at: float, beats: int) -> list[EventPacket]:
    found = (relay.next(n * FRAME, at + n * 0.02) for n in range(beats))
    return [each for each in found if each is not None]


def test_packets_that_come_at_once_are_sent_one_by_one() -> None:
    sender = Sender()
    relay = sender.relay
    for packet in press("5"):
        sender.receive(packet, 0.0)
    events = sent(relay, 0.0, 50)
    assert [each.payload[0] for each in events] == [5] * 7
    assert [each.marker for each in events] == [True] + [False] * 6
    assert [each.payload[1] >> 7 for each in events] == [0, 0, 0, 0, 1, 1, 1]
    lengths = [int.from_bytes(each.payload[2:], "big") for each in events]
    assert lengths == [160, 320, 480, 640, 800, 800, 800]
    assert {each.timestamp for each in events} == {0}


def test_keys_wait_for_each_other() -> None:
    sender = Sender()
    relay = sender.relay
    for n, key in enumerate("121"):
        for packet in press(key, n * 20):
            sender.receive(packet, 0.0)
    events = sent(relay, 0.0, 50)
    assert [each.payload[0] for each in events] == [1] * 7 + [2] * 7 + [1] * 7
    assert len({each.timestamp for each in events}) == 3


def test_a_key_held_for_long_is_cut_at_the_longest_event() -> None:
    sender = Sender()
    relay = sender.relay
    packets = press("9", seconds=12.0)
    events = []
    for n, packet in enumerate(packets):
        sender.receive(packet, n * 0.02)
        event = relay.next(n * FRAME, n * 0.02)
        events += [event] if event is not None else []
    assert {each.timestamp for each in events} == {0}
    assert max(int.from_bytes(each.payload[2:], "big") for each in events) <= 0xFFFF
    assert [each.payload[1] >> 7 for each in events[-4:]] == [0, 1, 1, 1]


def test_what_was_dropped_is_not_sent_and_what_follows_is() -> None:
    sender = Sender()
    relay = sender.relay
    for packet in press("3"):
        sender.receive(packet, 0.0)
    assert len(sent(relay, 0.0, 2)) == 2
    relay.drop()
    assert sent(relay, 0.1, 50) == []
    for packet in press("4", 50):
        sender.receive(packet, 1.0)
    assert {each.payload[0] for each in sent(relay, 1.0, 50)} == {4}


def test_a_flood_of_keys_is_bounded() -> None:
    sender = Sender()
    relay = sender.relay
    for n in range(100):
        for packet in press("7", n * 20):
            sender.receive(packet, 0.0)
    assert len({each.timestamp for each in sent(relay, 0.0, 1000)}) == 16


def test_a_key_by_info_is_sent_for_as_long_as_it_tells_or_for_100_ms() -> None:
    for told, length in ((0.16, 1280), (0.0, 800)):
        relay = EventRelay()
        relay.press(KeyPress("8", 0.0, 1.0, told))
        events = sent(relay, 0.0, 50)
        assert {each.payload[0] for each in events} == {8}
        assert int.from_bytes(events[-1].payload[2:], "big") == length


def test_a_key_that_is_still_heard_is_sent_until_it_is_let_go() -> None:
    relay = EventRelay()
    press = KeyPress("8", 0.0, 1.0, 0.04)
    relay.press(press)
    events = []
    for n in range(50):
        press.held = min(0.04 + 0.02 * n, 0.3)
        event = relay.next(n * FRAME, n * 0.02)
        events += [event] if event is not None else []
    assert int.from_bytes(events[-1].payload[2:], "big") == 2400
    assert [each.payload[1] >> 7 for each in events[-4:]] == [0, 1, 1, 1]
