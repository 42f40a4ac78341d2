"""For whom a certificate may speak (RFC 5922 §7)."""

from pathlib import Path

import pytest

from ivr.sip.certificates import Peer, peer_named_by
from tests.sip_tls.authority import Authority


def named(folder: Path, *names: str) -> Peer:
    certificate, _ = Authority(folder).certificate(names, common_name="cn.example.com")
    return peer_named_by(certificate)


@pytest.mark.parametrize(
    ("names", "proven"),
    [
        (["sip:Example.com"], {"example.com"}),
        (["pbx.example.com"], {"pbx.example.com"}),
        (
            ["sip:example.com", "sip:example.org", "pbx.example.com"],
            {"example.com", "example.org"},
        ),
        (["sips:example.com", "pbx.example.com"], {"pbx.example.com"}),
        (["sip:alice@example.com", "https://example.com"], set()),
        (["sip:%%", "pbx.example.com"], {"pbx.example.com"}),
        ([], set()),
    ],
)
def test_domains(tmp_path: Path, names: list[str], proven: set[str]) -> None:
    assert named(tmp_path, *names).domains == proven


def test_a_domain_is_compared_whole_and_in_any_case(tmp_path: Path) -> None:
    peer = named(tmp_path, "sip:example.com")
    assert peer.proves("EXAMPLE.com.")
    assert not peer.proves("pbx.example.com")
    assert not peer.proves("ample.com")
    assert not peer.proves("")


def test_a_wildcard_matches_nothing(tmp_path: Path) -> None:
    assert not named(tmp_path, "*.example.com").proves("pbx.example.com")


def test_an_address_is_proven_by_an_address_alone(tmp_path: Path) -> None:
    peer = named(tmp_path, "192.0.2.1", "2001:db8::1", "192.0.2.2.example")
    assert peer.proves("192.0.2.1")
    assert peer.proves("2001:0db8:0::1")
    assert not peer.proves("192.0.2.2")


def test_nobody_without_a_certificate() -> None:
    assert peer_named_by(None) == Peer()
