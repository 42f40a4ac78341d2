"""From the settings to the SIP side of a node: ports, TLS, the guard, trunks."""

import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.clock import Clock
from ivr.media.security import SrtpPolicy
from ivr.settings_sip import SipListener, SipProtection, SipSettings, SipTrunk
from ivr.sip.access import AccessList
from ivr.sip.address import Address, Transport
from ivr.sip.connection import StreamLimits
from ivr.sip.digest_client import Credentials
from ivr.sip.guard import Guard, Policy, Treatment
from ivr.sip.names import CachedNames
from ivr.sip.overload import LagMeter
from ivr.sip.registrar import Registrar
from ivr.sip.resolution import Resolver
from ivr.sip.session_timer import TimerPolicy
from ivr.sip.transports import TransportReactor, Transports
from ivr.sip.trunk import Trunk
from ivr.sip.twisted_names import TwistedNames, name_servers
from ivr.sip.uri import parse_uri

if TYPE_CHECKING:
    # OpenSSL is only loaded by who configures TLS.
    from ivr.sip.tls import ClientTls, ServerTls


class Ports:
    """All SIP ports of a node, open. `addresses` are what others reach them at, UDP first.

    Raise CannotListenError; TlsFileError.
    """

    def __init__(self, settings: SipSettings, reactor: TransportReactor, guard: Guard) -> None:
        wanted = settings.connections
        self.transports = Transports(
            reactor,
            limits=StreamLimits(
                max_message=settings.protection.max_message,
                finish=wanted.finish,
                idle=wanted.idle,
                ping=wanted.ping,
                connect=wanted.connect,
                per_source=wanted.per_source,
                total=wanted.total,
            ),
            client_tls=_client_tls(settings.trunks),
        )
        named = [trunk for trunk in trunks_of(settings) if trunk.allowed_domains]
        proof = self.transports.connections.proof
        guard.proven = lambda source: any(
            trunk.allows(source.host, proof(source)) for trunk in named
        )
        self.addresses: list[Address] = []
        main = SipListener(
            transport="udp",
            host=settings.host,
            port=settings.port,
            public_host=settings.public_host,
        )
        try:
            for one in (main, *settings.listeners):
                self._open(one, guard, may_prove=bool(named) and one.client_ca is not None)
        except BaseException:
            self.transports.close()
            raise

    def _open(self, one: SipListener, guard: Guard, *, may_prove: bool) -> None:
        own = AccessList(map(str, one.allow), map(str, one.deny))
        local = self.transports.listen(
            Address(one.host, one.port, Transport(one.transport)),
            tls=_server_tls(one),
            admits=lambda host: own.admits(host) and guard.admits(host, may_prove=may_prove),
        )
        public = one.public_host or own_address(one.host)
        self.addresses.append(local._replace(host=public))


def guard_of(settings: SipSettings, clock: Clock, lag: LagMeter) -> Guard:
    """Return what decides who is heard."""
    wanted = settings.protection
    networks = [*wanted.known]
    for trunk in settings.trunks:
        # Elsewhere an address alone is proof enough.
        networks += () if trunk.allowed_domains else trunk.allowed_sources
    known = AccessList(map(str, networks)) if networks else None
    return Guard(clock, _policy(wanted, known), lag)


def _policy(wanted: SipProtection, known: AccessList | None) -> Policy:
    return Policy(
        known=known,
        denied=AccessList(deny=map(str, wanted.denied)),
        unknown=Treatment(wanted.unknown),
        scanners=Treatment(wanted.scanners),
        calls=wanted.calls_per_second,
        calls_at_once=wanted.calls_at_once,
        registrations=wanted.registrations_per_second,
        requests=wanted.requests_per_second,
        malformed=wanted.malformed_per_second,
        max_message=wanted.max_message,
    )


def timers_of(settings: SipSettings) -> TimerPolicy:
    """Return the session intervals that we want (RFC 4028)."""
    wanted = settings.session_timer
    return TimerPolicy(wanted.session_expires, wanted.min_se)


