"""Where RTCP goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.address import Address
from ivr.media.control import Control, read_control
from ivr.media.sdp import Attribute, Description, Media, parse

REMOTE = Address("192.0.2.10", 4000)
ABOVE = Control(Address("192.0.2.10", 4001))


def control(
    *lines: str, remote: Address = REMOTE, types: frozenset[int] = frozenset({8, 101})
) -> Control | None:
    text = "\n".join(["v=0", "o=- 1 1 IN IP4 h", "m=audio 4000 RTP/AVP 8", *lines])
    description = parse(text.encode())
    return read_control(description, description.media[0], remote, types)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ABOVE),
        (["a=rtcp-mux"], Control(REMOTE, mux=True)),
        (["a=rtcp:5001", "a=RTCP-MUX"], Control(REMOTE, mux=True)),
        (["a=rtcp:5001"], Control(Address("192.0.2.10", 5001))),
        (["a=rtcp:5001 IN IP4 192.0.2.99"], Control(Address("192.0.2.99", 5001))),
        (["a=rtcp:5001 IN IP6 2001:db8::1"], ABOVE),
        (["a=rtcp:5001 ATM NSAP 47"], ABOVE),
        (["a=rtcp:5001 IN IP4 host.example"], ABOVE),
        (["a=rtcp:0"], ABOVE),
        (["a=rtcp:65536"], ABOVE),
        (["a=rtcp:x"], ABOVE),
        (["a=rtcp"], ABOVE),
        (["b=RS:0"], ABOVE),
        (["b=RS:0", "b=RR:0"], None),
        (["b=RS:0", "b=RR:0", "a=rtcp-mux"], None),
    ],
)
def test_where_it_goes(lines: list[str], expected: Control | None) -> None:
    assert control(*lines) == expected


def test_no_port_is_shared_where_keys_would_look_like_reports() -> None:
    assert control("a=rtcp-mux", types=frozenset({8, 72})) == ABOVE


def test_above_the_last_port_is_none() -> None:
    remote = Address("192.0.2.10", 65535)
    assert control(remote=remote) == Control(Address("192.0.2.10", 0))


@given(st.text(max_size=40))
def test_arbitrary_text_is_an_address_or_ignored(text: str) -> None:
    media = Media("audio", 4000, "RTP/AVP", ("8",), attributes=(Attribute("rtcp", text),))
    description = Description(parse(b"v=0\no=- 1 1 IN IP4 h\n").origin, media=(media,))
    found = read_control(description, media, REMOTE, frozenset({8}))
    assert found is not None
    assert 0 <= found.remote.port <= 65535
