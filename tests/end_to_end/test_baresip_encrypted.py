"""A telephone of another make keys over SRTP, and a tap on the wire reads nothing."""

from pathlib import Path

import pytest

from ivr.media.clips import Clip
from ivr.media.rtcp import is_control
from ivr.media.rtcp import unpack as unpack_control
from ivr.media.rtp import unpack
from ivr.media.security import Refusals, SrtpPolicy
from ivr.media.srtp import Protection
from tests.demo.small_server import AnsweredCall, SmallServer
from tests.demo.wire_tap import Tapped, WireTap
from tests.end_to_end.baresip import Baresip, BaresipError

KEYS = "4970101234567#"
SPOKEN = 0x2A
REPORTS = (200, 201)
TONE = Clip(
    duration=0.2, pcma=(bytes([SPOKEN]) * 160,) * 10, pcmu=(bytes([SPOKEN]) * 160,) * 10
)


@pytest.mark.parametrize("encryption", ["srtp", "srtp-mand"])
async def test_its_keys_arrive_and_the_wire_shows_none(tmp_path: Path, encryption: str) -> None:
    async with SmallServer(alice="secret") as server, WireTap() as tap:
        server.srtp = SrtpPolicy.REQUIRED
        server.divert = tap.divert
        async with await Baresip.start(
            tmp_path,
            server.target,
            user="alice",
            password="secret",
            register=True,
            encryption=encryption,
        ) as baresip:
            await baresip.call("100")
            call = await server.next_call()
            await baresip.press(KEYS)
            assert await call.keyed(len(KEYS)) == KEYS
            await call.play([TONE])
            await tap.until(lambda tapped: tapped.from_phone and tapped.octets[1] in REPORTS)
            expected = "RTP/SAVP" if encryption == "srtp-mand" else "RTP/AVP"
            assert f" {expected} ".encode() in call.call.offer
            read(call, tap.packets)
            await baresip.hang_up()
        assert "failed" not in (tmp_path / "baresip.log").read_text()


def read(call: AnsweredCall, packets: list[Tapped]) -> None:
    """With the keys everything can be read; without them nothing."""
    assert call.leg.negotiated is not None
    security = call.leg.negotiated.security
    assert security is not None
    # baresip opens its NAT with RTCP in the clear: the leg refuses that, and nothing else.
    pings = [tapped for tapped in packets if tapped.octets.endswith(b"PINGPONG")]
    assert call.leg.refusals == Refusals(unauthentic=len(pings))
    suite, ours, theirs = security.suite, security.ours, security.theirs
    reader = {
        True: Protection(suite, ours, theirs),
        False: Protection(suite, theirs, ours),
    }
    events: set[str] = set()
    reports: set[bool] = set()
    spoken = 0
    for from_phone, octets in (tapped for tapped in packets if tapped not in pings):
        if is_control(octets):
            control = reader[from_phone].open_control(octets)
            assert control is not None
            assert control[8:] not in octets
            if octets[1] in REPORTS:
                assert unpack_control(control) is not None
                reports.add(from_phone)
            continue
        plain = reader[from_phone].open(octets)
        assert plain is not None
        packet = unpack(plain)
        assert packet is not None
        assert len(octets) == len(plain) + 10
        assert packet.payload not in octets
        assert bytes([SPOKEN]) * 8 not in octets
        if packet.payload_type == call.leg.negotiated.receive_event:
            events.add("0123456789*#"[packet.payload[0]])
        spoken += packet.payload == bytes([SPOKEN]) * 160
    assert events == set(KEYS)
    assert spoken == 10
    assert reports == {True, False}


@pytest.mark.parametrize(
    ("policy", "encryption", "protocol"),
    [(SrtpPolicy.OFFERED, "srtp", "RTP/AVP"), (SrtpPolicy.REQUIRED, "srtp-mand", "RTP/SAVP")],
)
async def test_it_takes_a_call_with_the_keys_that_we_offer(
    tmp_path: Path, policy: SrtpPolicy, encryption: str, protocol: str
) -> None:
    async with SmallServer(alice="secret") as server:
        server.srtp = policy
        async with await Baresip.start(
            tmp_path,
            server.target,
            user="alice",
            password="secret",
            register=True,
            encryption=encryption,
        ) as baresip:
            made = server.ring("alice")
            await baresip.take()
            await baresip.press(KEYS)
            assert await made.keyed(len(KEYS)) == KEYS
            assert made.leg.negotiated is not None
            security = made.leg.negotiated.security
            assert security is not None
            assert security.protocol == protocol
            await baresip.hang_up()
            await made.over


async def test_without_encryption_it_is_refused_where_that_is_needed(tmp_path: Path) -> None:
    async with SmallServer() as server:
        server.srtp = SrtpPolicy.REQUIRED
        async with await Baresip.start(tmp_path, server.target) as baresip:
            with pytest.raises(BaresipError, match="488"):
                await baresip.call("100")


async def test_one_that_insists_is_refused_where_there_is_none(tmp_path: Path) -> None:
    async with SmallServer() as server:
        start = Baresip.start(tmp_path, server.target, encryption="srtp-mand")
        async with await start as baresip:
            with pytest.raises(BaresipError, match="488"):
                await baresip.call("100")
