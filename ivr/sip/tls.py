"""TLS for connections: what we prove, and what we demand (RFC 3261 §26.3, RFC 5922)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer  # type: ignore[import-untyped] # has no types

from ivr.sip.address import is_ip
from ivr.sip.certificates import Peer, peer_named_by
from ivr.sip.errors import TlsFileError

log = structlog.get_logger()

_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES"
"""Of TLS 1.2, all with forward secrecy; TLS 1.3 has no others."""


class _Files:
    """A TLS context made of files, and made again when one of them has changed.

    A change that cannot be used is logged, and the context kept.
    """

    def __init__(self, make: Callable[[], SSL.Context], *paths: Path | None) -> None:
        self._make = make
        self._paths = [path for path in paths if path is not None]
        self._seen = self._stamps()
        self._context = make()

    @property
    def context(self) -> SSL.Context:
        """The context for the next connection."""
        seen = self._stamps()
        if seen != self._seen:
            self._seen = seen
            try:
                self._context = self._make()
            except TlsFileError as error:
                log.warning("sip-tls-not-reloaded", error=str(error))
            else:
                log.info("sip-tls-reloaded")
        return self._context

    def _stamps(self) -> list[tuple[int, int]]:
        stamps = []
        for path in self._paths:
            try:
                stat = path.stat()
            except OSError:
                stamps.append((0, 0))
            else:
                stamps.append((stat.st_mtime_ns, stat.st_size))
        return stamps


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """What a TLS port proves: a certificate (PEM, with its chain) and its key.

    With `client_ca` clients are asked for a certificate of these authorities, and
    those without one turned away if `require_client`. TLS 1.2 at least. The files
    are read again when they change. Raise TlsFileError.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        client_ca: Path | None = None,
        require_client: bool = False,
    ) -> None:
        def make() -> SSL.Context:
            context = _context(certificate, key, client_ca)
            if client_ca is not None and not require_client:
                context.set_verify(SSL.VERIFY_PEER)
            return context

        self._files = _Files(make, certificate, key, client_ca)

    def over(self, factory: ServerFactory) -> ServerFactory:
        """Return `factory` with TLS below its connections."""
        creator = cast("IOpenSSLServerConnectionCreator", self)
        tls = _TlsFactory(creator, False, cast("IProtocolFactory", factory))
        return cast("ServerFactory", tls)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802
        """Begin one connection; for Twisted."""
        return SSL.Connection(self._files.context, None)


class ClientTls:
    """What we prove and demand where we connect to.

    `ca` is a PEM file of the authorities that are believed, None for those of the
    system; `certificate` and `key` are what we show when we are asked. TLS 1.2 at
    least. The files are read again when they change. Raise TlsFileError.
    """

    def __init__(
        self,
        *,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self._files = _Files(
            lambda: _context(certificate, key, ca, system=ca is None), certificate, key, ca
        )

    def over(self, endpoint: IStreamClientEndpoint, domain: str) -> IStreamClientEndpoint:
        """Return `endpoint` with TLS; `domain` is whom we ask for (RFC 6066 §3)."""
        creator = cast("IOpenSSLClientConnectionCreator", _Client(self._files, domain))
        return wrapClientTLS(creator, endpoint)


@implementer(IOpenSSLClientConnectionCreator)
class _Client:
    def __init__(self, files: _Files, domain: str) -> None:
        self._files = files
        self._domain = domain

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802
        connection = SSL.Connection(self._files.context, None)
        if self._domain and not is_ip(self._domain):
            connection.set_tlsext_host_name(self._domain.encode("idna"))
        return connection


class _TlsFactory(TLSMemoryBIOFactory):
    """As Twisted's, for a factory that turns some away."""

    noisy = False

    def buildProtocol(  # type: ignore[override] # noqa: N802 - None is what turns away
        self,
        addr: IAddress | None,
    ) -> TLSMemoryBIOProtocol | None:
        wrapped = self.wrappedFactory.buildProtocol(addr)
        if wrapped is None:
            return None
        return TLSMemoryBIOProtocol(self, wrapped)  # type: ignore[no-untyped-call] # Twisted's


class _TlsTransport(Protocol):
    """Twisted's TLS transport, typed."""

    def getPeerCertificate(self) -> crypto.X509 | None:  # noqa: N802 - Twisted's name
        """Return what the other end showed, verified."""


def peer_of(transport: object) -> Peer:
    """Return who the other end of a TLS transport proved to be."""
    certificate = cast("_TlsTransport", transport).getPeerCertificate()
    return peer_named_by(None if certificate is None else certificate.to_cryptography())


def _context(
    certificate: Path | None, key: Path | None, ca: Path | None, *, system: bool = False
) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(_CIPHERS)
    if certificate is not None and key is not None:
        _show(context, certificate, key)
    if ca is not None:
        _read(ca)
        try:
            context.load_verify_locations(str(ca))
        except SSL.Error:
            raise TlsFileError(f"{ca}: no PEM certificate") from None
    elif system:
        context.set_default_verify_paths()
    if ca is not None or system:
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


def _show(context: SSL.Context, certificate: Path, key: Path) -> None:
    """Let a context prove who we are. What fails is told without quoting a file."""
    try:
        own, *chain = load_pem_x509_certificates(_read(certificate))
    except ValueError:
        raise TlsFileError(f"{certificate}: no PEM certificate") from None
    try:
        private = load_pem_private_key(_read(key), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise TlsFileError(f"{key}: no PEM key, or one with a passphrase") from None
    context.use_certificate(own)
    for one in chain:
        context.add_extra_chain_cert(one)
    try:
        context.use_privatekey(cast("Any", private))
        context.check_privatekey()
    except SSL.Error:
        raise TlsFileError(f"{key}: not the key of {certificate}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFileError(f"{path}: {error.strerror}") from error
