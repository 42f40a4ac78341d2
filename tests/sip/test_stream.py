"""Messages out of a stream (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.sip.stream import MAX_HEAD, MAX_MESSAGE, PING, StreamFramer
from tests.sip.wire import OFFER, request

OPTIONS = request("OPTIONS")
INVITE = request(body=OFFER)
OK = b"SIP/2.0 200 OK\r\n" + OPTIONS.partition(b"\r\n")[2]
PIECES = st.lists(st.sampled_from([OPTIONS, INVITE, OK, b"\r\n", PING]), max_size=8)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    return [
        data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)
    ]


def framed(chunks: list[bytes]) -> tuple[list[bytes], str]:
    framer = StreamFramer()
    return [one for chunk in chunks for one in framer.feed(chunk)], framer.fault


@given(PIECES, st.lists(st.integers(0, 10_000)))
def test_the_same_messages_come_out_however_the_stream_is_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    # A single CRLF beside a ping makes three: how they pair is the whole stream's affair.
    stream = b"".join(pieces)
    messages, fault = framed(in_pieces(stream, cuts))
    assert fault == ""
    assert (messages, fault) == framed([stream])
    assert [one for one in messages if one != PING] == [
        one for one in pieces if one not in (PING, b"\r\n")
    ]


@given(
    st.lists(st.sampled_from([OPTIONS, INVITE[:-9], b"\r\n", b"l: 5\r\n"]) | st.binary()),
    st.lists(st.integers(0, 10_000)),
)
@example([b"\r\n\rX"], [3])
def test_arbitrary_bytes_end_alike_however_they_are_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(pieces)
    assert framed(in_pieces(stream, cuts)) == framed([stream])


def test_a_byte_at_a_time() -> None:
    stream = PING + INVITE + b"\r\n" + OPTIONS + OK
    chunks = [stream[at : at + 1] for at in range(len(stream))]
    assert framed(chunks) == ([PING, INVITE, OPTIONS, OK], "")


@pytest.mark.parametrize(
    "spelling",
    [
        b"l: 32",
        b"CONTENT-LENGTH :\t32",
        b"Content-Length:\r\n 32",
        b"Content-Length: 32\r\nL: 32",
    ],
)
def test_content_length_however_it_is_spelled(spelling: bytes) -> None:
    message = INVITE.replace(b"Content-Length: %d" % len(OFFER), spelling)
    assert len(OFFER) == 32
    assert framed([message + OPTIONS]) == ([message, OPTIONS], "")


@pytest.mark.parametrize(
    "length", [b"", b"Content-Length: x\r\n", b"Content-Length: 0\r\nl: 1\r\n", b"l: 5, 5\r\n"]
)
def test_where_nobody_knows_the_end_the_head_comes_out_and_no_more(length: bytes) -> None:
    head = OPTIONS.replace(b"Content-Length: 0\r\n", length)
    messages, fault = framed([INVITE + head + OPTIONS])
    assert messages == [INVITE, head]
    assert fault == "no usable Content-Length"


def test_a_folded_value_that_looks_like_a_length_is_none() -> None:
    message = request("OPTIONS", headers=("Subject: a\r\n Content-Length: 99",))
    assert framed([message]) == ([message], "")


@pytest.mark.parametrize(
    ("garbage", "fault"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "no SIP"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no SIP"),
        (b"\r\rOPTIONS", "a line break that is none"),
        (b"x" * (MAX_HEAD + 4), "headers without end"),
        (OPTIONS[:-2] + b"X: " + b"y" * MAX_HEAD, "headers without end"),
    ],
)
def test_what_cannot_be_followed_is_a_fault(garbage: bytes, fault: str) -> None:
    framer = StreamFramer()
    assert framer.feed(OPTIONS + garbage) == [OPTIONS]
    assert framer.fault == fault
    assert framer.feed(OPTIONS) == []
    assert not framer.unfinished


@pytest.mark.parametrize("length", [MAX_MESSAGE, 9_999_999_999])
def test_of_a_message_that_is_too_large_the_head_comes_out_and_no_more(length: int) -> None:
    head = OPTIONS.replace(b"Length: 0", b"Length: %d" % length)
    messages, fault = framed([INVITE + head + OPTIONS])
    assert messages == [INVITE, head]
    assert fault == "a message that is too large"


def test_what_is_unfinished() -> None:
    framer = StreamFramer()
    seen = [framer.unfinished]
    for chunk in (b"\r\n", b"O", OPTIONS[1:-1], OPTIONS[-1:]):
        framer.feed(chunk)
        seen.append(framer.unfinished)
    assert seen == [False, False, True, True, False]


def test_the_largest_message() -> None:
    body = b"x" * (MAX_MESSAGE - len(request("OPTIONS", body=b"x" * 60_000)) + 60_000)
    message = request("OPTIONS", body=body)
    assert len(message) == MAX_MESSAGE
    assert framed([message[:30_000], message[30_000:]]) == ([message], "")
