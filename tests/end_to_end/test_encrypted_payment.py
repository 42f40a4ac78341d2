"""Who listens on the wire: all of a call in the clear, nothing of one over TLS and SRTP."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ivr.demo.stage import HOST, NUMBERS, PHONE_PASSWORD, PHONE_USER
from ivr.resources import shipped
from ivr.speech.library import Library
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.baresip import Baresip
from tests.end_to_end.debtor import AMOUNT, ASKED, REFERENCE, Answers
from tests.end_to_end.eavesdropper import Capture, eavesdropping
from tests.end_to_end.side_by_side import alongside
from tests.end_to_end.stages import Apart, apart
from tests.sip_tls.authority import Authority

READABLE = (b"SIP/2.0", b"REGISTER sip", b"INVITE sip", b"a=crypto", b"inline:", b"m=audio")
ALIKE = 0.99
UNLIKE = 0.1
"""Ciphertext and three seconds of speech: 16,000 pairs of samples correlate by 0.03 at most."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """A telephone side with a UDP, a TCP and a TLS port, its monitor, and who listens."""

    sides: Apart
    tls: str
    ca: Path
    wire: Capture


@asynccontextmanager
async def tapped(folder: Path, srtp: str, rtp: range) -> AsyncIterator[Tapped]:
    authority = Authority(folder)
    own = authority.issue(HOST)
    tcp, tls = _free_port(), _free_port()
    listeners = [
        {"transport": "tcp", "host": HOST, "port": tcp},
        {
            "transport": "tls",
            "host": HOST,
            "port": tls,
            "certificate": str(own.certificate),
            "key": str(own.key),
        },
    ]
    settings = {
        "SOLDE_SIP__LISTENERS": json.dumps(listeners),
        "SOLDE_MEDIA__SRTP": srtp,
        "SOLDE_MEDIA__FIRST_PORT": str(rtp.start),
        "SOLDE_MEDIA__LAST_PORT": str(rtp.stop - 1),
    }
    async with apart(folder / "stage", settings) as sides:
        sip = sides.ivr.sip_port
        async with eavesdropping(folder, sip=sip, tls=tls, tcp=tcp, rtp=rtp) as wire:
            yield Tapped(sides, f"{HOST}:{tls}", authority.file, wire)


async def pay(stage: Tapped, baresip: Baresip, *, until: Step = Step.CONFIRM) -> str:
    """Call and key the answers up to that of `until`; return all that was keyed."""
    answers, keyed = Answers(), ""
    await baresip.call(NUMBERS["fr"])
    for step in ASKED[: ASKED.index(until) + 1]:
        # So the greeting, which is what we look for on the wire, is heard to its end.
        await stage.sides.log.wait_for(EventType.PROMPT_PLAYED, step=step)
        await baresip.press(answers.to(step))
        keyed += answers.to(step)
    return keyed


def spoken() -> list[bytes]:
    """Return what a caller hears first, as A-law."""
    greeting = Library.load(shipped("prompts"), ["fr"]).prompt("fr", Step.WELCOME, "greeting")
    return list(greeting.clip.pcma)


@alongside
async def test_of_a_payment_over_tls_and_srtp_the_wire_shows_nothing(folder: Path) -> None:
    own = folder / "baresip"
    own.mkdir()
    async with tapped(folder, "required", range(33000, 33020)) as stage:
        async with await Baresip.start(
            own,
            stage.tls,
            user=PHONE_USER,
            password=PHONE_PASSWORD,
            register=True,
            transport="tls",
            ca=stage.ca,
            encryption="srtp-mand",
        ) as baresip:
            keyed = await pay(stage, baresip)
            ended = await stage.sides.log.wait_for(EventType.TRANSACTION_ENDED)
            await baresip.wait_for("CALL_CLOSED")
        assert ended["data"]["result"] == Result.SUCCESS
        paid = stage.sides.log.all(EventType.PAYMENT_SUCCEEDED)
        assert [event["data"]["amount"] for event in paid] == [AMOUNT]
        [quality] = stage.sides.log.all(EventType.CALL_QUALITY)
        assert quality["data"]["loss"] == quality["data"]["peer_loss"] == 0
    wire = stage.wire
    assert await wire.count("tls.app_data") > 0
    packets = await wire.packets()
    pressed = [packet for packet in packets if packet.payload_type == "101"]
    ours = [packet for packet in packets if packet.from_port in wire.rtp]
    assert len({packet.timestamp for packet in pressed}) == len(keyed)
    assert {len(packet.payload) for packet in ours if packet.payload_type == "8"} == {170}
    assert await wire.count("sip || sdp") == 0
    assert [word for word in READABLE if word in wire.octets] == []
    assert await wire.keyed() == ""
    assert await wire.likeness(spoken()) < UNLIKE


@alongside
async def test_of_a_call_in_the_clear_the_wire_shows_all(folder: Path) -> None:
    """Whoever finds nothing above would find it here."""
    own = folder / "baresip"
    own.mkdir()
    async with (
        tapped(folder, "off", range(33100, 33120)) as stage,
        await Baresip.start(
            own,
            stage.sides.ivr.registrar,
            user=PHONE_USER,
            password=PHONE_PASSWORD,
            register=True,
        ) as baresip,
    ):
        await pay(stage, baresip, until=Step.AMOUNT)
        await baresip.hang_up()
    assert await stage.wire.count("sip || sdp") > 0
    # The key that was pressed last may be cut short.
    assert (await stage.wire.keyed()).startswith(REFERENCE)
    assert await stage.wire.likeness(spoken()) > ALIKE


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
