"""What lingers of an INVITE of ours after its first 2xx (RFC 3261 §13.2.2.4, RFC 6026).

Each copy of a 2xx is acknowledged for 64·T1. A 2xx with another To tag comes from
another branch of a forked call: it is acknowledged and hung up.
"""

import structlog

from ivr.sip.address import Address
from ivr.sip.client_transaction import ClientTransactions, Failure
from ivr.sip.dialog import Dialog
from ivr.sip.digest_client import DigestClient
from ivr.sip.errors import MalformedMessageError
from ivr.sip.headers import Headers
from ivr.sip.identity import Identity
from ivr.sip.message import Request, Response
from ivr.sip.session_host import SessionHost

log = structlog.get_logger()

_MAX_FORKS = 32
_CREDENTIALS = ("Authorization", "Proxy-Authorization")


class Confirmations:
    """The ACKs of one INVITE, by To tag; the `InviteUser` once a 2xx came."""

    __slots__ = ("_acks", "_clients", "_credentials", "_digest", "_host", "_identity", "_to")

    def __init__(
        self,
        host: SessionHost,
        identity: Identity,
        clients: ClientTransactions,
        invite: Request,
        to: Address,
        digest: DigestClient,
    ) -> None:
        self._host = host
        self._identity = identity
        self._clients = clients
        self._to = to
        self._digest = digest
        self._credentials = tuple(line for line in invite.headers if line[0] in _CREDENTIALS)
        self._acks: dict[str, tuple[bytes, Address]] = {}

    def confirm(self, response: Response, early: Dialog | None = None) -> tuple[Dialog, bool]:
        """Acknowledge a 2xx; return its dialog, and whether the call can go on in it.

        `early` is the dialog that a provisional response made. The call cannot go on
        when the 2xx does not say where to.
        """
        # All that a dialog takes from our INVITE stands in the response too.
        repeated = [
            (name, response.headers.get(name)) for name in ("From", "To", "Call-ID", "CSeq")
        ]
        invite = Request("INVITE", response.to.uri_text, Headers(repeated))
        usable = True
        try:
            dialog = Dialog.calling(invite, response, self._to)
        except MalformedMessageError as error:
            log.warning("call-answer-malformed", fault=error.fault)
            usable = False
            bare = Response(response.status, response.reason, Headers(repeated))
            dialog = Dialog.calling(invite, bare, self._to)
        dialog.credentials = self._digest
        if early is not None:
            dialog.local_cseq = early.local_cseq
            dialog.remote_cseq = early.remote_cseq
        ack, to = dialog.request(
            "ACK", self._identity.via, self._credentials, cseq=response.cseq.number
        )
        data = ack.render()
        if len(self._acks) < _MAX_FORKS:
            self._acks[response.to.tag] = (data, to)
        self._clients.send(data, to)
        return dialog, usable

    def accepted(self, response: Response) -> None:
        """Take a 2xx after the first: a copy, or the answer of another branch."""
        known = self._acks.get(response.to.tag)
        if known is not None:
            self._clients.send(*known)
        elif len(self._acks) < _MAX_FORKS:
            dialog, _ = self.confirm(response)
            self._host.hang_up(dialog, (), once=False)

    def provisional(self, response: Response) -> None:
        """Nothing: the transaction does not pass it on."""

    def refused(self, response: Response) -> None:
        """Nothing: the transaction does not pass it on."""

    def failed(self, failure: Failure) -> None:
        """Nothing: an answer came."""
