"""All sessions of a user agent, found by their dialogs (RFC 3261 §12.2)."""

from collections.abc import Callable, Iterable

import structlog

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.admission import ACCEPT, Reply
from ivr.sip.call import IncomingCall
from ivr.sip.client_transaction import ClientTransactions
from ivr.sip.dialog import Dialog, DialogId, contact_of, dialog_id
from ivr.sip.identity import Identity
from ivr.sip.message import Request, Response
from ivr.sip.responder import Responder
from ivr.sip.server_transaction import Send, ServerTransactions
from ivr.sip.session import Session, printable
from ivr.sip.timers import Lingering

log = structlog.get_logger()

RING_AGAIN = 60.0
"""Seconds between two 180, so that proxies do not give the call up (§13.3.1.1)."""


class Sessions:
    """The sessions, and what they need of their user agent (`SessionHost`).

    `abilities` are the headers that say what we can do; `on_change` is called
    when a session, or the BYE of one, has ended.
    """

    def __init__(
        self,
        clock: Clock,
        identity: Identity,
        abilities: Iterable[tuple[str, str]],
        servers: ServerTransactions,
        clients: ClientTransactions,
        send: Send,
        on_change: Callable[[], None],
    ) -> None:
        self.clock = clock
        self._identity = identity
        self._abilities = tuple(abilities)
        self._servers = servers
        self._clients = clients
        self._send = send
        self._on_change = on_change
        self._live: dict[Session, None] = {}
        self._by_dialog: dict[DialogId, Session] = {}
        self._closing: set[DialogId] = set()
        self._ringing: Lingering[DialogId] = Lingering(clock, RING_AGAIN, self._ring_again)

    def __len__(self) -> int:
        return len(self._live)

    @property
    def idle(self) -> bool:
        """Whether nothing is live and every BYE was answered or given up."""
        return not self._live and not self._closing

    def add(self, session: Session) -> None:
        """Keep a session until it ends, with its dialog if there is one already."""
        self._live[session] = None
        if session.has_dialog:
            self.join(session, session.dialog)

    def close(self) -> None:
        """End every session at once, with one BYE or 503; cancel all timers."""
        for session in list(self._live):
            session.shut_down()
        self._ringing.clear()
        self._closing.clear()

    # What comes in:

    def acknowledge(self, ack: Request) -> None:
        """Take an ACK that belongs to no refusal."""
        call_id, tag, remote_tag = dialog_id(ack)
        transaction = self._servers.find(ack)
        if transaction is not None:
            # Simple telephones (pyVoIP) repeat the branch of the INVITE and make a To
            # tag up: the branch tells which call is meant.
            tag = transaction.tag or tag
        session = self._by_dialog.get((call_id, tag, remote_tag))
        if session is not None:
            session.acknowledged(ack)

    def process(self, request: Request, responder: Responder, source: Address) -> Reply | None:
        """Process a request whose To has a tag; return what is to be answered without state."""
        key = dialog_id(request)
        session = self._by_dialog.get(key)
        if session is None:
            # Both may hang up at once: the BYE that crosses ours is right too.
            return Reply(200 if request.method == "BYE" and key in self._closing else 481)
        if session.dialog.is_stale(request):
            return Reply(500, reason="Out Of Order CSeq")
        session.dialog.remote_cseq = request.cseq.number
        if request.method == "OPTIONS":
            return Reply(200, (ACCEPT, *self._abilities))
        if request.method == "BYE":
            self._servers.begin(request, responder, "").respond(200)
            session.hung_up()
            return None
        reply = session.refusal_of_reinvite()
        if reply is None:
            contact_of(request)  # a malformed one is refused before anything changes
            transaction = self._servers.begin(request, responder, "")
            session.reinvited(request, source, transaction)
        return reply

    # For sessions (`SessionHost`):

    @property
    def name(self) -> str:
        """How we call ourselves in Warning headers."""
        return self._identity.name

    def session_headers(self, request: Request) -> Iterable[tuple[str, str]]:
        """Return what makes a dialog of a response to INVITE (§12.1.1), and our abilities."""
        lines = [("Record-Route", line) for line in request.headers.lines("Record-Route")]
        scheme = "sips" if request.uri.scheme == "sips" else "sip"
        lines.append(self._identity.contact(scheme, request.source))
        lines.extend(self._abilities)
        return lines

    def rings(self, dialog: DialogId) -> None:
        """Repeat the 180 of that call every minute."""
        self._ringing.add(dialog)

    def hang_up(
        self, dialog: Dialog, headers: Iterable[tuple[str, str]], *, once: bool
    ) -> None:
        """Send BYE; repeat it until it is answered unless `once`."""
        request, to = dialog.request("BYE", self._identity.via, headers)
        if once:
            self._send(request.render(), to)
            return
        ended = dialog.id
        self._closing.add(ended)

        def done(response: Response | None) -> None:
            status = None if response is None else response.status
            if status is None or status >= 300:
                log.info("sip-bye-not-accepted", call_id=printable(ended[0]), status=status)
            self._closing.discard(ended)
            self._on_change()

        self._clients.begin(request, to, done)

    def join(self, session: Session, dialog: Dialog) -> None:
        """Hand requests inside `dialog` to `session` from now on."""
        self._by_dialog[dialog.id] = session

    def leave(self, dialog: Dialog) -> None:
        """Answer requests inside `dialog` with 481 from now on."""
        self._by_dialog.pop(dialog.id, None)

    def ended(self, session: Session) -> None:
        """Forget a session and its dialog."""
        self._live.pop(session, None)
        if session.has_dialog:
            self.leave(session.dialog)
        self._on_change()

    # Inside:

    def _ring_again(self, dialog: DialogId) -> None:
        session = self._by_dialog.get(dialog)
        if isinstance(session, IncomingCall) and session.still_ringing():
            self._ringing.add(dialog)
