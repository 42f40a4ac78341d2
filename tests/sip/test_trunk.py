"""What a trunk's configuration means."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from ivr.sip.certificates import Peer
from ivr.sip.digest_client import Credentials
from ivr.sip.trunk import Trunk

TRUNK = Trunk("carrier", "sip.example.com:5070", credentials=(Credentials("a b", "s3cret"),))


def test_the_password_is_never_shown() -> None:
    assert "s3cret" not in repr(TRUNK)
    assert "s3cret" not in str(TRUNK)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("+33123", "sip:+33123@sip.example.com:5070;user=phone"),
        ("0123", "sip:0123@sip.example.com:5070"),
        ("1#2", "sip:1%232@sip.example.com:5070"),
        ("tel:+33-1.2", "sip:+33-1.2@sip.example.com:5070"),
        ("bob", "sip:bob@sip.example.com:5070"),
        ("bob@x>", "sip:bob%40x%3E@sip.example.com:5070"),
        ("sip:bob@elsewhere", "sip:bob@elsewhere"),
        ("SIPS:bob@elsewhere", "SIPS:bob@elsewhere"),
    ],
)
def test_numbers_and_users_are_called_at_the_trunk(target: str, uri: str) -> None:
    assert str(TRUNK.uri(target)) == uri


def test_who_we_are_there() -> None:
    assert TRUNK.address_of_record == "sip:a%20b@sip.example.com"
    assert TRUNK.from_("192.0.2.1:5060") == "<sip:a%20b@sip.example.com>"
    assert Trunk("x", "h").from_("192.0.2.1:5060") == "<sip:solde@192.0.2.1:5060>"
    named = Trunk("x", "h", caller="sip:+33@us", caller_name='P"ay')
    assert named.from_("192.0.2.1:5060") == '"P\\"ay" <sip:+33@us>'


def test_where_its_calls_may_come_from() -> None:
    trunk = Trunk("x", "h", allowed_sources=(ip_network("192.0.2.0/24"), ip_network("::1/128")))
    assert trunk.allows("192.0.2.9")
    assert trunk.allows("::1")
    assert not trunk.allows("192.0.3.9")
    assert trunk.allows("::ffff:192.0.2.9")
    assert not TRUNK.allows("192.0.2.9")


def test_where_its_calls_may_come_from_may_have_to_be_proven() -> None:
    ours, other = Peer(frozenset({"sip.example.com"})), Peer(frozenset({"example.com"}))
    anywhere = Trunk("x", "h", allowed_domains=("example.org", "sip.example.com"))
    assert anywhere.allows("203.0.113.9", ours)
    assert not anywhere.allows("203.0.113.9", other)
    assert not anywhere.allows("203.0.113.9", Peer())
    assert not anywhere.allows("203.0.113.9")
    network = replace(anywhere, allowed_sources=(ip_network("192.0.2.0/24"),))
    assert network.allows("192.0.2.9", ours)
    assert not network.allows("203.0.113.9", ours)
    assert not network.allows("192.0.2.9")


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("name", {"name": ""}),
        ("domain", {"domain": "a b"}),
        ("outbound_proxy", {"outbound_proxy": "proxy"}),
        ("outbound_proxy", {"outbound_proxy": "http://x"}),
        ("caller", {"caller": "sip:a@b\r\nX: y"}),
        ("caller_name", {"caller_name": "a\nb"}),
        ("asserted_identity", {"asserted_identity": "mailto:a@b"}),
        ("credentials", {"registers": True}),
        ("register_expires", {"register_expires": 0}),
        ("ping_interval", {"ping_interval": -1}),
        ("max_calls", {"max_calls": -1}),
    ],
)
def test_what_cannot_be_names_its_field(field: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=field):
        Trunk(**{"name": "x", "domain": "h", **more})


def test_the_defaults_ask_for_nothing_special() -> None:
    plain = Trunk("x", "192.0.2.1")
    assert (plain.registers, plain.follow_redirects) == (False, False)
    assert plain.allowed_sources == ()
