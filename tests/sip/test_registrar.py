"""Telephones register with a password (RFC 3261 §10, RFC 7616, RFC 8760)."""

import hashlib
import re
from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, Registrar, Request, Response, parse
from ivr.sip.digest import NONCE_LIFE
from tests.sip.wire import PHONE, Wire, only_response, request

USERS = {"1001": "s3cret", "bob": 'pa"ss'}
HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
}


def register() -> Request:
    message = parse(request("REGISTER"))
    assert isinstance(message, Request)
    return message


class Phone:
    """A telephone that registers as RFC 7616 says, worked out apart from the server."""

    def __init__(
        self,
        user: str = "1001",
        password: str = "s3cret",
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
    ) -> None:
        self.registrar: Registrar | None = None

        def make(clock: Clock) -> Registrar:
            self.registrar = Registrar(clock, "solde", USERS, algorithms=algorithms)
            return self.registrar

        self.wire = Wire(registrar=make)
        self.user, self.password = user, password
        self.cseq = 0
        self.count = 0
        self.nonce = ""
        self.source = PHONE

    def send(
        self,
        *headers: str,
        contact: str | None = "<sip:1001@192.0.2.10:5062>",
        call_id: str = "reg",
        cseq: int | None = None,
    ) -> Response:
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        lines = [f"Contact: {contact}"] if contact else []
        data = request(
            "REGISTER",
            uri="sip:pay.example.com",
            cseq=cseq,
            branch=f"z9hG4bKreg{call_id}{cseq}{len(self.wire.sent)}{self.count}",
            call_id=call_id,
            headers=(*lines, *headers),
        )
        aor = f"<sip:{self.user}@pay.example.com>".encode()
        self.last = data.replace(b"<sip:+3312345@pay.example.com>", aor)
        return only_response(self.wire.receive(self.last, self.source))

    def challenge(self) -> Response:
        response = self.send(contact=None)
        assert response.status == 401
        found = re.search('nonce="([^"]+)"', response.headers.get("WWW-Authenticate"))
        assert found is not None
        self.nonce, self.count = found[1], 0
        return response

    def credentials(
        self,
        algorithm: str = "MD5",
        *,
        qop: bool = True,
        uri: str = "sip:pay.example.com",
        realm: str = "solde",
        count: int | None = None,
    ) -> str:
        def digest(*parts: str) -> str:
            return HASHES[algorithm](":".join(parts).encode()).hexdigest()

        self.count = self.count + 1 if count is None else count
        nc = f"{self.count:08x}"
        secret = digest(self.user, realm, self.password)
        target = digest("REGISTER", uri)
        middle = (nc, "0a4f113b", "auth") if qop else ()
        fields = [
            f'username="{self.user}"',
            f'realm="{realm}"',
            f'nonce="{self.nonce}"',
            f'uri="{uri}"',
            f'response="{digest(secret, self.nonce, *middle, target)}"',
            f"algorithm={algorithm}",
        ]
        if qop:
            fields += [f"nc={nc}", 'cnonce="0a4f113b"', "qop=auth"]
        return "Authorization: Digest " + ", ".join(fields)

    def register(self, *headers: str, **more: str | None) -> Response:
        if not self.nonce:
            self.challenge()
        return self.send(self.credentials(), *headers, **more)  # type: ignore[arg-type] # texts

    def contacts(self, user: str | None = None) -> list[str]:
        assert self.registrar is not None
        return [binding.contact for binding in self.registrar.bindings(user or self.user)]


def test_the_challenge_is_one_every_phone_understands() -> None:
    [challenge] = Phone(algorithms=("MD5",)).challenge().headers.lines("WWW-Authenticate")
    assert "algorithm=MD5" in challenge
    [default] = Registrar(Clock(), "solde", USERS).register(register(), PHONE).headers
    assert "algorithm=MD5" in default[1]


def test_a_hash_that_was_not_offered_is_not_taken() -> None:
    phone = Phone(algorithms=("SHA-256",))
    phone.challenge()
    assert phone.send(phone.credentials("MD5")).status == 401
    assert phone.send(phone.credentials("SHA-256")).status == 200


def test_a_hash_nobody_knows_is_a_mistake_in_the_configuration() -> None:
    for algorithms in ((), ("SHA-1",)):
        with pytest.raises(ValueError, match="SHA-256, MD5"):
            Registrar(Clock(), "solde", USERS, algorithms=algorithms)


