"""Where requests go (RFC 3263), from a table of records and from a name server."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.names import authority
from twisted.names import dns as untyped_dns
from twisted.names import server as untyped_server

from ivr.sip import Address, Transport, parse_uri
from ivr.sip.errors import NameServiceError
from ivr.sip.names import NEGATIVE_TTL, Answer, CachedNames, Kind, Naptr, Srv
from ivr.sip.resolution import Resolver
from ivr.sip.twisted_names import TwistedNames, name_servers

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
T = TypeVar("T")
dns: Any = untyped_dns
server: Any = untyped_server
FileAuthority: Any = authority.FileAuthority


class FakeNames:
    """A table of records; writes down what it was asked."""

    def __init__(self, **records: Answer | NameServiceError) -> None:
        self.records: dict[str, Answer | NameServiceError] = {}
        self.asked: list[str] = []
        self.records.update({name.replace("__", " "): one for name, one in records.items()})

    def add(self, kind: Kind, name: str, answer: Answer | NameServiceError) -> None:
        self.records[f"{kind} {name}"] = answer

    async def lookup(self, kind: Kind, name: str) -> Answer:
        self.asked.append(f"{kind} {name}")
        answer = self.records.get(f"{kind} {name}", Answer())
        if isinstance(answer, NameServiceError):
            raise answer
        return answer


def now(work: Coroutine[Deferred[Any], Any, T]) -> T:
    """Return the result of a coroutine that waits for nothing."""
    results: list[T] = []
    failures: list[Any] = []
    Deferred.fromCoroutine(work).addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    return results[0]


def resolver(names: FakeNames, **more: Any) -> Resolver:
    return Resolver(names, below=lambda _: 0, **more)


def example() -> FakeNames:
    """The example of RFC 3263 §4.1."""
    names = FakeNames()
    names.add(
        Kind.NAPTR,
        "example.com",
        Answer(
            60,
            naptr=(
                Naptr(90, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
                Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
                Naptr(90, 40, "S", "sip+d2t", "_sip._tcp.example.com"),
                Naptr(10, 10, "u", "E2U+sip", ""),
                Naptr(10, 10, "s", "SIP+D2S", "_sip._sctp.example.com"),
            ),
        ),
    )
    names.add(
        Kind.SRV,
        "_sips._tcp.example.com",
        Answer(60, srv=(Srv(0, 0, 5061, "secure.example.com"),)),
    )
    names.add(
        Kind.SRV,
        "_sip._tcp.example.com",
        Answer(
            60, srv=(Srv(1, 0, 5070, "two.example.com"), Srv(0, 0, 5060, "one.example.com"))
        ),
    )
    names.add(Kind.A, "secure.example.com", Answer(60, addresses=("192.0.2.1",)))
    names.add(Kind.A, "one.example.com", Answer(60, addresses=("192.0.2.2", "192.0.2.3")))
    names.add(Kind.A, "two.example.com", Answer(60, addresses=("192.0.2.4",)))
    names.add(Kind.AAAA, "two.example.com", Answer(60, addresses=("2001:db8::4",)))
    names.add(Kind.A, "example.com", Answer(60, addresses=("192.0.2.9",)))
    return names


def test_naptr_then_srv_then_addresses() -> None:
    names = example()
    found = now(resolver(names).resolve(parse_uri("sip:alice@Example.com")))
    assert found == [
        Address("192.0.2.1", 5061, TLS, domain="example.com"),
        Address("192.0.2.2", 5060, TCP),
        Address("192.0.2.3", 5060, TCP),
        Address("192.0.2.4", 5070, TCP),
        Address("2001:db8::4", 5070, TCP),
    ]
    assert "SRV _sip._udp.example.com" in names.asked


def test_sips_takes_tls_only_and_what_we_cannot_speak_is_left_out() -> None:
    secure = [Address("192.0.2.1", 5061, TLS, domain="example.com")]
    assert now(resolver(example()).resolve(parse_uri("sips:example.com"))) == secure
    without = resolver(example(), transports=(UDP, TCP), kinds=(Kind.A,))
    assert {one.transport for one in now(without.resolve(parse_uri("sip:example.com")))} == {
        TCP
    }


@pytest.mark.parametrize(
    ("uri", "configured", "expected", "asked"),
    [
        ("sip:192.0.2.7", None, Address("192.0.2.7", 5060), []),
        ("sip:[2001:db8::7]:5099", None, Address("2001:db8::7", 5099), []),
        ("sip:x;maddr=192.0.2.8;transport=TCP", None, Address("192.0.2.8", 5060, TCP), []),
        ("sips:192.0.2.7", None, Address("192.0.2.7", 5061, TLS), []),
        ("sips:192.0.2.7;transport=tcp", None, Address("192.0.2.7", 5061, TLS), []),
        ("sip:192.0.2.7", TCP, Address("192.0.2.7", 5060, TCP), []),
        ("sip:192.0.2.7;transport=udp", TLS, Address("192.0.2.7", 5060, UDP), []),
        (
            "sip:example.com:5080",
            None,
            Address("192.0.2.9", 5080),
            ["A example.com", "AAAA example.com"],
        ),
        (
            "sip:one.example.com;transport=tcp",
            None,
            Address("192.0.2.2", 5060, TCP),
            ["SRV _sip._tcp.one.example.com", "A one.example.com", "AAAA one.example.com"],
        ),
        (
            "sips:secure.example.com",
            TLS,
            Address("192.0.2.1", 5061, TLS, domain="secure.example.com"),
            [
                "SRV _sips._tcp.secure.example.com",
                "A secure.example.com",
                "AAAA secure.example.com",
            ],
        ),
        (
            "sip:two.example.com",
            None,
            Address("192.0.2.4", 5060),
            [
                "NAPTR two.example.com",
                "SRV _sip._udp.two.example.com",
                "SRV _sip._tcp.two.example.com",
                "SRV _sips._tcp.two.example.com",
                "A two.example.com",
                "AAAA two.example.com",
            ],
        ),
    ],
)
def test_what_is_looked_up(
    uri: str, configured: Transport | None, expected: Address, asked: list[str]
) -> None:
    names = example()
    assert now(resolver(names).resolve(parse_uri(uri), configured))[0] == expected
    assert names.asked == asked


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("tel:+331", "tel"),
        ("sip:example.com;transport=sctp", "not spoken"),
        ("sips:example.com;transport=udp", "over UDP"),
        ("sip:example.com;transport=tls", "not switched on"),
        ("sip:nowhere.example.com", "no address for nowhere.example.com"),
        ("sip:broken.example.com:5060", "broken"),
    ],
)
def test_what_cannot_be_reached_says_why(uri: str, why: str) -> None:
    names = example()
    names.add(Kind.A, "broken.example.com", NameServiceError("A of broken"))
    with pytest.raises(NameServiceError, match=why):
        now(resolver(names, transports=(UDP, TCP)).resolve(parse_uri(uri)))


def test_a_service_that_is_decidedly_not_there_has_no_servers() -> None:
    names = FakeNames()
    names.add(Kind.SRV, "_sip._udp.h", Answer(60, srv=(Srv(0, 0, 5060, ""),)))
    with pytest.raises(NameServiceError):
        now(resolver(names).resolve(parse_uri("sip:h;transport=udp")))


def test_a_name_server_that_chokes_on_naptr_is_asked_for_srv() -> None:
    names = example()
    names.add(Kind.NAPTR, "example.com", NameServiceError("SERVFAIL"))
    found = now(resolver(names).resolve(parse_uri("sip:example.com")))
    assert found[0] == Address("192.0.2.2", 5060, TCP)


def test_weights_are_kept_over_many_draws() -> None:
    names = FakeNames()
    records = tuple(Srv(0, weight, 5060, f"192.0.2.{weight}") for weight in (0, 10, 30, 60))
    names.add(Kind.SRV, "_sip._udp.h", Answer(60, srv=records))
    drawn: dict[str, int] = {}
    for number in range(101):
        one = Resolver(names, below=lambda limit, n=number: n * limit // 101)  # type: ignore[misc] # bound now
        first, *rest = now(one.resolve(parse_uri("sip:h;transport=udp")))
        assert len({first, *rest}) == 4
        drawn[first.host] = drawn.get(first.host, 0) + 1
    assert drawn == {"192.0.2.0": 1, "192.0.2.10": 10, "192.0.2.30": 30, "192.0.2.60": 60}


def test_an_answer_is_kept_as_long_as_it_says_and_used_when_nobody_answers() -> None:
    clock, names = Clock(), FakeNames()
    cached = CachedNames(clock, names)
    names.add(Kind.A, "h", Answer(30, addresses=("192.0.2.1",)))
    for _ in range(2):
        assert now(cached.lookup(Kind.A, "H.")).addresses == ("192.0.2.1",)
        assert now(cached.lookup(Kind.A, "absent")) == Answer()
    assert names.asked == ["A h", "A absent"]
    clock.advance(30)
    names.add(Kind.A, "h", NameServiceError("time-out"))
    assert now(cached.lookup(Kind.A, "h")).addresses == ("192.0.2.1",)
    names.add(Kind.A, "h", Answer(30, addresses=("192.0.2.2",)))
    assert now(cached.lookup(Kind.A, "h")).addresses == ("192.0.2.2",)
    clock.advance(NEGATIVE_TTL)
    now(cached.lookup(Kind.A, "absent"))
    assert names.asked.count("A absent") == 2


def test_a_failure_is_said_when_nothing_is_known_and_is_not_kept() -> None:
    names = FakeNames()
    names.add(Kind.A, "h", NameServiceError("time-out"))
    cached = CachedNames(Clock(), names)
    with pytest.raises(NameServiceError):
        now(cached.lookup(Kind.A, "h"))
    names.add(Kind.A, "h", Answer(30, addresses=("192.0.2.2",)))
    assert now(cached.lookup(Kind.A, "h")).addresses == ("192.0.2.2",)


def test_a_flood_of_names_fills_no_memory() -> None:
    cached = CachedNames(Clock(), FakeNames())
    for number in range(3000):
        now(cached.lookup(Kind.A, f"h{number}"))
    assert len(cached._known) == 1024


def test_resolv_conf_is_read(tmp_path: Any) -> None:
    file = tmp_path / "resolv.conf"
    assert name_servers(file) == [("127.0.0.1", 53)]
    file.write_text(
        "# x\nsearch a\nnameserver 192.0.2.1\nnameserver 2001:db8::1 # y\noptions z\n"
    )
    assert name_servers(file) == [("192.0.2.1", 53), ("2001:db8::1", 53)]


class Zone(FileAuthority):  # type: ignore[misc] # Twisted has no types for it
    """A zone made here."""

    def __init__(self) -> None:
        name = b"example.com"
        self.soa: Any = (name, dns.Record_SOA(name, name, 1, 1, 1, 1, 300, 300))
        self.records = {
            name: [
                self.soa[1],
                dns.Record_NAPTR(50, 50, b"s", b"SIP+D2U", b"", b"_sip._udp.example.com", 77),
            ],
            b"_sip._udp.example.com": [dns.Record_SRV(1, 5, 5070, b"one.example.com", 77)],
            b"one.example.com": [
                dns.Record_A("192.0.2.5", 77),
                dns.Record_AAAA("2001:db8::5", 77),
            ],
        }
        super().__init__("")

    def loadFile(self, filename: str) -> None:  # noqa: N802 - Twisted's name
        """Load nothing: the records are there."""


async def test_a_real_name_server_over_the_real_reactor() -> None:
    protocol = dns.DNSDatagramProtocol(server.DNSServerFactory([Zone()], verbose=0))
    port = reactor.listenUDP(0, protocol, "127.0.0.1")
    names = TwistedNames(reactor, [("127.0.0.1", port.getHost().port)])
    loop = asyncio.get_running_loop()

    def found(uri: str) -> asyncio.Future[list[Address]]:
        work = Resolver(CachedNames(reactor, names)).resolve(parse_uri(uri))
        return Deferred.fromCoroutine(work).asFuture(loop)

    try:
        assert await found("sip:example.com") == [
            Address("192.0.2.5", 5070),
            Address("2001:db8::5", 5070),
        ]
        with pytest.raises(NameServiceError, match="no address"):
            await found("sip:absent.example.com:5060")
        answer = await Deferred.fromCoroutine(
            names.lookup(Kind.SRV, "_sip._udp.example.com")
        ).asFuture(loop)
        assert answer == Answer(77, srv=(Srv(1, 5, 5070, "one.example.com"),))
    finally:
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)


async def test_a_name_server_that_is_silent_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ivr.sip.twisted_names.TIMEOUTS", (0.01, 0.01))
    hole = reactor.listenUDP(0, DatagramProtocol(), "127.0.0.1")
    names = TwistedNames(reactor, [("127.0.0.1", hole.getHost().port)])
    loop = asyncio.get_running_loop()
    try:
        with pytest.raises(NameServiceError, match="A of example"):
            await Deferred.fromCoroutine(names.lookup(Kind.A, "example.com")).asFuture(loop)
    finally:
        closed = hole.stopListening()
        if closed is not None:
            await closed.asFuture(loop)
