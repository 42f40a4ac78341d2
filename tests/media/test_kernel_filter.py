"""The kernel's packet filter on real sockets."""

import socket
import sys
from collections.abc import Iterator

import pytest

from ivr.media import kernel_filter
from ivr.media.rtp import RtpPacket, unpack
from ivr.media.telephone_event import encode_press


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
