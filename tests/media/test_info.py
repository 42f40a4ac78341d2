"""Keys in INFO bodies, as telephones and exchanges are known to write them."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.info import InfoError, InfoKey, parse_info

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"


@pytest.mark.parametrize(
    ("body", "key", "duration"),
    [
        (b"Signal=5\r\nDuration=160\r\n", "5", 0.16),
        (b"Signal=5\r\nDuration=160", "5", 0.16),
        (b"Signal= 5\r\nDuration= 160\r\n", "5", 0.16),
        (b" Signal = 5 \r\n Duration = 160 \r\n", "5", 0.16),
        (b"signal=5\nduration=160\n", "5", 0.16),
        (b"SIGNAL=5\rDURATION=160\r", "5", 0.16),
        (b"Duration=250\r\nSignal=0\r\n", "0", 0.25),
        (b"Signal=*\r\nDuration=100\r\n", "*", 0.1),
        (b"Signal=#\r\nDuration=100\r\n", "#", 0.1),
        (b"Signal=10\r\nDuration=100\r\n", "*", 0.1),
        (b"Signal=11\r\nDuration=100\r\n", "#", 0.1),
        (b"Signal=12\r\nDuration=100\r\n", "A", 0.1),
        (b"Signal=15\r\nDuration=100\r\n", "D", 0.1),
        (b"Signal=d\r\nDuration=100\r\n", "D", 0.1),
        (b"Signal=9\r\n", "9", None),
        (b"Signal=9", "9", None),
        (b"Signal=9\r\nDuration=\r\n", "9", None),
        (b"Signal=9\r\nDuration=soon\r\n", "9", None),
        (b"Signal=9\r\nDuration=-1\r\n", "9", None),
        (b"Signal=9\r\nDuration=0\r\n", "9", 0.04),
        (b"Signal=9\r\nDuration=99999\r\n", "9", 10.0),
        (b"Signal=9\r\nDuration=999999999\r\n", "9", None),
        (b"Signal=9\r\nDuration=160\r\nVolume=10\r\nTransport: x\r\n\r\n", "9", 0.16),
    ],
)
def test_a_relayed_signal(body: bytes, key: str, duration: float | None) -> None:
    for content_type in (RELAY, "Application/DTMF-Relay ; charset=us-ascii"):
        info = parse_info(content_type, body)
        assert (info.key, info.duration) == (key, duration)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"5", "5"),
        (b"5\r\n", "5"),
        (b" #\r\n", "#"),
        (b"*", "*"),
        (b"10", "*"),
        (b"11", "#"),
        (b"A\n", "A"),
        (b"a", "A"),
        (b"0\0", "0"),
        (b"Signal=7\r\nDuration=90\r\n", "7"),
    ],
)
def test_a_plain_signal(body: bytes, key: str) -> None:
    assert parse_info(PLAIN, body).key == key


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/dtmf2", "dtmf-relay"])
def test_other_content_is_unsupported(content_type: str) -> None:
    with pytest.raises(InfoError, match="application/dtmf-relay") as refused:
        parse_info(content_type, b"Signal=5\r\n")
    assert refused.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Signal=\r\nDuration=160\r\n",
        b"Duration=160\r\n",
        b"Signal=16\r\nDuration=160\r\n",
        b"Signal=05\r\n",
        b"Signal=55\r\n",
        b"Signal=5 5\r\n",
        b"Signal=hookflash\r\n",
        b"Signal\r\n=5\r\n",
        b"Signal5\r\n",
        b"X-Signal=5\r\n",
        b"5",
        b"Signal=\xd9\xa5\r\n",
        b"\xff\xfe",
        b" " * 300 + b"\r\nSignal=5",
    ],
)
def test_what_is_no_key_is_malformed(body: bytes) -> None:
    with pytest.raises(InfoError) as refused:
        parse_info(RELAY, body)
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [b"", b"55", b"16", b"E", b"5 5", b"\xc2\xb2", b"\xd9\xa5"])
def test_what_is_no_plain_key_is_malformed(body: bytes) -> None:
    with pytest.raises(InfoError) as refused:
        parse_info(PLAIN, body)
    assert refused.value.status == 400


@given(st.sampled_from([RELAY, PLAIN, "text/plain"]), st.binary(max_size=400))
def test_any_body_is_a_key_or_refused(content_type: str, body: bytes) -> None:
    try:
        info = parse_info(content_type, body)
    except InfoError:
        return
    assert len(info.key) == 1
    assert info.key in "0123456789*#ABCD"


@given(
    st.sampled_from("0123456789*#ABCD"),
    st.integers(40, 10_000),
    st.text(" \t", max_size=3),
    st.sampled_from(["\r\n", "\n", "\r", "\r\n\r\n"]),
)
def test_spaces_and_line_ends_do_not_matter(
    key: str, ms: int, space: str, line_end: str
) -> None:
    body = f"{space}Signal{space}={space}{key}{line_end}Duration={space}{ms}{space}{line_end}"
    info = parse_info(RELAY, body.encode())
    assert (info.key, info.duration) == (key, ms / 1000)


def test_neither_key_nor_error_shows_what_was_keyed() -> None:
    info = parse_info(RELAY, b"Signal=8\r\nDuration=100\r\n")
    assert "8" not in f"{info!r} {info!s}"
    with pytest.raises(TypeError):
        pickle.dumps(info)
    for body in (b"Signal=8765\r\n", b"Signal=8\xff765\r\n"):
        with pytest.raises(InfoError) as refused:
            parse_info(RELAY, body)
        shown = f"{refused.value!r}{refused.value.__cause__!r}{refused.value.__context__!r}"
        assert "8" not in shown
    assert InfoKey("1", None).duration is None
