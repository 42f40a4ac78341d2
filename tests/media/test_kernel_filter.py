"""The kernel's packet filter on real sockets."""

import socket
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from ivr.media import kernel_filter
from ivr.media.g711 import Codec, decode, encode
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press
from tests.media.sound import ALL_KEYS, Sound, noise, samples, silence, tone
from tests.media.test_tone_limits import HEARD, Press


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


def packets(sock: socket.socket) -> list[RtpPacket]:
    """All that waits in `sock`. Loopback delivers within `send`."""
    waiting: list[RtpPacket] = []
    while True:
        try:
            packet = unpack(sock.recv(2048))
        except BlockingIOError:
            return waiting
        assert packet is not None
        waiting.append(packet)


def received(sock: socket.socket) -> list[int]:
    """The payload types of all that waits in `sock`."""
    return [packet.payload_type for packet in packets(sock)]


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


def send_sound(sock: socket.socket, codec: Codec, sound: Sound, size: int = 160) -> int:
    """Send `sound` in packets of `size`, of which none would pass for its number."""
    octets = encode(codec, sound.astype("int16"))
    count = len(octets) // size
    for n in range(count):
        payload = octets[size * n : size * (n + 1)]
        number = 64 * n + 1 & 0xFFFF
        sock.send(RtpPacket(codec.payload_type, number, size * n, 7, payload).pack())
    return count


@pytest.mark.parametrize("codec", Codec)
def test_where_tones_are_listened_for_quiet_audio_is_dropped_and_no_other(
    pair: tuple[socket.socket, socket.socket], codec: Codec
) -> None:
    sender, receiver = pair
    assert kernel_filter.attach(receiver, {101}, codec)
    assert send_sound(sender, codec, noise(2000, -50)) == 100
    assert received(receiver) == []
    assert send_sound(sender, codec, noise(1000, -20)) == len(received(receiver))
    # A number divisible by 64, and a key, pass as ever.
    sender.send(RtpPacket(codec.payload_type, 128, 0, 7, codec.silence).pack())
    assert received(receiver) == [codec.payload_type]
    keys = send_key(sender, 101)
    assert received(receiver) == [101] * keys


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [80, 160, 240, 320, 480])
@pytest.mark.parametrize("press", HEARD.values(), ids=HEARD)
def test_each_packet_of_a_tone_to_be_heard_passes(
    pair: tuple[socket.socket, socket.socket], press: Press, size: int, codec: Codec
) -> None:
    """Of a packet that the tone fills only in part, 2 ms are enough."""
    sender, receiver = pair
    kernel_filter.attach(receiver, (), codec)
    for n, key in enumerate(ALL_KEYS):
        sound = press(key, phases=(0.37 * n, 0.83 * n))[: samples(200)]
        begin = samples(60) + n * size // len(ALL_KEYS)
        end = begin + len(sound)
        line = np.zeros(end + 2 * size)
        line[begin:end] = sound
        count = send_sound(sender, codec, line, size)
        held = [min(end, size * (n + 1)) - max(begin, size * n) for n in range(count)]
        came = {packet.timestamp // size for packet in packets(receiver)}
        assert came >= {n for n, length in enumerate(held) if length >= 16}
        assert came <= {n for n, length in enumerate(held) if length > 0}


@pytest.mark.parametrize("codec", Codec)
def test_quiet_is_what_lies_in_the_two_lowest_segments(
    pair: tuple[socket.socket, socket.socket], codec: Codec
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, (), codec)
    limit = {Codec.PCMA: 512, Codec.PCMU: 380}[codec]
    for code in range(256):
        octets = bytes([code]) * 160
        loud = abs(int(decode(codec, octets)[0])) >= limit
        sender.send(RtpPacket(codec.payload_type, 1, 0, 7, octets).pack())
        assert len(received(receiver)) == loud


@pytest.mark.parametrize("more", [{"padding": 4}, {"csrc": (3, 4)}])
def test_loud_audio_behind_any_header_passes(
    pair: tuple[socket.socket, socket.socket], more: dict[str, int]
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, (), Codec.PCMA)
    loud = encode(Codec.PCMA, tone("5", 20).astype("int16"))
    sender.send(RtpPacket(8, 1, 0, 7, loud, **more).pack())  # type: ignore[arg-type]
    assert received(receiver) == [8]


def test_what_is_too_long_to_be_looked_into_passes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, (), Codec.PCMA)
    sender.send(RtpPacket(8, 1, 0, 7, Codec.PCMA.silence * 3).pack())
    assert received(receiver) == []
    sender.send(RtpPacket(8, 1, 0, 7, Codec.PCMA.silence * 4).pack())
    assert received(receiver) == [8]


def test_each_packet_tells_how_many_were_dropped_before_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    kernel_filter.attach(receiver, {101}, Codec.PCMA)
    told: list[int | None] = []
    for quiet in (0, 2, 0, 5):
        send_sound(sender, Codec.PCMA, silence(20 * quiet))
        sender.send(RtpPacket(8, 64, 0, 7, Codec.PCMA.silence).pack())
    send_sound(sender, Codec.PCMA, silence(20))
    for _ in range(4):
        _, ancillary, flags, _ = receiver.recvmsg(2048, kernel_filter.DROPS_SIZE)
        assert not flags
        told.append(kernel_filter.dropped_before(ancillary))
    assert told == [None, 2, 2, 7]


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
