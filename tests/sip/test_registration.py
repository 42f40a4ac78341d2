"""Registering at others, and staying registered (RFC 3261 §10.2, RFC 5626 §4.5)."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, Registrar, Request, Response, Transport, parse
from ivr.sip.certificates import Peer
from ivr.sip.digest_client import Credentials
from ivr.sip.names import Answer, Kind, Srv
from ivr.sip.registration import FIRST_WAIT, LONGEST_WAIT, Registered, Registration
from ivr.sip.resolution import Resolver
from ivr.sip.trunk import Trunk
from tests.sip.callee import reply
from tests.sip.test_resolution import FakeNames
from tests.sip.wire import LOCAL, Wire, request, status

PBX = Address("192.0.2.20", 5060)
OTHER = Address("192.0.2.21", 5080)


def trunk(name: str = "pbx", domain: str = "192.0.2.20", password: str = "s3cret") -> Trunk:
    return Trunk(
        name,
        domain,
        credentials=(Credentials("1001", password),),
        registers=True,
        register_expires=600,
        ping_interval=0,
    )


class Client:
    """A user agent that registers; its peer is played by the test, or is our registrar."""

    def __init__(self, *trunks: Trunk, below: Callable[[int], int] = lambda _: 0) -> None:
        self.changes: list[str] = []
        self.wire = Wire(on_line=lambda line: self.changes.append(line.trunk.name))
        self.sent: list[tuple[Request, Address]] = []
        self.lines = []
        for one in trunks or (trunk(),):
            line = self.wire.agent.trunks.use(one)
            assert line.registration is not None
            line.registration._below = below
            self.lines.append(line)
        self.look()

    def look(self) -> int:
        """Take what was sent since the last look; return how many REGISTERs."""
        new = 0
        for data, to in self.wire.sent:
            message = parse(data)
            assert isinstance(message, Request)
            assert message.method == "REGISTER"
            self.sent.append((message, to))
            new += 1
        self.wire.sent.clear()
        return new

    @property
    def registration(self) -> Registration:
        one = self.lines[0].registration
        assert one is not None
        return one

    @property
    def last(self) -> Request:
        return self.sent[-1][0]

    def hears(self, code: int, *headers: str, to: Request | None = None) -> int:
        data = reply(to or self.last, code, *headers, contact=None)
        self.wire.agent.datagram_received(data, PBX)
        return self.look()

    def granted(self, seconds: int) -> str:
        """Return the Contact of the last REGISTER as a registrar echoes it."""
        contact = self.last.headers.get("Contact").rpartition(";expires=")[0]
        return f"Contact: <sip:1001@192.0.2.99>;expires=5, {contact};expires={seconds}"

    def after(self, seconds: float) -> int:
        for _ in range(int(seconds)):
            self.wire.clock.advance(1)
        self.wire.clock.advance(seconds - int(seconds))
        return self.look()

    def registered(self) -> bool:
        return self.registration.registered

    def quiet(self) -> bool:
        return self.wire.clock.getDelayedCalls() == []


def test_the_register_says_who_and_where() -> None:
    client = Client()
    [(register, to)] = client.sent
    assert to == PBX
    assert register.uri_text == "sip:192.0.2.20"
    assert register.headers.get("To") == "<sip:1001@192.0.2.20>"
    assert register.from_.uri_text == "sip:1001@192.0.2.20"
    contact, expires = register.headers.get("Contact").split(";expires=")
    assert contact == f"<sip:1001@{LOCAL.in_uri()};line={client.lines[0].token}>"
    assert (expires, register.headers.get("Expires")) == ("600", "600")
    assert client.registration.status.state is Registered.REGISTERING
    assert not client.registered()


def test_it_is_refreshed_before_the_granted_time_is_over_with_the_same_call_id() -> None:
    client = Client()
    first = client.last
    assert client.hears(200, client.granted(100)) == 0
    status_ = client.registration.status
    assert status_.state is Registered.REGISTERED
    assert (status_.expires_at, status_.next_try_at, status_.failures) == (100, 75, 0)
    assert client.changes == ["pbx", "pbx"]
    assert client.after(74) == 0
    assert client.after(1) == 1
    assert (client.last.call_id, client.last.cseq) == (first.call_id, (2, "REGISTER"))
    assert client.last.from_.tag == first.from_.tag
    assert client.registered()  # still, while the refresh is under way
    client.hears(200, client.granted(100))
    assert client.registration.status.expires_at == 175


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (("Expires: 50",), 50),
        ((), 600),
        (("Contact: <sip:x",), 600),
        (("Contact: <tel:+1>;expires=9",), 600),
        (("Contact: <sip:1001@elsewhere>;expires=9", "Expires: never"), 600),
    ],
)
def test_what_is_granted_may_stand_elsewhere_or_nowhere(
    headers: tuple[str, ...], seconds: int
) -> None:
    client = Client()
    client.hears(200, *headers)
    assert client.registration.status.expires_at == seconds


def test_refreshes_are_spread() -> None:
    client = Client(below=lambda limit: limit - 1)
    client.hears(200, client.granted(100))
    assert client.registration.status.next_try_at == 85


def test_423_asks_for_longer_once() -> None:
    client = Client()
    assert client.hears(423, "Min-Expires: 1800") == 1
    assert client.last.headers.get("Expires") == "1800"
    assert client.hears(423, "Min-Expires: 1800") == 0
    assert client.registration.status.state is Registered.WAITING
    assert Client().hears(423) == 0


def test_a_challenge_is_answered() -> None:
    client = Client()
    assert client.hears(401, 'WWW-Authenticate: Digest realm="pbx", nonce="n", qop="auth"') == 1
    assert 'username="1001"' in client.last.headers.get("Authorization")
    client.hears(200, client.granted(100))
    assert client.registered()
    client.after(75)
    assert "nc=00000002" in client.last.headers.get("Authorization")


def test_a_wrong_password_is_not_tried_often() -> None:
    client = Client(below=lambda limit: limit - 1)
    client.hears(401, 'WWW-Authenticate: Digest realm="pbx", nonce="n"')
    assert client.hears(401, 'WWW-Authenticate: Digest realm="pbx", nonce="m"') == 0
    status_ = client.registration.status
    assert (status_.state, status_.next_try_at) == (Registered.WAITING, LONGEST_WAIT)
    assert status_.last is not None
    assert (status_.last.status, status_.last.local) == (401, False)


def test_failures_are_waited_out_longer_and_longer_and_end_with_success() -> None:
    client = Client(below=lambda limit: limit - 1)
    waits = []
    for _ in range(9):
        client.hears(500)
        status_ = client.registration.status
        assert status_.next_try_at is not None
        waits.append(status_.next_try_at - client.wire.clock.seconds())
        client.after(waits[-1])
    assert waits == [FIRST_WAIT * 2**power for power in range(6)] + [LONGEST_WAIT] * 3
    client.hears(200, client.granted(100))
    assert client.registration.status.failures == 0


def test_a_failure_is_waited_out_half_as_long_at_the_least() -> None:
    client = Client()
    client.hears(500)
    assert client.registration.status.next_try_at == FIRST_WAIT / 2


def test_retry_after_is_waited_for() -> None:
    client = Client()
    client.hears(500, "Retry-After: 99")
    assert client.registration.status.next_try_at == 99


def test_silence_is_a_failure_and_the_binding_runs_out() -> None:
    client = Client()
    client.hears(200, client.granted(60))
    client.after(45)
    client.after(14)
    assert client.registered()
    client.after(1)
    assert not client.registered()
    client.after(17)
    status_ = client.registration.status
    assert (status_.state, status_.failures) == (Registered.WAITING, 1)
    assert status_.last is not None
    assert (status_.last.status, status_.last.local) == (408, True)


def test_granting_nothing_is_a_failure() -> None:
    client = Client()
    client.hears(200, client.granted(0))
    assert client.registration.status.state is Registered.WAITING


def test_stopping_unregisters() -> None:
    client = Client()
    client.hears(200, client.granted(100))
    done: list[None] = []
    client.wire.agent.trunks.unregister().addCallback(done.append)
    client.registration.stop().addCallback(done.append)
    assert client.look() == 1
    assert client.last.headers.get("Expires") == "0"
    assert client.last.headers.get("Contact").endswith(";expires=0")
    assert client.registration.status.state is Registered.UNREGISTERING
    assert done == []
    client.hears(200)
    assert (len(done), client.registration.status.state) == (2, Registered.OFF)
    assert client.quiet()
    client.registration.start()
    assert client.look() == 1


def test_stopping_ends_even_when_nobody_answers() -> None:
    client = Client()
    client.hears(200, client.granted(100))
    done: list[None] = []
    client.registration.stop().addCallback(done.append)
    client.after(33)
    assert (done, client.quiet()) == ([None], True)


def test_stopping_what_is_not_registered_sends_nothing() -> None:
    client = Client()
    done: list[None] = []
    client.hears(403)
    client.registration.stop().addCallback(done.append)
    assert (done, client.look(), client.quiet()) == ([None], 0, True)


def test_a_late_answer_to_what_was_stopped_changes_nothing() -> None:
    client = Client()
    client.registration.stop()
    client.hears(200, client.granted(100))
    assert client.registration.status.state is Registered.OFF
    client.after(140)
    assert client.quiet()


def test_closing_the_agent_cancels_all() -> None:
    client = Client()
    client.hears(200, client.granted(100))
    client.wire.agent.close()
    assert client.quiet()


def test_several_trunks_each_have_their_own() -> None:
    client = Client(trunk(), trunk("other", "192.0.2.21:5080"))
    (one, to), (two, to_other) = client.sent
    assert (to, to_other) == (PBX, OTHER)
    assert one.call_id != two.call_id
    assert one.headers.get("Contact") != two.headers.get("Contact")
    client.hears(200, to=one)
    client.hears(403, to=two)
    states = [line.registration.status.state for line in client.lines if line.registration]
    assert states == [Registered.REGISTERED, Registered.WAITING]


def test_the_next_server_is_tried_when_one_is_busy() -> None:
    names = FakeNames()
    records = (Srv(0, 0, 5060, "192.0.2.1"), Srv(1, 0, 5060, "192.0.2.2"))
    names.add(Kind.SRV, "_sip._udp.pbx.example", Answer(60, srv=records))
    wire = Wire(resolver=Resolver(names, below=lambda _: 0))
    wire.agent.trunks.use(trunk(domain="pbx.example"))
    [(data, to)] = wire.sent
    wire.sent.clear()
    message = parse(data)
    assert isinstance(message, Request)
    wire.agent.datagram_received(reply(message, 503), to)
    [(_, to)] = wire.sent
    assert to == Address("192.0.2.2", 5060)
    wire.agent.close()


def test_our_own_registrar_takes_it() -> None:
    def make(clock: Clock) -> Registrar:
        return Registrar(clock, "solde", {"1001": "s3cret"}, algorithms=("SHA-256", "MD5"))

    server, client = Wire(registrar=make), Client()

    def carry() -> list[int]:
        codes = []
        pending = [client.last.render()]
        while pending:
            for answer in server.receive(pending.pop(), LOCAL):
                assert isinstance(answer, Response)
                codes.append(status(answer))
                before = len(client.sent)
                client.wire.agent.datagram_received(answer.render(), PBX)
                client.look()
                pending += [one.render() for one, _ in client.sent[before:]]
        return codes

    assert carry() == [401, 200]
    assert client.registered()
    client.after(450)
    server.clock.advance(450)
    assert carry() == [401, 200]  # the nonce is stale
    assert client.registration.status.failures == 0
    client.registration.stop()
    client.look()
    assert carry() == [200]
    assert client.registration.status.state is Registered.OFF


def test_a_call_that_comes_by_our_contact_is_known_by_its_trunk() -> None:
    source = Trunk(
        "sbc", "192.0.2.60", allowed_sources=(ip_network("198.51.100.0/24"),), ping_interval=0
    )
    client = Client(trunk(), trunk("other", "192.0.2.21"))
    trunks = client.wire.agent.trunks
    trunks.use(source)

    def of(uri: str, host: str) -> str | None:
        message = parse(request("OPTIONS", uri=uri))
        assert isinstance(message, Request)
        line = trunks.of(message, Address(host, 5060))
        return None if line is None else line.trunk.name

    token = client.lines[1].token
    assert of(f"sip:1001@192.0.2.1;line={token}", "203.0.113.9") == "other"
    assert of("sip:1001@192.0.2.1;line=x", "203.0.113.9") is None
    assert of("sip:1001@192.0.2.1", "198.51.100.9") == "sbc"
    assert [line.trunk.name for line in trunks] == ["pbx", "other", "sbc"]
    with pytest.raises(ValueError, match="another trunk"):
        trunks.use(trunk("other", "192.0.2.77"))


def test_a_call_by_our_contact_is_not_a_trunks_that_has_not_proven_itself() -> None:
    flow = Address("203.0.113.9", 40_000, Transport.TLS)
    wire = Wire(
        proof=lambda source: Peer(frozenset({"sip.example.com"})) if source == flow else None
    )
    trunks = wire.agent.trunks
    line = trunks.use(
        Trunk("sure", "192.0.2.60", allowed_domains=("sip.example.com",), ping_interval=0)
    )
    message = parse(request("OPTIONS", uri=f"sip:1001@192.0.2.1;line={line.token}"))
    assert isinstance(message, Request)
    assert trunks.of(message, flow) is line
    assert trunks.of(message, flow._replace(port=40_001)) is None
    wire.agent.close()