def test_the_challenges_come_strongest_first() -> None:
    strong, weak = Phone().challenge().headers.lines("WWW-Authenticate")
    assert strong.startswith('Digest realm="solde", nonce="')
    assert "algorithm=SHA-256" in strong
    assert "algorithm=MD5" in weak
    assert 'qop="auth"' in strong
    assert "stale" not in strong + weak


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_telephone_with_the_right_password_is_registered(algorithm: str) -> None:
    phone = Phone()
    phone.challenge()
    ok = phone.send(phone.credentials(algorithm), "Expires: 600")
    assert ok.status == 200
    assert ok.headers.values("Contact") == ["<sip:1001@192.0.2.10:5062>;expires=600"]
    assert phone.registrar is not None
    [binding] = phone.registrar.bindings("1001")
    assert (binding.uri.text, binding.source) == ("sip:1001@192.0.2.10:5062", PHONE)


def test_a_repeated_register_gets_the_same_response() -> None:
    phone = Phone()
    ok = phone.register()
    assert phone.wire.receive(phone.last) == [ok]


@pytest.mark.parametrize(
    ("user", "password"), [("1001", "wrong"), ("nobody", "s3cret"), ("1001", ""), ("%00", "")]
)
def test_a_wrong_password_and_an_unknown_user_look_alike(user: str, password: str) -> None:
    phone = Phone(user, password)
    phone.challenge()
    refused = phone.send(phone.credentials())
    assert refused.status == 401
    assert "stale" not in refused.headers.get("WWW-Authenticate")
    assert phone.contacts("1001") == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.replace("Digest", "Basic"),
        lambda line: line.replace('realm="solde"', 'realm="other"'),
        lambda line: line.replace("MD5", "MD4"),
        lambda line: line.replace("nc=00000001", "nc=1"),
        lambda line: line.replace("qop=auth", "qop=auth-int"),
        lambda line: line.replace('nonce="', 'nonce="A'),
        lambda line: re.sub('nonce="[^"]*"', 'nonce="\x80"', line),
        lambda line: re.sub('response="[^"]*"', 'response="\xe9"', line),
        lambda line: line + ', username="bob"',
        lambda line: line + ", =",
        lambda line: line.replace("sip:pay.example.com", "sip:other.example.com"),
        lambda line: "Authorization: Digest",
    ],
)
def test_spoiled_credentials_are_challenged_again(spoil: Callable[[str], str]) -> None:
    phone = Phone()
    phone.challenge()
    assert phone.send(spoil(phone.credentials())).status == 401
    assert phone.contacts() == []


def test_a_nonce_expires_and_the_phone_is_told_to_try_again() -> None:
    phone = Phone()
    phone.challenge()
    phone.wire.clock.advance(NONCE_LIFE)
    stale = phone.send(phone.credentials())
    assert stale.status == 401
    assert stale.headers.get("WWW-Authenticate").endswith("stale=true")
    phone.challenge()
    assert phone.register().status == 200


def test_a_wrong_password_with_an_old_nonce_is_not_stale() -> None:
    phone = Phone("1001", "wrong")
    phone.challenge()
    phone.wire.clock.advance(NONCE_LIFE)
    assert "stale" not in phone.send(phone.credentials()).headers.get("WWW-Authenticate")


def test_credentials_cannot_be_replayed() -> None:
    phone = Phone()
    phone.challenge()
    used = phone.credentials()
    assert phone.send(used).status == 200
    assert phone.send(used).headers.get("WWW-Authenticate").endswith("stale=true")
    assert phone.send(phone.credentials(count=5)).status == 200
    assert phone.send(phone.credentials(count=4)).status == 401
    assert phone.send(phone.credentials(count=6)).status == 200


def test_a_simple_phone_without_qop_may_use_each_nonce_once() -> None:
    phone = Phone()
    phone.challenge()
    # As pyVoIP does: no qop, and a uri that is not quite the Request-URI.
    simple = phone.credentials(qop=False, uri="sip:pay.example.com;transport=UDP")
    assert phone.send(simple).status == 200
    assert phone.send(simple).status == 401
    assert phone.send(phone.credentials()).status == 401


def test_a_nonce_of_another_server_is_not_taken() -> None:
    other, phone = Phone(), Phone()
    other.challenge()
    phone.nonce = other.nonce
    assert phone.send(phone.credentials()).status == 401


