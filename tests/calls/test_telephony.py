"""From the settings to open ports, a guard and trunks."""

import asyncio
from ipaddress import ip_network

import pytest
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from ivr.calls.telephony import (
    Ports,
    guard_of,
    registrar_of,
    resolver_of,
    srtp_of_trunks,
    timers_of,
    trunks_of,
)
from ivr.media.security import SrtpPolicy
from ivr.settings_sip import SipSettings
from ivr.sip import Address, Transport
from ivr.sip.overload import LagMeter
from ivr.sip.session_timer import TimerPolicy
from tests.sip.wire import request

LOOPBACK = {"host": "127.0.0.1", "port": 0}
TRUNK = {"name": "carrier", "domain": "sip.carrier.example"}


def settings(**more: object) -> SipSettings:
    return SipSettings.model_validate({**LOOPBACK, **more})


def ports(wanted: SipSettings) -> Ports:
    return Ports(wanted, reactor, guard_of(wanted, reactor, LagMeter(reactor)))


async def closed(ports: Ports) -> None:
    await ports.transports.close().asFuture(asyncio.get_running_loop())


async def test_the_configured_ports_are_open_and_told_by_their_public_address() -> None:
    tcp = {"transport": "tcp", "host": "127.0.0.1", "port": 0, "public_host": "192.0.2.9"}
    opened = ports(settings(listeners=[tcp, {**tcp, "deny": ["127.0.0.0/8"]}]))
    udp, first, second = opened.addresses
    assert (udp.host, udp.transport) == ("127.0.0.1", Transport.UDP)
    assert (first.host, first.transport) == ("192.0.2.9", Transport.TCP)
    got: asyncio.Queue[bytes] = asyncio.Queue()
    opened.transports.attach(lambda data, source: got.put_nowait(data), lambda to: None)
    message = request("OPTIONS")
    _, writer = await asyncio.open_connection("127.0.0.1", first.port)
    writer.write(message)
    assert await got.get() == message
    denied, other = await asyncio.open_connection("127.0.0.1", second.port)
    assert await denied.read() == b""
    writer.close()
    other.close()
    await closed(opened)


async def test_a_port_that_is_taken_leaves_none_open() -> None:
    opened = ports(settings(listeners=[{**LOOPBACK, "transport": "tcp"}]))
    udp, tcp = opened.addresses
    with pytest.raises(CannotListenError):
        ports(settings(listeners=[{"transport": "tcp", "host": "127.0.0.1", "port": tcp.port}]))
    await closed(opened)
    again = ports(settings(port=udp.port))
    assert again.addresses == [udp]
    await closed(again)


def test_the_guard_knows_the_networks_of_trunks_and_ones_own() -> None:
    wanted = settings(
        trunks=[{**TRUNK, "allowed_sources": ["198.51.100.0/24"]}],
        protection={"known": ["192.0.2.0/24"], "denied": ["192.0.2.7"], "unknown": "drop"},
    )
    clock = Clock()
    guard = guard_of(wanted, clock, LagMeter(clock))
    heard = {
        host: guard.hears(request("OPTIONS"), Address(host, 5060))
        for host in ("192.0.2.1", "192.0.2.7", "198.51.100.3", "203.0.113.1")
    }
    assert heard == {
        "192.0.2.1": True,
        "192.0.2.7": False,
        "198.51.100.3": True,
        "203.0.113.1": False,
    }


def test_a_trunk_is_as_it_is_configured() -> None:
    [trunk] = trunks_of(
        settings(
            trunks=[
                {
                    **TRUNK,
                    "transport": "tls",
                    "user": "me",
                    "password": "secret",
                    "register": True,
                    "allowed_sources": ["198.51.100.0/24"],
                    "allowed_domains": ["sip.carrier.example"],
                    "max_calls": 3,
                }
            ]
        )
    )
    assert (trunk.name, trunk.domain, trunk.transport) == (
        "carrier",
        "sip.carrier.example",
        Transport.TLS,
    )
    assert (trunk.user, trunk.credentials[0].password) == ("me", "secret")
    assert trunk.registers
    assert trunk.allowed_sources == (ip_network("198.51.100.0/24"),)
    assert trunk.allowed_domains == ("sip.carrier.example",)
    assert trunk.max_calls == 3


def test_a_trunks_calls_are_encrypted_as_it_says_and_otherwise_as_all() -> None:
    wanted = settings(trunks=[{**TRUNK, "srtp": "required"}, {**TRUNK, "name": "pbx"}])
    assert srtp_of_trunks(wanted) == {"carrier": SrtpPolicy.REQUIRED}


def test_session_timers_are_as_configured() -> None:
    assert timers_of(settings()) == TimerPolicy()
    shorter = settings(session_timer={"session_expires": 600, "min_se": 300})
    assert timers_of(shorter) == TimerPolicy(interval=600, minimum=300)
    with pytest.raises(ValueError, match="below min_se"):
        settings(session_timer={"session_expires": 600, "min_se": 900})


def test_an_address_says_nothing_of_a_trunk_that_has_to_prove_itself() -> None:
    proving = {
        **TRUNK,
        "transport": "tls",
        "allowed_sources": ["198.51.100.0/24"],
        "allowed_domains": ["sip.carrier.example"],
    }
    wanted = settings(trunks=[proving], protection={"known": ["192.0.2.1"], "unknown": "drop"})
    guard = guard_of(wanted, Clock(), LagMeter(Clock()))
    assert not guard.hears(request("OPTIONS"), Address("198.51.100.3", 5060))
    with pytest.raises(ValueError, match="client_ca"):
        settings(trunks=[{**proving, "transport": "udp"}])


@pytest.mark.parametrize("name", ["", "with space", "a" * 41, "a4242424242424242", "é"])
def test_a_trunks_name_can_stand_in_events(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        settings(trunks=[{**TRUNK, "name": name}])


def test_a_trunk_that_cannot_be_is_named() -> None:
    wanted = settings(trunks=[{**TRUNK, "outbound_proxy": "no uri", "password": "secret"}])
    with pytest.raises(ValueError, match=r"sip\.trunks, carrier: outbound_proxy") as refused:
        list(trunks_of(wanted))
    assert "secret" not in str(refused.value)


def test_what_is_not_configured_is_not_there() -> None:
    assert registrar_of(settings(), Clock()) is None
    assert resolver_of(settings(), reactor) is None
    assert list(trunks_of(settings())) == []
