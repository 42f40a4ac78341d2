"""The RFC 4733 receiver against a model: random keys on a random bad network.

What can be recovered, exactly: a key is reported when at least one of its packets
arrives before any packet of a later key. Such keys are reported once each, in the order
they were pressed; all others never. With a network that holds a packet back for less
than the first packets of the next key need, that is every key.
"""

from dataclasses import dataclass
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import KEYS, TelephoneEvents, encode_press


@dataclass(frozen=True)
class Sent:
    """One packet on its way: which key it belongs to, and when it left."""

    key: int
    packet: RtpPacket
    at: float


def talk(
    keys: str, holds: list[int], gaps: list[int], timestamp: int, sequence: int
) -> list[list[Sent]]:
    """The packets of each key; `holds` and `gaps` are in frames of 20 ms."""
    sent: list[list[Sent]] = []
    frame = 0
    for n, key in enumerate(keys):
        packets = encode_press(
            key,
            payload_type=101,
            ssrc=7,
            sequence=(sequence + frame) % 65536,
            timestamp=(timestamp + 160 * frame) % 2**32,
            duration=holds[n] * 0.02,
        )
        unpacked = [unpack(packet) for packet in packets]
        press = [
            Sent(n, packet, (frame + at) * 0.02)
            for at, packet in enumerate(unpacked)
            if packet is not None
        ]
        sent.append(press)
        frame += len(press) + gaps[n]
    return sent


networks = st.integers(0, 2**32).map(Random)
talks = st.integers(1, 16).flatmap(
    lambda count: st.builds(
        talk,
        st.text(KEYS, min_size=count, max_size=count),
        # What fingers do, and at most one key that somebody leans on.
        st.builds(
            lambda holds, long: [*holds, long],
            st.lists(st.integers(1, 15), min_size=count - 1, max_size=count - 1),
            st.integers(1, 15) | st.integers(1, 15) | st.integers(400, 1500),
        ).flatmap(st.permutations),
        st.lists(st.integers(0, 100), min_size=count, max_size=count),
        st.integers(0, 2**32 - 1) | st.integers(2**32 - 200_000, 2**32 - 1),
        st.integers(0, 65535),
    )
)


def survivors(press: list[Sent], loss: float, random: Random) -> list[Sent]:
    """What is left of a key's packets: at least one."""
    kept = [sent for sent in press if random.random() >= loss]
    return kept or [random.choice(press)]


def arrive(sent: list[Sent], window: int, random: Random) -> list[Sent]:
    """The packets doubled now and then, each overtaking at most about `window` others."""
    doubled = [s for each in sent for s in [each] * random.choice([1, 1, 1, 2, 3])]
    places = [n + random.random() * window for n in range(len(doubled))]
    return [doubled[n] for n in sorted(range(len(doubled)), key=places.__getitem__)]


def recoverable(arrived: list[Sent]) -> list[int]:
    """The keys whose first packet came before any packet of a later key."""
    reported: list[int] = []
    for sent in arrived:
        if not reported or sent.key > reported[-1]:
            reported.append(sent.key)
    return reported


def heard(arrived: list[Sent]) -> str:
    source = TelephoneEvents()
    now = 0.0
    keys = ""
    for sent in arrived:
        now = max(now, sent.at)
        keys += "".join(press.key for press in source.receive(sent.packet, now))
    return keys


def keys_of(talk: list[list[Sent]], numbers: list[int]) -> str:
    return "".join(KEYS[talk[n][0].packet.payload[0]] for n in numbers)


@given(talks, st.sampled_from([0.0, 0.02, 0.3, 0.9]), networks)
@settings(deadline=None, max_examples=200)
def test_with_loss_and_repetition_every_key_is_heard_once_and_in_order(
    talk: list[list[Sent]], loss: float, random: Random
) -> None:
    left = [sent for press in talk for sent in survivors(press, loss, random)]
    arrived = arrive(left, 0, random)
    assert heard(arrived) == keys_of(talk, list(range(len(talk))))


@given(talks, st.sampled_from([0.0, 0.02, 0.3]), st.integers(1, 12), networks)
@settings(deadline=None, max_examples=200)
def test_with_reordering_too_exactly_the_keys_that_can_be_placed_are_heard(
    talk: list[list[Sent]], loss: float, window: int, random: Random
) -> None:
    left = [sent for press in talk for sent in survivors(press, loss, random)]
    arrived = arrive(left, window, random)
    assert heard(arrived) == keys_of(talk, recoverable(arrived))


@given(talks, st.integers(1, 3), networks)
@settings(deadline=None, max_examples=200)
def test_reordering_by_a_few_packets_costs_no_key(
    talk: list[list[Sent]], window: int, random: Random
) -> None:
    arrived = arrive([sent for press in talk for sent in press], window, random)
    assert heard(arrived) == keys_of(talk, list(range(len(talk))))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
        ).flatmap(lambda ids: st.tuples(st.just(ids), st.binary(max_size=12), st.booleans()))
    )
)
@settings(deadline=None)
def test_arbitrary_packets_never_raise(
    packets: list[tuple[tuple[int, int, int], bytes, bool]],
) -> None:
    source = TelephoneEvents()
    for n, ((ssrc, sequence, timestamp), payload, marker) in enumerate(packets):
        packet = RtpPacket(101, sequence, timestamp, ssrc, payload, marker=marker)
        presses = source.receive(packet, float(n))
        assert all(press.key in KEYS and press.gap >= 0 for press in presses)
