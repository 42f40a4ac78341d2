"""The client's side of digest, against worked examples and our own registrar."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.sip import Headers, Response
from ivr.sip.digest import NONCE_LIFE, DigestAuthenticator, Verdict
from ivr.sip.digest_client import Credentials, DigestClient
from tests.sip.test_registrar import register

URI = "sip:pay.example.com"
WATSON = Credentials("watson", "elementary")


def challenge(*lines: str, status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return Response(status, "", Headers([(name, f"Digest {line}") for line in lines]))


def field(line: str, name: str) -> str | None:
    found = re.search(rf'\b{name}=(?:"([^"]*)"|([^ ,]+))', line)
    return None if found is None else found[1] or found[2]


def test_a_name_and_a_password_are_never_shown() -> None:
    client = DigestClient([WATSON])
    client.exchange().challenged(challenge('realm="r", nonce="n"'))
    for one in (WATSON, client, client.exchange(), vars(client)):
        assert "elementary" not in repr(one)


def test_without_qop_the_answer_is_that_of_rfc_2069() -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert exchange.lines("REGISTER", URI) == []
    assert exchange.challenged(challenge('realm="r", nonce="n", opaque="o\\"p"'))
    [(name, line)] = exchange.lines("REGISTER", URI)
    secret = hashlib.md5(b"watson:r:elementary").hexdigest()
    target = hashlib.md5(f"REGISTER:{URI}".encode()).hexdigest()
    expected = hashlib.md5(f"{secret}:n:{target}".encode()).hexdigest()
    assert name == "Authorization"
    assert line == (
        f'Digest username="watson", realm="r", nonce="n", uri="{URI}", '
        f'response="{expected}", opaque="o\\"p"'
    )


def test_the_example_of_rfc_7616(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7616 §3.9.1, both hashes."""
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr("ivr.sip.digest_client.secrets.token_hex", lambda _: cnonce)
    common = (
        'realm="http-auth@example.org", qop="auth, auth-int", '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        exchange = DigestClient([Credentials("Mufasa", "Circle of Life")]).exchange()
        assert exchange.challenged(challenge(f"{common}, algorithm={algorithm}"))
        [(_, line)] = exchange.lines("GET", "/dir/index.html")
        assert field(line, "response") == response
        assert (field(line, "nc"), field(line, "qop")) == ("00000001", "auth")


def test_the_strongest_hash_that_is_known_is_taken_whatever_the_order() -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert exchange.challenged(
        challenge(
            'realm="r", nonce="a", algorithm=MD5',
            'realm="r", nonce="b", algorithm=SHA-512-256',
            'realm="r", nonce="c", algorithm=SHA-256',
            'realm="r", nonce="d", algorithm=SHA-256-sess',
        )
    )
    [(_, line)] = exchange.lines("REGISTER", URI)
    assert (field(line, "nonce"), field(line, "algorithm")) == ("c", "SHA-256")


@pytest.mark.parametrize(
    "line",
    [
        'realm="r", nonce="n", algorithm=SHA-1',
        'realm="r", nonce="n", qop="auth-int"',
        'realm="r", nonce=""',
        'realm="r"',
        'nonce="n"',
        'realm="r", realm="r", nonce="n"',
        'realm="r nonce="n"',
    ],
)
def test_what_cannot_be_answered_is_not_tried(line: str) -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert not exchange.challenged(challenge(line))
    assert exchange.lines("REGISTER", URI) == []


def test_each_realm_gets_its_own_password_and_an_unknown_one_none() -> None:
    client = DigestClient([Credentials("a", "1", "one"), Credentials("b", "2", "two")])
    exchange = client.exchange()
    assert not exchange.challenged(challenge('realm="three", nonce="n"'))
    assert exchange.challenged(
        challenge('realm="one", nonce="n"', 'realm="three", nonce="n"', status=407)
    )
    assert exchange.challenged(challenge('realm="two", nonce="n"'))
    lines = exchange.lines("INVITE", URI)
    assert [(name, field(line, "username")) for name, line in lines] == [
        ("Proxy-Authorization", "a"),
        ("Authorization", "b"),
    ]
    assert not DigestClient().exchange().challenged(challenge('realm="one", nonce="n"'))


def test_a_wrong_password_is_said_once() -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert exchange.challenged(challenge('realm="r", nonce="n1"'))
    assert not exchange.challenged(challenge('realm="r", nonce="n2"'))


def test_a_stale_nonce_is_renewed_once() -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert exchange.challenged(challenge('realm="r", nonce="n1"'))
    assert exchange.challenged(challenge('realm="r", nonce="n2", stale=TRUE'))
    assert not exchange.challenged(challenge('realm="r", nonce="n3", stale=true'))


def test_a_nonce_kept_from_before_may_be_refused_without_a_word_of_stale() -> None:
    client = DigestClient([WATSON])
    assert client.exchange().challenged(challenge('realm="r", nonce="n1", qop="auth"'))
    later = client.exchange()
    [(_, line)] = later.lines("INVITE", URI)
    assert field(line, "nonce") == "n1"
    assert later.challenged(challenge('realm="r", nonce="n2", qop="auth"'))
    assert not later.challenged(challenge('realm="r", nonce="n3", qop="auth"'))


def test_a_peer_with_ever_new_realms_fills_no_memory() -> None:
    client = DigestClient([WATSON])
    for number in range(50):
        assert client.exchange().challenged(challenge(f'realm="r{number}", nonce="n"'))
    realms = [field(line, "realm") for _, line in client.lines("INVITE", URI)]
    assert realms == [f"r{number}" for number in range(42, 50)]


def test_other_responses_are_no_challenge() -> None:
    exchange = DigestClient([WATSON]).exchange()
    assert not exchange.challenged(Response(403, "", Headers()))


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("MD5", "SHA-256")])
def test_our_own_server_takes_it_counts_its_uses_and_renews_it(
    algorithms: tuple[str, ...],
) -> None:
    clock = Clock()
    server = DigestAuthenticator(clock, 'so"lde', {"wat\\son": 'pa"ss é'}, algorithms)
    client = DigestClient([Credentials("wat\\son", 'pa"ss é')])

    def judge() -> Verdict:
        message = register()
        for name, line in client.lines("REGISTER", URI):
            message.headers.add(name, line)
        return server.judge(message)[0]

    def challenged(*, stale: bool = False) -> Response:
        return Response(401, "", Headers(server.challenges(stale=stale)))

    assert judge() is Verdict.REFUSED
    exchange = client.exchange()
    assert exchange.challenged(challenged())
    assert [judge() for _ in range(3)] == [Verdict.ACCEPTED] * 3
    clock.advance(NONCE_LIFE)
    assert judge() is Verdict.STALE
    assert exchange.challenged(challenged(stale=True))
    assert judge() is Verdict.ACCEPTED


@given(st.lists(st.text(max_size=40), max_size=3), st.sampled_from([401, 407]))
def test_no_challenge_raises(lines: list[str], status: int) -> None:
    exchange = DigestClient([WATSON]).exchange()
    for _ in range(3):
        exchange.challenged(challenge(*lines, 'realm="r", nonce="n"', status=status))
        exchange.lines("INVITE", URI)
