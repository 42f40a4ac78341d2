"""Offer and answer for one stream of G.711 with keypad events."""

import pytest

from ivr.media.address import Address
from ivr.media.control import Control
from ivr.media.g711 import Codec
from ivr.media.negotiation import (
    Negotiated,
    NotAcceptable,
    OurSide,
    answer,
    make_offer,
    read_answer,
)
from ivr.media.sdp import Description, Direction, SdpError, parse, render

OURS = Address("192.0.2.1", 20000)


def body(*media: str, connection: str = "IN IP4 192.0.2.10") -> Description:
    lines = ["v=0", "o=- 7 7 IN IP4 192.0.2.10", "s=-", f"c={connection}", "t=0 0", *media]
    return parse("\r\n".join(line for line in lines if line != "c=").encode())


def our_side(address: Address = OURS) -> OurSide:
    return OurSide(address, session_id=42)


def answered(*media: str) -> tuple[str, Negotiated]:
    description, negotiated = answer(body(*media), our_side())
    return render(description).decode(), negotiated


def test_the_first_codec_we_speak_is_answered_with_the_offerers_numbers() -> None:
    text, negotiated = answered(
        "m=audio 4000 RTP/AVP 9 0 8 96",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-16",
        "a=ptime:30",
    )
    assert text.splitlines() == [
        "v=0",
        "o=- 42 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 96",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    assert negotiated == Negotiated(
        remote=Address("192.0.2.10", 4000),
        codec=Codec.PCMU,
        send_audio=0,
        receive_audio=0,
        send_event=96,
        receive_event=96,
        direction=Direction.SENDRECV,
        ptime=30,
        control=Control(Address("192.0.2.10", 4001)),
    )
    assert negotiated.sends


@pytest.mark.parametrize(
    ("media", "codec", "audio", "event"),
    [
        (["m=audio 4 RTP/AVP 8"], Codec.PCMA, 8, None),
        (["m=audio 4 RTP/AVP 98", "a=rtpmap:98 pcma/8000/1"], Codec.PCMA, 98, None),
        (
            ["m=audio 4 RTP/AVP 8 101", "a=rtpmap:101 Telephone-Event/8000"],
            Codec.PCMA,
            8,
            101,
        ),
        (
            [
                "m=audio 4 RTP/AVP 8 97 98",
                "a=rtpmap:97 telephone-event/48000",
                "a=rtpmap:98 telephone-event/8000",
            ],
            Codec.PCMA,
            8,
            98,
        ),
        (["m=audio 4 RTP/AVP 8 101", "a=fmtp:101 0-15"], Codec.PCMA, 8, None),
        (["a=rtpmap:101 telephone-event/8000", "m=audio 4 RTP/AVP 8 101"], Codec.PCMA, 8, None),
        (
            ["m=audio 4 RTP/AVP 101 0", "a=fmtp:101 0-15", "a=rtpmap:101 telephone-event/8000"],
            Codec.PCMU,
            0,
            101,
        ),
        (["m=audio 4 RTP/AVP abc 200 8", "a=rtpmap:abc PCMU/8000"], Codec.PCMA, 8, None),
        (["m=audio 4 RTP/AVP 0 8", "a=rtpmap:0 G726-32/8000"], Codec.PCMA, 8, None),
        (["m=audio 4 RTP/AVP 0 8", "a=rtpmap:0 PCMU/16000"], Codec.PCMA, 8, None),
        (["m=audio 4 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000/2"], Codec.PCMA, 8, None),
        (["m=audio 4 RTP/AVP 0", "a=rtpmap", "a=rtpmap:", "a=rtpmap:0"], Codec.PCMU, 0, None),
    ],
)
def test_payload_types_of_all_kinds_of_peers(
    media: list[str], codec: Codec, audio: int, event: int | None
) -> None:
    _, negotiated = answered(*media)
    assert (negotiated.codec, negotiated.send_audio, negotiated.receive_audio) == (
        codec,
        audio,
        audio,
    )
    assert (negotiated.send_event, negotiated.receive_event) == (event, event)


@pytest.mark.parametrize(
    ("offered", "ours", "sends"),
    [
        ("sendrecv", "sendrecv", True),
        ("sendonly", "recvonly", False),
        ("recvonly", "sendonly", True),
        ("inactive", "inactive", False),
    ],
)
def test_directions_are_mirrored(offered: str, ours: str, sends: bool) -> None:
    text, negotiated = answered("m=audio 4 RTP/AVP 8", f"a={offered}")
    assert text.splitlines()[-1] == f"a={ours}"
    assert (negotiated.direction, negotiated.sends) == (Direction(ours), sends)


@pytest.mark.parametrize(
    ("offered", "ours"),
    [
        ("sendrecv", "recvonly"),
        ("sendonly", "recvonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ],
)
def test_hold_in_the_old_manner_stops_our_sending(offered: str, ours: str) -> None:
    _, negotiated = answered("m=audio 4 RTP/AVP 8", "c=IN IP4 0.0.0.0", f"a={offered}")
    assert negotiated.direction == Direction(ours)
    assert not negotiated.sends
    assert not negotiated.remote.usable


def test_every_other_line_is_refused_in_its_place() -> None:
    text, negotiated = answered(
        "m=video 6 RTP/AVP 99",
        "a=rtpmap:99 H264/90000",
        "m=audio 8 RTP/SAVP 8",
        "m=audio 10 RTP/AVP 8",
        "m=audio 12 RTP/AVP 0",
        "m=application 14 UDP/BFCP *",
        "m=audio 0 RTP/AVP 0",
    )
    assert [line for line in text.splitlines() if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 99",
        "m=audio 0 RTP/SAVP 8",
        "m=audio 20000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 UDP/BFCP *",
        "m=audio 0 RTP/AVP 0",
    ]
    assert negotiated.remote.port == 10


def test_the_address_of_the_line_goes_before_that_of_the_session() -> None:
    _, negotiated = answered("m=audio 4000 RTP/AVP 8", "c=IN IP4 192.0.2.99")
    assert negotiated.remote == Address("192.0.2.99", 4000)


def test_ipv6_is_answered_in_ipv6_and_in_canonical_form() -> None:
    offer = body("m=audio 4 RTP/AVP 8", connection="IN IP6 2001:DB8:0::10")
    description, negotiated = answer(offer, our_side(Address("2001:db8::1", 20000)))
    assert negotiated.remote.host == "2001:db8::10"
    assert b"c=IN IP6 2001:db8::1\r\n" in render(description)


@pytest.mark.parametrize(
    ("media", "warning"),
    [
        ([], 304),
        (["m=video 4 RTP/AVP 99"], 304),
        (["m=audio 0 RTP/AVP 8"], 304),
        (["m=audio 4 RTP/SAVP 8"], 302),
        (["m=audio 4 UDP/TLS/RTP/SAVPF 8"], 302),
        (["m=audio 4 RTP/AVP 9 18", "a=rtpmap:18 G729/8000"], 305),
        (["m=audio 4 RTP/AVP abc"], 305),
        (["m=audio 4 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"], 305),
        (["m=audio 4 RTP/AVP 8", "c=ATM NSAP 47"], 300),
        (["m=audio 4 RTP/AVP 8", "c=IN IP4 phone.example.com"], 301),
        (["m=audio 4 RTP/AVP 8", "c=IN IP6 2001:db8::1"], 301),
        (["m=audio 4 RTP/AVP 8", "c=IN IP4 224.2.1.1"], 330),
        (["m=audio 4 RTP/AVP 8", "c=IN IP4 255.255.255.255"], 330),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_reason(
    media: list[str], warning: int
) -> None:
    with pytest.raises(NotAcceptable) as refused:
        answered(*media)
    assert refused.value.warning == warning
    assert refused.value.reason == str(refused.value) != ""


FOREIGN = {
    "G.722": ["9"],
    "G.722, mapped": ["9", "a=rtpmap:9 G722/8000"],
    "G.722 under a number of its own": ["98", "a=rtpmap:98 G722/8000"],
    "G.729": ["18"],
    "GSM": ["3"],
    "Opus": ["96", "a=rtpmap:96 opus/48000/2"],
    "AMR-WB": ["96", "a=rtpmap:96 AMR-WB/16000"],
    "PCMA at 16 kHz": ["96", "a=rtpmap:96 PCMA/16000"],
    "PCMA in stereo": ["96", "a=rtpmap:96 PCMA/8000/2"],
    "PCMA's number for another codec": ["8", "a=rtpmap:8 G722/8000"],
}


@pytest.mark.parametrize("formats", FOREIGN.values(), ids=FOREIGN)
def test_codecs_we_do_not_speak_are_refused_alone_and_passed_over_in_company(
    formats: list[str],
) -> None:
    number, *mapping = formats
    with pytest.raises(NotAcceptable, match="PCMA or PCMU is needed") as refused:
        answered(f"m=audio 4000 RTP/AVP {number} 101", *mapping)
    assert refused.value.warning == 305
    text, negotiated = answered(f"m=audio 4000 RTP/AVP {number} 0", *mapping)
    assert "m=audio 20000 RTP/AVP 0\r\n" in text
    assert (negotiated.codec, negotiated.receive_audio) == (Codec.PCMU, 0)


def test_an_audio_line_without_an_address_is_malformed() -> None:
    offer = parse(b"v=0\no=- 7 7 IN IP4 192.0.2.10\nm=audio 4 RTP/AVP 8\n")
    with pytest.raises(SdpError, match="c="):
        answer(offer, our_side())


def test_the_answer_carries_the_times_of_the_offer() -> None:
    offer = parse(b"v=0\no=- 7 7 IN IP4 h\nc=IN IP4 192.0.2.10\nt=5 9\nm=audio 4 RTP/AVP 8\n")
    description, _ = answer(offer, our_side())
    assert description.times == (("5", "9"),)


def test_the_version_rises_with_each_change_and_only_then() -> None:
    ours = our_side()
    talk = body("m=audio 4 RTP/AVP 8")
    hold = body("m=audio 4 RTP/AVP 8", "a=sendonly")
    versions = [
        answer(offer, ours)[0].origin.version for offer in (talk, talk, hold, hold, talk)
    ]
    assert versions == ["1", "1", "2", "2", "3"]


def test_an_offer_of_ours_lists_all_we_speak() -> None:
    assert render(make_offer(our_side())).decode().splitlines()[5:] == [
        "m=audio 20000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=rtcp-mux",
        "a=sendrecv",
    ]


def test_an_answer_with_other_numbers_gives_one_for_each_direction() -> None:
    ours = our_side()
    received = body("m=audio 5000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
    negotiated = read_answer(make_offer(ours), received, ours)
    assert (negotiated.codec, negotiated.send_audio, negotiated.receive_audio) == (
        Codec.PCMU,
        0,
        0,
    )
    assert (negotiated.send_event, negotiated.receive_event) == (96, 101)
    assert negotiated.event_types == {96, 101}


def test_a_number_of_theirs_that_means_audio_to_us_is_no_event() -> None:
    ours = our_side()
    received = body("m=audio 5000 RTP/AVP 8 101", "a=rtpmap:8 telephone-event/8000")
    with pytest.raises(NotAcceptable):
        read_answer(make_offer(ours), received, ours)
    received = body(
        "m=audio 5000 RTP/AVP 97 8", "a=rtpmap:97 PCMA/8000", "a=rtpmap:8 telephone-event/8000"
    )
    negotiated = read_answer(make_offer(ours), received, ours)
    assert negotiated.audio_types == {8, 97}
    assert negotiated.event_types == {101}


def test_an_answer_without_events_has_none_in_either_direction() -> None:
    ours = our_side()
    received = body("m=audio 5000 RTP/AVP 8", "a=recvonly")
    negotiated = read_answer(make_offer(ours), received, ours)
    assert (negotiated.send_event, negotiated.receive_event) == (None, None)
    assert negotiated.direction is Direction.SENDONLY


@pytest.mark.parametrize(
    ("media", "warning"),
    [
        (["m=audio 0 RTP/AVP 8"], 304),
        (["m=video 4 RTP/AVP 8"], 304),
        (["m=audio 4 RTP/SAVP 8"], 302),
        (["m=audio 4 RTP/AVP 9"], 305),
    ],
)
def test_an_answer_that_refuses_is_told(media: list[str], warning: int) -> None:
    ours = our_side()
    with pytest.raises(NotAcceptable) as refused:
        read_answer(make_offer(ours), body(*media), ours)
    assert refused.value.warning == warning


def test_an_answer_with_too_few_lines_is_malformed() -> None:
    ours = our_side()
    with pytest.raises(SdpError, match="fewer"):
        read_answer(make_offer(ours), body(), ours)


def test_an_offer_in_a_session_moves_no_line_and_no_number() -> None:
    ours = our_side()
    first = body(
        "m=video 6 RTP/AVP 99",
        "m=audio 4 RTP/AVP 0 8 96",
        "a=rtpmap:96 telephone-event/8000",
    )
    _, negotiated = answer(first, ours)
    offer = make_offer(ours, negotiated)
    assert [m.formats for m in offer.media] == [("99",), ("0", "8", "96")]
    assert [m.port for m in offer.media] == [0, 20000]
    assert offer.origin.version == "2"
    reply = body(
        "m=video 0 RTP/AVP 99",
        "m=audio 4 RTP/AVP 8 96",
        "a=rtpmap:96 telephone-event/8000",
    )
    assert read_answer(offer, reply, ours).codec is Codec.PCMA


def test_an_offer_in_a_session_takes_no_number_that_is_audio_already() -> None:
    ours = our_side()
    _, negotiated = answer(body("m=audio 4 RTP/AVP 101", "a=rtpmap:101 PCMA/8000"), ours)
    assert make_offer(ours, negotiated).media[0].formats == ("101", "0", "96")