def srtp_of_trunks(settings: SipSettings) -> dict[str, SrtpPolicy]:
    """Return by the names of trunks whether their calls are encrypted, where they say it."""
    return {one.name: SrtpPolicy(one.srtp) for one in settings.trunks if one.srtp is not None}


def registrar_of(settings: SipSettings, clock: Clock) -> Registrar | None:
    """Return what telephones register with, None when there are none."""
    if not settings.users:
        return None
    users = {user.name: user.password.get_secret_value() for user in settings.users}
    return Registrar(clock, settings.realm, users)


def resolver_of(settings: SipSettings, reactor: TransportReactor) -> Resolver | None:
    """Return what looks up the targets of trunks, None when there are none."""
    if not settings.trunks:
        return None
    return Resolver(CachedNames(reactor, TwistedNames(reactor, name_servers())))


def trunks_of(settings: SipSettings) -> Iterator[Trunk]:
    """Return the trunks. Raise ValueError, naming the trunk and the setting."""
    for one in settings.trunks:
        try:
            yield _trunk(one)
        except ValueError as error:
            raise ValueError(f"sip.trunks, {one.name}: {error}") from None


def _trunk(one: SipTrunk) -> Trunk:
    secret = Credentials(one.user, one.password.get_secret_value(), one.realm)
    return Trunk(
        name=one.name,
        domain=one.domain,
        transport=None if one.transport is None else Transport(one.transport),
        credentials=(secret,) if one.user else (),
        registers=one.register_,
        register_expires=one.register_expires,
        outbound_proxy=one.outbound_proxy,
        caller=one.caller,
        caller_name=one.caller_name,
        asserted_identity=one.asserted_identity,
        allowed_sources=one.allowed_sources,
        allowed_domains=one.allowed_domains,
        max_calls=one.max_calls,
        ping_interval=one.ping_interval,
        follow_redirects=one.follow_redirects,
        failover_after=one.failover_after,
        answer_within=one.answer_within,
    )


def _server_tls(one: SipListener) -> "ServerTls | None":
    if one.certificate is None or one.key is None:
        return None
    from ivr.sip.tls import ServerTls  # noqa: PLC0415 - as above

    return ServerTls(
        one.certificate, one.key, client_ca=one.client_ca, require_client=one.require_client
    )


def _client_tls(trunks: tuple[SipTrunk, ...]) -> "Callable[[Address], ClientTls]":
    """Return what says how TLS is spoken to an address: as its trunk wants it."""
    of: dict[str, ClientTls] = {}
    for one in trunks:
        if one.transport == "tls" or one.ca is not None or one.certificate is not None:
            own = _tls_with(one.ca, one.certificate, one.key)
            of.update(dict.fromkeys(_hosts(one), own))
    return lambda to: of.get(to.domain or to.host) or _tls_with(None, None, None)


@cache
def _tls_with(ca: Path | None, certificate: Path | None, key: Path | None) -> "ClientTls":
    from ivr.sip.tls import ClientTls  # noqa: PLC0415 - as above

    return ClientTls(ca=ca, certificate=certificate, key=key)


def _hosts(one: SipTrunk) -> set[str]:
    """Return the domains and addresses that are this trunk's."""
    trunk = _trunk(one)
    uris = [trunk.home(), *([parse_uri(one.outbound_proxy)] if one.outbound_proxy else [])]
    return {uri.host.strip("[]").lower() for uri in uris}


def own_address(host: str) -> str:
    """Return the address to tell telephones when all interfaces are listened on."""
    if host not in ("0.0.0.0", "::"):
        return host
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; the kernel chooses the interface.
            probe.connect(("2001:db8::1" if host == "::" else "192.0.2.1", 9))
        except OSError:
            return "::1" if host == "::" else "127.0.0.1"
        return str(probe.getsockname()[0])
