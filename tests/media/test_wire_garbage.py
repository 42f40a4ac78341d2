"""Whatever comes to a leg's ports: no error, no growth, and the keys after it are heard."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ivr.media.address import Address
from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from ivr.media.rtp import RtpPacket
from ivr.media.sdes import Crypto, MasterKey, Suite, render_crypto
from ivr.media.security import SrtpPolicy
from tests.media.harness import ManualReactor, Phone, keys, run

packets = st.builds(
    RtpPacket,
    payload_type=st.sampled_from([0, 8, 13, 72, 101]),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 3),
    payload=st.binary(max_size=12),
    marker=st.booleans(),
    padding=st.integers(0, 255),
).map(RtpPacket.pack)
second_octets = st.sampled_from([8, 101, 200, 201, 202, 203, 204, 207])
headed = st.builds(
    lambda second, rest: bytes([0x81, second]) + rest, second_octets, st.binary(max_size=80)
)
datagrams = st.lists(st.binary(max_size=80) | packets | headed, max_size=20)
ports = st.sampled_from([4000, 4001, 5000])

CRYPTO = render_crypto(
    Crypto(1, Suite.AES_CM_128_HMAC_SHA1_80, MasterKey.fresh(Suite.AES_CM_128_HMAC_SHA1_80))
).value


@pytest.fixture(scope="module")
def node() -> MediaNode:
    reactor = ManualReactor()
    return MediaNode(
        reactor, Playout(reactor), PortPool(41000, 41998), "127.0.0.1", "127.0.0.1"
    )


@pytest.fixture(scope="module")
def phone() -> Iterator[Phone]:
    phone = Phone()
    with phone.socket:
        yield phone


def offer(phone: Phone, kind: str) -> bytes:
    attributes = {"plain": [], "mux": ["a=rtcp-mux"]}.get(
        kind, ["a=rtcp-mux", f"a=crypto:{CRYPTO}"]
    )
    return phone.offer(*attributes)


@given(received=datagrams, kind=st.sampled_from(["plain", "mux", "secure"]), port=ports)
def test_garbage_raises_nothing_and_costs_no_key(
    node: MediaNode, phone: Phone, received: list[bytes], kind: str, port: int
) -> None:
    reactor = node.reactor
    assert isinstance(reactor, ManualReactor)
    leg = MediaLeg(node, srtp=SrtpPolicy.OFFERED)
    try:
        pressed = keys(leg)
        with capture_logs() as logs:
            leg.answer(offer(phone, kind))
            for octets in received:
                leg._wire._datagram(octets, Address("127.0.0.1", port))
                leg._wire._control.receive(octets, Address("127.0.0.1", port))
                run(reactor, 0.01)
            run(reactor, 4.0)
            if kind != "secure":
                del pressed[:]
                key = RtpPacket(101, 7, 77_000_000, 99, b"\x05\x0a\x00\xa0", marker=True)
                leg._wire._datagram(key.pack(), Address("127.0.0.1", port))
                assert pressed == ["5"]
            assert leg.quality.received >= 0
        assert [log for log in logs if log["log_level"] == "error"] == []
    finally:
        leg.close()
        while True:
            try:
                phone.socket.recv(2048)
            except BlockingIOError:
                break


def test_ever_new_sources_and_numbers_take_no_room(node: MediaNode, phone: Phone) -> None:
    leg = MediaLeg(node)
    leg.answer(phone.offer("a=rtcp-mux"))
    reception = leg._wire._control.reports.reception
    for n in range(10_000):
        octets = RtpPacket(8, n * 7919 & 0xFFFF, n * 31, n, bytes(2)).pack()
        leg._wire._datagram(octets, Address("127.0.0.1", phone.port))
    kept = [getattr(reception, name) for name in type(reception).__slots__]
    assert not [each for each in kept if isinstance(each, (list, dict, set))]
    assert leg.quality.received == 10_000
    leg.close()
