"""One INVITE to one target (RFC 3261 §13.2.2, §9.1; RFC 3262 §4).

waiting ── 2xx ──► ACK ──► the call goes on, with `Confirmations` behind it
├── 300–699, no response ──► the call decides what comes next
└── abandon() ──► 1xx ──► CANCEL ──► 487, or 2xx ──► ACK, BYE
└── 64·T1 ──► forgotten
"""

from typing import Protocol

import structlog

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.admission import BODY_TYPE
from ivr.sip.client_transaction import ClientTransactions, Failure, cancel_of
from ivr.sip.confirmations import Confirmations
from ivr.sip.dialog import Dialog
from ivr.sip.digest_client import DigestClient
from ivr.sip.errors import MalformedMessageError
from ivr.sip.identity import Identity
from ivr.sip.message import Request, Response
from ivr.sip.reliable import OPTION, ReliableReceiver
from ivr.sip.session_host import SessionHost
from ivr.sip.timers import Lingering

log = structlog.get_logger()

_MAX_EARLY = 32


class AttemptHost(Protocol):
    """What an attempt needs of its user agent."""

    clock: Clock
    identity: Identity
    clients: ClientTransactions
    expiring: Lingering["Attempt"]
    """Those whose CANCEL was sent; each is expired after 64·T1."""

    @property
    def sessions(self) -> SessionHost:
        """Keeps the dialogs, and sends requests inside them."""

    def abandoned(self, attempt: "Attempt") -> None:
        """Remember that an attempt has to be undone before all is quiet."""

    def settled(self, attempt: "Attempt") -> None:
        """Forget an attempt: it has its final response, or never will."""


class AttemptOwner(Protocol):
    """The call an attempt is made for."""

    def progressed(self, dialog: Dialog | None, response: Response, body: bytes) -> None:
        """Take a provisional response; `body` is the session described in it."""

    def accepted(self, dialog: Dialog, response: Response, body: bytes, usable: bool) -> None:
        """Take the first 2xx, acknowledged; `body` is the answer, from wherever it came."""

    def refused(self, response: Response) -> None:
        """Take a response from 300 to 699."""

    def failed(self, failure: Failure) -> None:
        """Learn that no response came."""


class _Early:
    """An early dialog."""

    __slots__ = ("answer", "dialog", "receiver")

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.receiver = ReliableReceiver()
        self.answer = b""


class Attempt:
    """An INVITE on its way; made, it is sent. The `InviteUser` until a 2xx comes."""

    __slots__ = (
        "_cancelled",
        "_client",
        "_digest",
        "_early",
        "_host",
        "_invite",
        "_owner",
        "_to",
        "tried",
    )

    def __init__(
        self,
        host: AttemptHost,
        invite: Request,
        to: Address,
        digest: DigestClient,
        owner: AttemptOwner,
    ) -> None:
        self.tried = False
        self._host = host
        self._invite = invite
        self._to = to
        self._digest = digest
        self._owner: AttemptOwner | None = owner
        self._early: dict[str, _Early] = {}
        self._cancelled = False
        self._client = host.clients.invite(invite, to, self)

    def abandon(self) -> None:
        """Let nobody hear of it any more, and undo it: CANCEL, after a provisional response."""
        self._owner = None
        self._host.abandoned(self)
        if self.tried:
            self._cancel()

    def expire(self) -> None:
        """End without a final response, 64·T1 after the CANCEL (RFC 3261 §9.1)."""
        if self._client.user is self:
            self._client.end()
        self._host.settled(self)

    # The transaction calls:

    def provisional(self, response: Response) -> None:
        """Take a response from 101 to 199, or 100."""
        self.tried = True
        if self._owner is None:
            self._cancel()
            return
        if response.status == 100 or not response.to.tag:
            self._owner.progressed(None, response, b"")
            return
        try:
            early = self._early_dialog(response)
            if early is None or not self._in_order(early, response):
                return
        except MalformedMessageError as error:
            log.info("call-progress-malformed", fault=error.fault)
            return
        body = session_in(response)
        early.answer = early.answer or body
        self._owner.progressed(early.dialog, response, body)

    def accepted(self, response: Response) -> None:
        """Take the first 2xx: acknowledge it, and hang up when nobody wants it any more."""
        host, owner = self._host, self._owner
        early = self._early.get(response.to.tag)
        confirmations = Confirmations(
            host.sessions, host.identity, host.clients, self._invite, self._to, self._digest
        )
        self._client.user = confirmations
        dialog, usable = confirmations.confirm(response, early.dialog if early else None)
        body = session_in(response) or (early.answer if early else b"")
        self._let_go()
        if owner is None:
            host.sessions.hang_up(dialog, (), once=False)
        else:
            owner.accepted(dialog, response, body, usable)

    def refused(self, response: Response) -> None:
        """Take the final response that is no 2xx."""
        owner = self._owner
        self._let_go()
        if owner is not None:
            owner.refused(response)

    def failed(self, failure: Failure) -> None:
        """Learn that there is no response at all."""
        owner = self._owner
        self._let_go()
        if owner is not None:
            owner.failed(failure)

    def _early_dialog(self, response: Response) -> _Early | None:
        tag = response.to.tag
        early = self._early.get(tag)
        if early is None and len(self._early) < _MAX_EARLY:
            early = self._early[tag] = _Early(Dialog.calling(self._invite, response, self._to))
            early.dialog.credentials = self._digest
        return early

    def _in_order(self, early: _Early, response: Response) -> bool:
        """Send the PRACK a response asks for; return whether to look at the response."""
        rack = early.receiver.take(response)
        if rack is None:
            # Else it is a copy, or came before its time and will come again.
            return OPTION not in response.headers.values("Require")
        requests = self._host.sessions.requests
        requests.ask(early.dialog, "PRACK", [("RAck", rack)], b"", _ignore)
        return True

    def _cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._host.clients.begin(cancel_of(self._invite), self._client.to, _ignore)
            self._host.expiring.add(self)

    def _let_go(self) -> None:
        self._owner = None
        self._early.clear()
        self._host.settled(self)


def session_in(message: Request | Response) -> bytes:
    """Return the session description in a message, empty without one."""
    if not message.body:
        return b""
    kind = message.headers.get("Content-Type", BODY_TYPE)
    return message.body if kind.partition(";")[0].strip().lower() == BODY_TYPE else b""


def _ignore(response: Response | None) -> None:
    """Nothing depends on the answer."""
