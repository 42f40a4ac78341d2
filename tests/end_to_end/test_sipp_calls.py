"""SIPp offers a whole node codecs, keys, changes and silence, and checks what it answers."""

import asyncio
from pathlib import Path

from ivr.demo.stage import HOST, NUMBERS, Stage
from ivr.sip import Address
from ivr.vocabulary import EventType, Step
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.keypad_pcap import keypad_pcap
from tests.end_to_end.side_by_side import alongside
from tests.sip.sipp_script import (
    SDP,
    ack,
    answered,
    asked,
    bye,
    check,
    invite,
    refused,
    run,
)
from tests.sip.sipp_uas import pause, recv, send

SILENCE = 3
KNOWN = f"sip:{NUMBERS['fr']}@[remote_ip]:[remote_port]"
INSIDE = {"uri": "[next_url]", "tag": "[peer_tag_param]"}
WIDE = "m=audio [media_port] RTP/AVP 9{more}\na=rtpmap:9 G722/8000\n"
AUDIO = "m=audio [media_port] RTP/AVP 8\n"


def offer(audio: str, version: int = 1) -> str:
    return SDP.replace(AUDIO, audio).replace("o=- 1 1", f"o=- 1 {version}")


def changed(cseq: int, body: str, version: int, direction: str) -> list[str]:
    """Return steps that offer a session inside the call, and check the answer's version."""
    told = check("", f"o=[^ ]+ [0-9]+ {version} IN.*a={direction}")
    return [invite(cseq=cseq, body=body, **INSIDE), answered(told, cseq=cseq), ack(cseq)]


def key(cseq: int, kind: str, body: str) -> str:
    """Return steps that send a key; SIPp goes on as soon as that was taken."""
    headers = (f"Content-Type: application/{kind}",)
    return asked("INFO", 200, cseq=cseq, headers=headers, body=body)


CALLS = {
    "a codec we do not speak": [
        invite(uri=KNOWN, body=offer(WIDE.format(more=""))),
        refused(488, check("Warning", "399")),
    ],
    "a number nobody has": [invite(), refused(404, check("Warning", "399"))],
    "a codec we do not speak before one we do": [
        invite(uri=KNOWN, body=offer(WIDE.format(more=" 8"))),
        answered(check("", "m=audio [0-9]+ RTP/AVP 8[^0-9 ].*a=rtpmap:8 PCMA/8000")),
        ack(),
        bye(2),
    ],
    "a session that is held, asked for again, and resumed": [
        invite(uri=KNOWN),
        answered(check("", "o=[^ ]+ [0-9]+ 1 IN.*a=sendrecv")),
        ack(),
        *changed(2, offer(f"{AUDIO}a=sendonly\n", 2), 2, "recvonly"),
        *changed(3, offer(f"{AUDIO}a=sendonly\n", 2), 2, "recvonly"),
        *changed(4, offer(AUDIO, 3), 3, "sendrecv"),
        bye(5),
    ],
    "keys back to back, and what is none": [
        invite(uri=KNOWN),
        answered(),
        ack(),
        key(2, "dtmf-relay", "Signal=2\nDuration=160\n"),
        key(3, "dtmf-relay", "Signal=0\nDuration=160\n"),
        key(4, "dtmf", "2\n"),
        asked("INFO", 415, cseq=5, headers=("Content-Type: text/plain",), body="hello\n"),
        pause(1000),
        bye(6),
    ],
    "a caller of whom nothing is heard": [
        invite(uri=KNOWN),
        answered(),
        ack(),
        recv("BYE"),
        send("200 OK"),
    ],
}

BEHIND = (
    "m=audio [media_port] RTP/AVP 8 101\n"
    "a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n"
)


def echoing(folder: Path) -> list[str]:
    """Return the steps of a caller whose session names an address that is not its own.

    It sends one key and a moment of audio, and then only echoes what it hears, which keeps
    the call alive.
    """
    pcap = keypad_pcap(folder / "key.pcap", [(0.5, "5")], tail_ms=500)
    hidden = offer(BEHIND).replace("c=IN IP[media_ip_type] [media_ip]", "c=IN IP4 192.0.2.9")
    return [
        invite(uri=KNOWN, body=hidden),
        answered(),
        ack(),
        f'  <nop><action><exec play_pcap_audio="{pcap}"/></action></nop>',
        pause(1000 * SILENCE + 3000),
        bye(2),
    ]


@alongside
async def test_what_sipp_offers_is_answered_as_it_should_be(folder: Path) -> None:
    settings = {"SOLDE_MEDIA__SILENCE_AFTER": str(SILENCE)}
    async with Stage(folder / "stage", settings) as stage, EventLog(stage) as log:
        node = Address(HOST, stage.sip_port)
        work = [run(steps, folder / f"call{i}", node) for i, steps in enumerate(CALLS.values())]
        media = ("-rtp_echo", "-mi", HOST, "-mp", "23000")
        await asyncio.gather(*work, run(echoing(folder), folder / "echo", node, *media))
        progress = await log.wait_for(EventType.ENTRY_PROGRESS, count=4)
        assert progress["step"] == Step.REFERENCE
        await log.wait_for(EventType.CALL_ENDED, count=5)
        told = log.all(EventType.ENTRY_PROGRESS)
        keyed = {event["call_id"]: event["data"]["digits"] for event in told}
        assert sorted(keyed.values()) == [1, 3]
        ends = [event["data"]["reason"] for event in log.all(EventType.CALL_ENDED)]
        assert sorted(ends) == ["hung-up-by-peer"] * 4 + ["hung-up-by-us"]
