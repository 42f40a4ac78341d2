"""Session descriptions: what real peers send, what nobody should, and there and back."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ivr.media.sdp import (
    Attribute,
    Connection,
    Description,
    Direction,
    Media,
    Origin,
    SdpError,
    parse,
    render,
)

PHONE = b"""v=0\r
o=alice 2890844526 2890844527 IN IP4 192.0.2.10\r
s=A call\r
i=about nothing\r
c=IN IP4 192.0.2.10\r
b=AS:64\r
t=0 0\r
a=sendonly\r
m=audio 49170 RTP/AVP 8 0 101\r
i=voice\r
c=IN IP4 192.0.2.11\r
b=TIAS:64000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=ptime:20\r
a=x-unknown\r
m=video 51372/2 RTP/SAVP h264 99\r
c=IN IP6 2001:db8::1\r
"""


def test_a_description_is_read_line_by_line() -> None:
    assert parse(PHONE) == Description(
        origin=Origin("alice", "2890844526", "2890844527", "IN", "IP4", "192.0.2.10"),
        name="A call",
        connection=Connection("IN", "IP4", "192.0.2.10"),
        bandwidths=("AS:64",),
        times=(("0", "0"),),
        attributes=(Attribute("sendonly"),),
        media=(
            Media(
                kind="audio",
                port=49170,
                protocol="RTP/AVP",
                formats=("8", "0", "101"),
                connection=Connection("IN", "IP4", "192.0.2.11"),
                bandwidths=("TIAS:64000",),
                attributes=(
                    Attribute("rtpmap", "101 telephone-event/8000"),
                    Attribute("fmtp", "101 0-16"),
                    Attribute("ptime", "20"),
                    Attribute("x-unknown"),
                ),
            ),
            Media(
                kind="video",
                port=51372,
                port_count=2,
                protocol="RTP/SAVP",
                formats=("h264", "99"),
                connection=Connection("IN", "IP6", "2001:db8::1"),
            ),
        ),
    )


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_any_line_end_will_do(end: bytes) -> None:
    assert parse(PHONE.replace(b"\r\n", end) + end + end) == parse(PHONE)


def test_what_real_peers_get_wrong_is_read_all_the_same() -> None:
    sloppy = (
        b"v=0 \no=John  Doe 1 2 IN IP4 192.0.2.1 \nc=IN\tIP4 192.0.2.1\n"
        b"m=audio  4000 RTP/AVP 0 \n"
    )
    description = parse(sloppy)
    assert description.origin == Origin("John Doe", "1", "2", "IN", "IP4", "192.0.2.1")
    assert (description.name, description.times) == ("-", (("0", "0"),))
    assert description.media[0].formats == ("0",)


def test_odd_octets_in_a_name_survive() -> None:
    latin = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=caf\xe9\r\nt=0 0\r\n"
    assert render(parse(latin)) == latin


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
        b"v=0\r\n",
        b"v=0\r\no=- 1 1 IN IP4\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\no=- 1 1 IN IP4 h\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nno line\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nt=now later\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 4000 RTP/AVP\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 65536 RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio -1 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 h\r\nm=audio ٤٠٠٠ RTP/AVP 0\r\n".encode(),
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio " + b"9" * 5000 + b" RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 4000/x RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\na=:x\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\ns=\0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 h\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 65,
        b"v=0\r\no=- 1 1 IN IP4 h\r\n" + b"a=x\r\n" * 2001,
        b"v=0\r\no=- 1 1 IN IP4 h\r\ns=" + b"x" * 65536,
    ],
)
def test_what_is_no_description_is_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        parse(body)


def test_a_refusal_names_what_is_wrong_and_not_at_length() -> None:
    with pytest.raises(SdpError) as refused:
        parse(b"v=0\no=- 1 1 IN IP4 h\nm=" + b"audio" * 1000)
    assert "m='audioaudio" in str(refused.value)
    assert len(str(refused.value)) < 200


def test_direction_is_the_medias_then_the_sessions_then_both_ways() -> None:
    def direction(session: str, media: str) -> Direction:
        body = f"v=0\no=- 1 1 IN IP4 h\n{session}m=audio 4 RTP/AVP 0\n{media}"
        description = parse(body.encode())
        return description.direction(description.media[0])

    assert direction("", "") is Direction.SENDRECV
    assert direction("a=recvonly\n", "") is Direction.RECVONLY
    assert direction("a=recvonly\n", "a=ptime:20\na=inactive \n") is Direction.INACTIVE
    assert direction("a=sendonly:no\n", "") is Direction.SENDRECV


word = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/"),
    min_size=1,
    max_size=12,
)
text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20
)
names = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=":"),
    min_size=1,
    max_size=12,
)
number = st.integers(0, 10**19).map(str)
connections = st.none() | st.builds(Connection, word, word, word)
attributes = st.lists(st.builds(Attribute, names, st.none() | text), max_size=4).map(tuple)
bandwidths = st.lists(text, max_size=2).map(tuple)
media = st.builds(
    Media,
    kind=word,
    port=st.integers(0, 65535),
    protocol=word,
    formats=st.lists(word, min_size=1, max_size=4).map(tuple),
    port_count=st.integers(0, 65535),
    connection=connections,
    bandwidths=bandwidths,
    attributes=attributes,
)
descriptions = st.builds(
    Description,
    origin=st.builds(Origin, word, word, word, word, word, word),
    name=text,
    connection=connections,
    bandwidths=bandwidths,
    times=st.lists(st.tuples(number, number), min_size=1, max_size=2).map(tuple),
    attributes=attributes,
    media=st.lists(media, max_size=3).map(tuple),
)


@given(descriptions)
@settings(deadline=None)
def test_what_is_rendered_is_read_again_the_same(description: Description) -> None:
    assert parse(render(description)) == description


lines = st.tuples(
    st.sampled_from([b"v", b"o", b"s", b"c", b"t", b"a", b"m", b"b", b"k", b"", b"\xff"]),
    st.sampled_from([b"=", b"", b" = "]),
    st.binary(max_size=12)
    | st.sampled_from([b"0", b"- 1 1 IN IP4 192.0.2.1", b"IN IP4 h", b"audio 4 RTP/AVP 8"]),
).map(b"".join)


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda body: body.encode("utf-8", "surrogatepass"))
    | st.lists(lines, max_size=10).map(
        lambda body: b"v=0\r\no=- 1 1 IN IP4 h\r\n" + b"\r\n".join(body)
    )
)
@example(b"v=0\no=- 1 1 IN IP4 \xff\n\xffm=")
@settings(deadline=None, max_examples=300)
def test_anything_is_a_description_or_an_sdp_error(body: bytes) -> None:
    try:
        description = parse(body)
    except SdpError:
        return
    assert parse(render(description)) == description
