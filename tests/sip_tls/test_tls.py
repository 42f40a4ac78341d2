"""TLS on loopback: who is let in, who is believed, and what changes without a restart."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from twisted.internet import reactor

from ivr.sip import Address, Transport
from ivr.sip.connection import StreamLimits
from ivr.sip.errors import TlsFileError
from ivr.sip.tls import ClientTls, ServerTls
from ivr.sip.transports import Transports
from tests.sip.test_transports import MESSAGE, Node, nodes
from tests.sip_tls.authority import Authority, Files

ANYWHERE = Address("127.0.0.1", 0, Transport.TLS)


class Caller(Node):
    """Calls with TLS of these files."""

    def __init__(self, ca: Path, own: Files | None = None) -> None:
        shown = {"certificate": own.certificate, "key": own.key} if own else {}
        tls = ClientTls(ca=ca, **shown)
        limits = StreamLimits(ping=1000)
        super().__init__(Transports(reactor, limits=limits, client_tls=lambda to: tls))


def server_tls(own: Files, **more: object) -> ServerTls:
    return ServerTls(own.certificate, own.key, **more)  # type: ignore[arg-type] # as given


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("sip:pay.example.com", "pay.example.com"),
        ("pay.example.com", "PAY.example.com"),
        ("127.0.0.1", ""),
    ],
)
async def test_a_message_and_its_answer(tmp_path: Path, name: str, domain: str) -> None:
    authority = Authority(tmp_path)
    async with nodes(lambda: Caller(authority.file), Node) as (caller, called):
        local = called.transports.listen(ANYWHERE, tls=server_tls(authority.issue(name)))
        target = local._replace(domain=domain)
        caller.transports.send(MESSAGE, target)
        data, source = await called.got.get()
        assert (data, source.transport) == (MESSAGE, Transport.TLS)
        called.transports.send(MESSAGE, source)
        assert await caller.got.get() == (MESSAGE, local)
        proof = called.transports.connections.proof(source)
        assert proof is not None
        assert not proof.proves("pay.example.com")


@pytest.mark.parametrize("name", ["sip:other.example.com", "*.example.com", "127.0.0.1"])
async def test_nothing_is_told_to_who_proves_another_domain(tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path)
    async with nodes(lambda: Caller(authority.file), Node) as (caller, called):
        local = called.transports.listen(ANYWHERE, tls=server_tls(authority.issue(name)))
        target = local._replace(domain="pay.example.com")
        caller.transports.send(MESSAGE, target)
        assert await caller.lost.get() == target
        assert called.got.empty()


async def test_nothing_is_told_to_who_is_certified_by_nobody_we_know(tmp_path: Path) -> None:
    mallory = Authority(tmp_path, "mallory").issue("127.0.0.1")
    trusted = Authority(tmp_path)
    async with nodes(lambda: Caller(trusted.file), Node) as (caller, called):
        local = called.transports.listen(ANYWHERE, tls=server_tls(mallory))
        caller.transports.send(MESSAGE, local)
        assert await caller.lost.get() == local
        assert called.got.empty()


async def test_a_connection_to_one_domain_is_not_used_for_another(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("sip:a.example.com", "sip:b.example.com")
    async with nodes(lambda: Caller(authority.file), Node) as (caller, called):
        local = called.transports.listen(ANYWHERE, tls=server_tls(own))
        sources = set()
        for domain in ("a.example.com", "b.example.com", "a.example.com", "b.example.com"):
            caller.transports.send(MESSAGE, local._replace(domain=domain))
            sources.add((await called.got.get())[1])
        assert len(sources) == 2
        lost = local._replace(domain="c.example.com")
        caller.transports.send(MESSAGE, lost)
        assert await caller.lost.get() == lost


async def test_a_client_certificate_can_be_demanded(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trunk = authority.issue("sip:trunk.example.com", to="trunk")
    stranger = Authority(tmp_path, "mallory").issue("sip:trunk.example.com", to="stranger")
    tls = server_tls(
        authority.issue("127.0.0.1"), client_ca=authority.file, require_client=True
    )
    async with nodes(
        Node,
        lambda: Caller(authority.file, trunk),
        lambda: Caller(authority.file),
        lambda: Caller(authority.file, stranger),
    ) as (called, known, nobody, mallory):
        local = called.transports.listen(ANYWHERE, tls=tls)
        for one in (nobody, mallory):
            one.transports.send(MESSAGE, local)
            assert await one.lost.get() == local
        known.transports.send(MESSAGE, local)
        _, source = await called.got.get()
        proof = called.transports.connections.proof(source)
        assert proof is not None
        assert proof.proves("trunk.example.com")
        assert called.got.empty()


async def test_a_client_certificate_can_be_left_to_the_client(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trunk = authority.issue("sip:trunk.example.com", to="trunk")
    tls = server_tls(authority.issue("127.0.0.1"), client_ca=authority.file)
    async with nodes(
        Node, lambda: Caller(authority.file, trunk), lambda: Caller(authority.file)
    ) as (called, known, nobody):
        local = called.transports.listen(ANYWHERE, tls=tls)
        proven = []
        for one in (known, nobody):
            one.transports.send(MESSAGE, local)
            proof = called.transports.connections.proof((await called.got.get())[1])
            assert proof is not None
            proven.append(proof.proves("trunk.example.com"))
        assert proven == [True, False]


async def _greet(local: Address, context: ssl.SSLContext) -> bytes:
    """Return the certificate that a TLS port shows."""
    _, writer = await asyncio.open_connection(local.host, local.port, ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return shown


def _open_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_tls_1_2_is_the_least(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("127.0.0.1")
    async with nodes(Node) as (called,):
        local = called.transports.listen(ANYWHERE, tls=server_tls(own))
        old, least = _open_context(), _open_context()
        for context in (old, least):
            context.set_ciphers("DEFAULT@SECLEVEL=0")
        least.minimum_version = least.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await _greet(local, least)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _greet(local, old)


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("127.0.0.1")
    async with nodes(Node) as (called,):
        local = called.transports.listen(ANYWHERE, tls=server_tls(own))
        first = await _greet(local, _open_context())
        assert await _greet(local, _open_context()) == first
        authority.issue("127.0.0.1")
        os.utime(own.certificate, (1, 1))  # whatever the file system's clock resolves
        second = await _greet(local, _open_context())
        assert second != first
        own.key.write_text("half written")
        with capture_logs() as logs:
            assert await _greet(local, _open_context()) == second
        assert [entry["event"] for entry in logs] == ["sip-tls-not-reloaded"]


async def test_what_is_no_tls_is_hung_up_on(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("127.0.0.1")
    async with nodes(Node) as (called,):
        local = called.transports.listen(ANYWHERE, tls=server_tls(own))
        reader, writer = await asyncio.open_connection(local.host, local.port)
        writer.write(MESSAGE)
        await reader.read()
        writer.close()
        assert called.got.empty()
        assert len(called.transports.connections) == 0


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, other = authority.issue("a"), authority.issue("b", to="other")
    none = tmp_path / "none.pem"
    with pytest.raises(TlsFileError, match=r"none\.pem: No such file"):
        ServerTls(none, own.key)
    with pytest.raises(TlsFileError, match=r"node\.pem: no PEM key"):
        ServerTls(own.certificate, own.certificate)
    with pytest.raises(TlsFileError, match=r"node\.key: no PEM certificate"):
        ServerTls(own.key, own.key)
    with pytest.raises(TlsFileError, match=r"other\.key: not the key of .*node\.pem"):
        ServerTls(own.certificate, other.key)
    with pytest.raises(TlsFileError, match=r"none\.pem"):
        ClientTls(ca=none)
