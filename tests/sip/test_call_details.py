"""What an INVITE says of how the call came about (RFC 3325, 3892, 5806, 7044, 7433)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.sip import MalformedMessageError, parse
from ivr.sip.call_details import CallDetails, History
from ivr.sip.user_to_user import UserToUser, parse_user_to_user
from tests.sip.wire import OFFER, Wire, request


def details(*headers: str) -> CallDetails:
    wire = Wire()
    wire.receive(request(body=OFFER, headers=headers))
    return wire.call.details


def test_a_plain_call_has_none() -> None:
    plain = details()
    assert [*plain.user_to_user, *plain.asserted_identities] == []
    assert [*plain.diversions, *plain.history] == []
    assert plain.referred_by is None
    assert not plain.wants_privacy
    assert (plain.header("X-Reference"), plain.headers("X-Reference")) == ("", [])


def test_any_header_can_be_read() -> None:
    one = details("X-Reference: 4711, b", "x-reference: 4712", "X-Other:")
    assert one.header("x-reference") == "4711, b"
    assert one.headers("X-Reference") == ["4711, b", "4712"]
    with pytest.raises(ValueError, match="token"):
        one.header("no token")


def test_identities() -> None:
    one = details(
        'P-Asserted-Identity: "Cullen, J" <sip:fluffy@cisco.com>, <tel:+14085264000>',
        "Privacy: id;critical",
    )
    assert [who.uri.called for who in one.asserted_identities] == ["fluffy", "+14085264000"]
    assert one.asserted_identities[0].display_name == "Cullen, J"
    assert one.wants_privacy
    assert not details("Privacy: none").wants_privacy


def test_who_transferred() -> None:
    who = details('Referred-By: "Boss" <sip:boss@example.com>;cid="x@y"').referred_by
    assert who is not None
    assert (who.display_name, who.param("cid")) == ("Boss", '"x@y"')


def test_diversions_the_last_first() -> None:
    first, second = details(
        'Diversion: <tel:+33123>;reason=no-answer;counter=2;privacy=off, <sip:a@b>;reason="x"'
    ).diversions
    assert (first.by.uri.called, first.reason, first.counter) == ("+33123", "no-answer", 2)
    assert (second.reason, second.counter) == ("x", 1)
    assert details("Diversion: <sip:a@b>").diversions[0].reason == "unknown"


def test_the_history_of_a_call() -> None:
    stations = details(
        "History-Info: <sip:bob@example.com>;index=1, "
        "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22>;index=1.1;rc=1",
        "History-Info: <sip:office@example.com;cause=486>;index=1.2;mp=1",
    ).history
    assert [(one.index, one.cause) for one in stations] == [
        ((1,), None),
        ((1, 1), 302),
        ((1, 2), 486),
    ]
    assert isinstance(stations[0], History)
    with pytest.raises(MalformedMessageError):
        _ = details("History-Info: <sip:a@b>;index=x").history
    with pytest.raises(MalformedMessageError):
        _ = details("History-Info: <sip:a@b>").history


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar", b"\x56\xa3\x90\xf3"),
        ("48656C6C6F", b"Hello"),
        ("Invoice 4711", b"Invoice 4711"),
        ('"48656C6C6F"', b"48656C6C6F"),
        ('"a;b, \\"c\\"";encoding=text', b'a;b, "c"'),
        ("00a1 ; encoding = HEX", b"\x00\xa1"),
    ],
)
def test_data_of_the_caller(text: str, data: bytes) -> None:
    [one] = details(f"User-to-User: {text}").user_to_user
    assert one.data.startswith(data)


def test_data_of_the_caller_in_several_pieces() -> None:
    two = details("User-to-User: 4a;purpose=isdn-uui, 4b", "User-to-User: 4c").user_to_user
    assert [(one.text, one.purpose) for one in two] == [("J", "isdn-uui"), ("K", ""), ("L", "")]


@pytest.mark.parametrize(
    "text", ["xyz;encoding=hex", "4a;encoding=base64", '4a;"', "4a5;encoding=hex"]
)
def test_data_that_is_none(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_user_to_user(text)


@given(st.binary(max_size=128), st.sampled_from(["", "isdn-uui"]))
def test_data_is_read_as_it_was_written(data: bytes, purpose: str) -> None:
    one = UserToUser(data, purpose)
    assert parse_user_to_user(str(one)) == one


@given(st.text(max_size=40))
def test_whatever_stands_there_raises_nothing_else(text: str) -> None:
    line = " ".join(text.split())
    raw = request(headers=(f"User-to-User: {line}",)).replace(b"\0", b"")
    try:
        invite = parse(raw)
    except MalformedMessageError:
        return
    one = CallDetails(invite)  # type: ignore[arg-type] # a Request
    with suppress(MalformedMessageError):
        _ = one.user_to_user
