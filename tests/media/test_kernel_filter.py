"""The kernel's packet filter on real sockets."""

import socket
import sys
from collections.abc import Iterator

import pytest

from ivr.media import kernel_filter
from ivr.media.g711 import Codec, encode
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from tests.media.sound import ALL_KEYS, Sound, noise, tone


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.setblocking(False)
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        yield sender, receiver


def received(sock: socket.socket) -> list[int]:
    """The payload types of all that waits in `sock`. Loopback delivers within `send`."""
    types: list[int] = []
    while True:
        try:
            packet = unpack(sock.recv(2048))
        except BlockingIOError:
            return types
        assert packet is not None
        types.append(packet.payload_type)


def send_audio(sock: socket.socket, count: int) -> None:
    for n in range(count):
        sock.send(RtpPacket(8, 1000 + n, 160 * n, 7, bytes(160)).pack())


def send_key(sock: socket.socket, payload_type: int) -> int:
    packets = encode_press("5", payload_type=payload_type, ssrc=7, sequence=1, timestamp=0)
    for packet in packets:
        sock.send(packet)
    return len(packets)


def test_of_640_audio_packets_10_come_out_and_every_key(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    assert kernel_filter.attach(receiver, {101})
    send_audio(sender, 640)
    assert received(receiver) == [8] * 10
    keys = send_key(sender, 101)
    assert received(receiver) == [101] * keys


def test_each_of_several_event_types_passes(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    assert kernel_filter.attach(receiver, {96, 101, 127})
    for payload_type in (96, 101, 127):
        keys = send_key(sender, payload_type)
        assert received(receiver) == [payload_type] * keys
    send_key(sender, 97)
    assert received(receiver) == []


def send_sound(sock: socket.socket, codec: Codec, sound: Sound) -> int:
    octets = encode(codec, sound.astype("int16"))
    count = len(octets) // 160
    for n in range(count):
        payload = octets[160 * n : 160 * n + 160]
        sock.send(RtpPacket(codec.payload_type, 64 * n + 1, 160 * n, 7, payload).pack())
    return count


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("event_types", [set(), {101}])
def test_where_tones_are_listened_for_quiet_audio_is_dropped_and_no_tone(
    pair: tuple[socket.socket, socket.socket], codec: Codec, event_types: set[int]
) -> None:
    sender, receiver = pair
    assert kernel_filter.attach(receiver, event_types, loud=codec)
    assert send_sound(sender, codec, noise(2000, -50)) == 100
    assert received(receiver) == []
    for level in (-25, -15, 0):
        for key in ALL_KEYS:
            for phase in range(6):
                tones = tone(key, 100, level, level, phases=(phase, 2.0 * phase))
                sent = send_sound(sender, codec, tones)
                assert received(receiver) == [codec.payload_type] * sent
    assert send_sound(sender, codec, noise(1000, -20)) == len(received(receiver))
    assert send_key(sender, 101) == len(received(receiver))


@pytest.mark.parametrize("codec", Codec)
def test_a_tone_that_begins_late_in_a_packet_is_let_through_too(
    pair: tuple[socket.socket, socket.socket], codec: Codec
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, (), loud=codec)
    for late in range(0, 120, 8):
        for key in ALL_KEYS:
            part = tone(key, 20, -22, -24, phases=(late, 3.0 * late))
            part[:late] = 0
            send_sound(sender, codec, part)
            assert len(received(receiver)) == 1


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(8, 1, 0, 7, Codec.PCMA.silence[:80]),
        RtpPacket(8, 1, 0, 7, Codec.PCMA.silence + Codec.PCMA.silence[:80]),
        RtpPacket(8, 1, 0, 7, Codec.PCMA.silence[:156], padding=4),
        RtpPacket(8, 1, 0, 7, Codec.PCMA.silence[:156], csrc=(3,)),
        RtpPacket(8, 1, 0, 7, b""),
    ],
    ids=["10 ms", "30 ms", "padding", "source", "empty"],
)
def test_what_the_filter_cannot_look_into_passes(
    pair: tuple[socket.socket, socket.socket], packet: RtpPacket
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, {101}, loud=Codec.PCMA)
    sender.send(packet.pack())
    assert received(receiver) == [8]


def test_it_is_refitted_when_the_type_changes_and_taken_off(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, {101})
    kernel_filter.attach(receiver, {96})
    send_key(sender, 101)
    keys = send_key(sender, 96)
    assert received(receiver) == [96] * keys
    assert kernel_filter.detach(receiver)
    send_audio(sender, 20)
    assert received(receiver) == [8] * 20
    assert not kernel_filter.detach(receiver)


def test_what_is_too_short_for_rtp_is_dropped(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, {101})
    sender.send(b"")
    sender.send(b"\x80\x08\x00")
    with pytest.raises(BlockingIOError):
        receiver.recv(2048)


def test_elsewhere_it_changes_nothing_and_says_so(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not kernel_filter.attach(receiver, {101})
    assert not kernel_filter.detach(receiver)
    send_audio(sender, 20)
    assert received(receiver) == [8] * 20


def test_a_refusal_of_the_system_is_no_error() -> None:
    closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    closed.close()
    assert not kernel_filter.attach(closed, {101})
