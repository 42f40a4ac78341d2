"""Requests that we send inside a dialog (RFC 3261 §12.2.1), authenticated where asked (§22)."""

from collections.abc import Callable, Iterable

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.client_transaction import (
    ClientTransactions,
    Failure,
    InviteClient,
    InviteUser,
    OnFinal,
    cancel_of,
)
from ivr.sip.dialog import Dialog
from ivr.sip.digest_client import DigestExchange
from ivr.sip.identity import Identity
from ivr.sip.message import Request, Response
from ivr.sip.timers import GIVE_UP, Lingering

Lines = Iterable[tuple[str, str]]
_CREDENTIALS = ("Authorization", "Proxy-Authorization")


PATIENCE = 2 * GIVE_UP
"""Seconds that a re-INVITE may take: nobody has to be fetched to the telephone."""


class DialogClient:
    """Sends requests inside dialogs."""

    def __init__(self, clock: Clock, identity: Identity, clients: ClientTransactions) -> None:
        self.clock = clock
        self._identity = identity
        self._clients = clients
        self._patience: Lingering[tuple[InviteClient, Request]] = Lingering(
            clock, PATIENCE, self._too_late
        )

    def close(self) -> None:
        """Cancel the timer."""
        self._patience.clear()

    def ask(
        self, dialog: Dialog, method: str, headers: Lines, body: bytes, on_final: OnFinal
    ) -> None:
        """Send any request but INVITE and ACK until it is answered."""
        if dialog.credentials is None:
            request, to = dialog.request(method, self._identity.via, headers, body)
            self._clients.begin(request, to, on_final)
        else:
            exchange = dialog.credentials.exchange()
            content = (tuple(headers), body)
            _Authenticated(self, dialog, method, content, exchange, on_final).send()

    def once(self, dialog: Dialog, method: str, headers: Lines = ()) -> None:
        """Send a request and hear no answer."""
        request, to = dialog.request(method, self._identity.via, headers)
        self._clients.send(request.render(), to)

    def invite(
        self,
        dialog: Dialog,
        headers: Lines,
        body: bytes,
        user: InviteUser,
        exchange: DigestExchange | None = None,
    ) -> tuple[InviteClient, Request]:
        """Send a re-INVITE, with credentials as far as `exchange` knows them."""
        request, to = self._request(dialog, "INVITE", headers, body, exchange)
        client = self._clients.invite(request, to, user)
        self._patience.add((client, request))
        return client, request

    def acknowledge(
        self, client: InviteClient, dialog: Dialog, invite: Request, body: bytes, headers: Lines
    ) -> None:
        """Send the ACK of a 2xx, and again with each copy of that (§13.2.2.4).

        `invite` is the request that was accepted: its credentials hold for the ACK (§22.1).
        """
        lines = [*headers]
        for name in _CREDENTIALS:
            lines.extend((name, value) for value in invite.headers.lines(name))
        ack, to = dialog.request(
            "ACK", self._identity.via, lines, body, cseq=invite.cseq.number
        )
        client.user = again = _Acknowledgement(self._clients.send, ack.render(), to)
        again.send()

    def attempt(
        self,
        dialog: Dialog,
        method: str,
        content: tuple[Lines, bytes],
        exchange: DigestExchange,
        on_final: OnFinal,
    ) -> None:
        """Send a request once, with the credentials known by now."""
        request, to = self._request(dialog, method, *content, exchange)
        self._clients.begin(request, to, on_final)

    def _request(
        self,
        dialog: Dialog,
        method: str,
        headers: Lines,
        body: bytes,
        exchange: DigestExchange | None,
    ) -> tuple[Request, Address]:
        request, to = dialog.request(method, self._identity.via, headers, body)
        if exchange is not None:
            for name, value in exchange.lines(method, request.uri_text):
                request.headers.add(name, value)
        return request, to

    def _too_late(self, pending: tuple[InviteClient, Request]) -> None:
        client, request = pending
        if client.user is not None and not isinstance(client.user, _Acknowledgement):
            self._clients.begin(cancel_of(request), client.to, lambda _: None)
            client.fail(Failure.TIMEOUT)


class _Authenticated:
    """One request to a peer that may ask for credentials."""

    __slots__ = ("_client", "_content", "_dialog", "_exchange", "_method", "_on_final")

    def __init__(
        self,
        client: DialogClient,
        dialog: Dialog,
        method: str,
        content: tuple[Lines, bytes],
        exchange: DigestExchange,
        on_final: OnFinal,
    ) -> None:
        self._client = client
        self._dialog = dialog
        self._method = method
        self._content = content
        self._on_final = on_final
        self._exchange = exchange

    def send(self) -> None:
        """Send the request, or send it again with credentials."""
        self._client.attempt(
            self._dialog, self._method, self._content, self._exchange, self._answered
        )

    def _answered(self, response: Response | None) -> None:
        if response is not None and self._exchange.challenged(response):
            self.send()
        else:
            self._on_final(response)


class _Acknowledgement:
    """What is left of an accepted INVITE: its ACK, for each copy of the 2xx (`InviteUser`)."""

    __slots__ = ("_data", "_send", "_to")

    def __init__(
        self, send: Callable[[bytes, Address], object], data: bytes, to: Address
    ) -> None:
        self._send = send
        self._data = data
        self._to = to

    def send(self) -> None:
        """Send the ACK."""
        self._send(self._data, self._to)

    def provisional(self, response: Response) -> None:
        """Nothing: it is late."""

    def accepted(self, response: Response) -> None:  # noqa: ARG002 - all copies are alike
        """Take a copy of the 2xx: its ACK was lost."""
        self.send()

    def refused(self, response: Response) -> None:
        """Nothing: it was accepted."""

    def failed(self, failure: Failure) -> None:
        """Nothing: it was accepted."""