def test_nobody_registers_for_another() -> None:
    phone = Phone("bob", 'pa"ss')
    phone.challenge()
    phone.password = 'pa"ss'
    line = phone.credentials()
    phone.user = "1001"
    assert phone.send(line).status == 403
    assert phone.contacts("1001") == []


def test_registrations_end_by_themselves() -> None:
    phone = Phone()
    phone.register("Expires: 100")
    phone.wire.clock.advance(99)
    assert len(phone.contacts()) == 1
    phone.wire.clock.advance(1)
    assert phone.contacts() == []


def test_expiry_is_the_contacts_own_or_the_headers_within_limits() -> None:
    phone = Phone()
    asked = "<sip:a@h>;expires=120, <sip:b@h>, <sip:c@h>;expires=999999, <sip:d@h>;expires=soon"
    ok = phone.register("Expires: 900", contact=asked)
    assert sorted(ok.headers.values("Contact")) == [
        "<sip:a@h>;expires=120",
        "<sip:b@h>;expires=900",
        "<sip:c@h>;expires=3600",
        "<sip:d@h>;expires=3600",
    ]


def test_too_short_an_expiry_is_423_and_changes_nothing() -> None:
    phone = Phone()
    brief = phone.register(contact="<sip:a@h>, <sip:b@h>;expires=59")
    assert (brief.status, brief.headers.get("Min-Expires")) == (423, "60")
    assert phone.contacts() == []


def test_fetching_lists_the_bindings() -> None:
    phone = Phone()
    phone.register("Expires: 600", contact='"N, x" <sip:a@h;ob>;q=0.5;+sip.instance="<u>"')
    phone.wire.clock.advance(10)
    fetched = phone.register(contact=None)
    assert fetched.headers.values("Contact") == [
        '<sip:a@h;ob>;q=0.5;+sip.instance="<u>";expires=590'
    ]


def test_a_refresh_replaces_the_equivalent_contact() -> None:
    phone = Phone()
    phone.register("Expires: 600", contact="<sip:a@HOST;transport=udp>")
    phone.register("Expires: 700", contact="<sip:%61@host;transport=UDP>")
    assert phone.contacts() == ["<sip:%61@host;transport=UDP>"]
    phone.register("Expires: 0", contact="<sip:a@host>")
    assert len(phone.contacts()) == 1
    phone.register(contact="<sip:a@host;transport=udp>;expires=0")
    assert phone.contacts() == []


def test_a_star_removes_everything_and_only_with_expires_0() -> None:
    phone = Phone()
    phone.register(contact="<sip:a@h>, <sip:b@h>")
    assert phone.register(contact="*").status == 400
    assert len(phone.contacts()) == 2
    assert phone.register("Expires: 0", contact="*").status == 200
    assert phone.contacts() == []


def test_an_older_request_that_arrives_late_changes_nothing() -> None:
    phone = Phone()
    phone.register(contact="<sip:a@h>")
    assert (
        phone.send(phone.credentials(), "Expires: 0", contact="<sip:a@h>", cseq=1).status == 500
    )
    assert phone.send(phone.credentials(), "Expires: 0", contact="*", cseq=1).status == 500
    assert phone.contacts() == ["<sip:a@h>"]
    late = phone.send(
        phone.credentials(), "Expires: 0", contact="<sip:a@h>", cseq=1, call_id="rebooted"
    )
    assert late.status == 200
    assert phone.contacts() == []


def test_a_contact_that_is_no_telephone_is_refused() -> None:
    phone = Phone()
    assert phone.register(contact="<mailto:a@h>").status == 400
    assert phone.register(contact="<sip:a@h").status == 400
    assert phone.register(contact="*, <sip:a@h>").status == 400
    assert phone.contacts() == []


def test_one_user_cannot_fill_the_memory() -> None:
    phone = Phone()
    many = ", ".join(f"<sip:a{number}@h>" for number in range(11))
    assert phone.register(contact=many).status == 403
    assert phone.contacts() == []


def test_options_names_register_when_there_is_a_registrar() -> None:
    phone = Phone()
    ok = only_response(phone.wire.receive(request("OPTIONS")))
    assert "REGISTER" in ok.headers.values("Allow")


def test_where_the_phone_sends_from_is_kept() -> None:
    phone = Phone()
    phone.source = Address("198.51.100.7", 40123)
    assert phone.register().status == 200
    assert phone.registrar is not None
    assert [one.source for one in phone.registrar.bindings("1001")] == [phone.source]
