"""URIs, names and header fields as people write them (RFC 3261 §7.3, §19.1)."""

import pytest

from ivr.sip import Headers, MalformedMessageError, parse_name_addr, parse_uri


def test_all_parts_of_a_sip_uri() -> None:
    uri = parse_uri("SIPS:al%69ce:pw@[2001:db8::1]:5061;Transport=TLS;lr;x=%41?Subject=hi")
    assert (uri.scheme, uri.user, uri.password) == ("sips", "al%69ce", "pw")
    assert (uri.host, uri.port, uri.headers) == ("[2001:db8::1]", 5061, "Subject=hi")
    assert (uri.param("transport"), uri.param("lr"), uri.param("x")) == ("TLS", "", "A")
    assert uri.param("maddr") is None
    assert uri.called == "alice"


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("sip:+33(1)23-45;phone-context=x@gw;user=phone", "+3312345"),
        ("sip:0123;ext=4@gw", "0123"),
        ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net"),
        ("sip:pay-me@gw", "pay-me"),
        ("tel:7042;phone-context=example.com", "7042"),
        ("sip:gw", ""),
        ("urn:service:sos", ""),
    ],
)
def test_who_is_called(text: str, called: str) -> None:
    assert parse_uri(text).called == called


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":x",
        "sip:a b",
        "sip:a@",
        "sip:@b",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a%4@b",
        "sip:a@b;=x",
        "sip:a@b@c",
        "<sip:a>",
        "sip:a@b/c",
        "1sip:a",
    ],
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_uri(text)


# RFC 3261 §19.1.4 has these pairs.
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", True),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            True,
        ),
        ("sip:alice@h?subject=a&priority=b", "sip:alice@h?priority=b&subject=a", True),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", False),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", False),
        ("sip:a@h", "sips:a@h", False),
        ("tel:+331", "tel:+332", False),
    ],
)
def test_equivalence(one: str, other: str, same: bool) -> None:
    assert parse_uri(one).equivalent(parse_uri(other)) is same


def test_names_around_addresses() -> None:
    quoted = parse_name_addr('"A \\"<b>\\", c"<sip:a@h;lr>;tag="x;y"; q=1')
    assert quoted.display_name == 'A "<b>", c'
    assert (quoted.uri_text, quoted.tag) == ("sip:a@h;lr", '"x;y"')
    assert quoted.param("q") == "1"
    bare = parse_name_addr("sip:a@h;tag=1")
    assert (bare.uri_text, bare.tag, bare.display_name) == ("sip:a@h", "1", "")


@pytest.mark.parametrize(
    "text", ["", "a", "<sip:a", "sip:a>", "<>", '"a <sip:a>', "<sip:a>x", "<sip:a>;", "sip:a,b"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_name_addr(text)


def test_headers_are_found_in_any_spelling_and_split_where_they_are_lists() -> None:
    headers = Headers(
        [
            ("m", '"Me, myself" <sip:a@h;x=1,2>, <sip:b@h>'),
            ("WARNING", '399 a "one, two"'),
            ("CONTACT", "<sip:c@h>,"),
            ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"),
        ]
    )
    assert headers.values("Contact") == [
        '"Me, myself" <sip:a@h;x=1,2>',
        "<sip:b@h>",
        "<sip:c@h>",
    ]
    assert len(headers.lines("contact")) == 2
    assert headers.values("warning") == ['399 a "one, two"']
    assert headers.values("date") == ["Sat, 13 Nov 2010 23:29:00 GMT"]
    assert "M" in headers
    assert "Route" not in headers
    assert [name for name, _ in headers] == ["Contact", "Warning", "Contact", "Date"]
    assert (headers.get("X-None"), headers.lines("X-None")) == ("", [])


def test_an_unclosed_quote_in_a_list_is_an_error() -> None:
    with pytest.raises(MalformedMessageError, match="not closed"):
        Headers([("Contact", '"a <sip:a@h>, <sip:b@h>')]).values("Contact")


def test_bodies_and_addresses_stay_out_of_representations() -> None:
    assert "secret" not in repr(Headers([("X-A", "secret")]))
