"""All sessions of a user agent, found by their dialogs (RFC 3261 §12.2)."""

from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from ivr.clock import Clock
from ivr.sip.address import Address
from ivr.sip.admission import ACCEPT, Reply
from ivr.sip.call import IncomingCall
from ivr.sip.client_transaction import ClientTransactions
from ivr.sip.dialog import Dialog, DialogId, dialog_id
from ivr.sip.identity import Identity
from ivr.sip.in_dialog import DialogClient
from ivr.sip.lifecycle import Lifecycle
from ivr.sip.message import Request, Response
from ivr.sip.replaces import Replaces
from ivr.sip.responder import Responder
from ivr.sip.server_transaction import ServerTransactions
from ivr.sip.session import Session, printable
from ivr.sip.session_host import Usage
from ivr.sip.session_timer import TimerPolicy
from ivr.sip.timers import Lingering

log = structlog.get_logger()

MAX_USAGES = 8
"""Subscriptions in one dialog at once: more REFERs are refused."""
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
        timers: TimerPolicy,
        on_change: Callable[[], None],
    ) -> None:
        self.clock = clock
        self.timers = timers
        self.requests = DialogClient(clock, identity, clients)
        self._identity = identity
        self._abilities = tuple(abilities)
        self._servers = servers
        self._on_change = on_change
        self._live: dict[Lifecycle, None] = {}
        self._by_dialog: dict[DialogId, Session] = {}
        self._hosts: Counter[str] = Counter()
        self._usages: dict[DialogId, list[Usage]] = {}
        self._closing: set[DialogId] = set()
        self._ringing: Lingering[DialogId] = Lingering(clock, RING_AGAIN, self._ring_again)

    def __len__(self) -> int:
        return len(self._live)

    @property
    def idle(self) -> bool:
        """Whether nothing is live, and every BYE was answered or given up."""
        return not (self._live or self._closing or self._usages)

    def add(self, session: Session) -> None:
        """Keep a session until it ends, with its dialog if there is one already."""
        self._live[session] = None
        if session.has_dialog:
            self.join(session, session.dialog)

    def close(self) -> None:
        """End every session at once, with one BYE or 503; cancel all timers."""
        for session in list(self._live):
            session.shut_down()
        for usage in [one for usages in self._usages.values() for one in usages]:
            usage.shut_down()
        self._usages.clear()
        self.requests.close()
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
        usages = self._usages.get(key)
        if session is not None:
            dialog = session.dialog
        elif usages:
            dialog = usages[0].dialog
        else:
            # Both may hang up at once: the BYE that crosses ours is right too.
            return Reply(200 if request.method == "BYE" and key in self._closing else 481)
        if dialog.is_stale(request):
            return Reply(500, reason="Out Of Order CSeq")
        dialog.remote_cseq = request.cseq.number
        if request.method == "NOTIFY":
            return self._notified(usages or (), request, responder)
        if session is None:
            return Reply(481)
        if request.method == "REFER" and len(usages or ()) >= MAX_USAGES:
            return Reply(503, (("Retry-After", "60"),))
        if request.method == "OPTIONS":
            return Reply(200, (ACCEPT, *self._abilities))
        return session.process(
            request, source, lambda: self._servers.begin(request, responder, "")
        )

    def knows(self, request: Request) -> bool:
        """Whether a request whose To has a tag is about anything here."""
        key = dialog_id(request)
        return key in self._by_dialog or key in self._usages or key in self._closing

    def calls_from(self, host: str) -> int:
        """Return how many dialogs there are with `host`."""
        return self._hosts[host]

    def find(self, replaces: Replaces) -> Session | Reply:
        """Return the call that an INVITE takes the place of, or why it cannot (RFC 3891 §3)."""
        session = self._by_dialog.get(replaces.dialog)
        if session is None:
            return Reply(603 if replaces.dialog in self._closing else 481)
        if session.established:
            return Reply(486) if replaces.early_only else session
        # Only a call of ours that still rings can be picked up like this.
        return Reply(481) if isinstance(session, IncomingCall) else session

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

    def request_headers(self, dialog: Dialog) -> Iterable[tuple[str, str]]:
        """Return our Contact and abilities for a request inside `dialog`."""
        scheme = "sips" if dialog.secure else "sip"
        lines = (line for line in self._abilities if line[0] != "Server")
        contact = self._identity.contact(scheme, dialog.next_hop)
        return (contact, *lines, ("User-Agent", self._identity.name))

    def rings(self, dialog: DialogId) -> None:
        """Repeat the 180 of that call every minute."""
        self._ringing.add(dialog)

    def hang_up(
        self, dialog: Dialog, headers: Iterable[tuple[str, str]], *, once: bool
    ) -> None:
        """Send BYE; repeat it until it is answered unless `once`."""
        if once:
            self.requests.once(dialog, "BYE", headers)
            return
        ended = dialog.id
        self._closing.add(ended)

        def done(response: Response | None) -> None:
            status = None if response is None else response.status
            if status is None or status >= 300:
                log.info("sip-bye-not-accepted", call_id=printable(ended[0]), status=status)
            self._closing.discard(ended)
            self._on_change()

        self.requests.ask(dialog, "BYE", headers, b"", done)

    def join(self, session: Lifecycle, dialog: Dialog) -> None:
        """Hand requests inside `dialog` to `session` from now on."""
        if isinstance(session, Session):
            self.leave(dialog)
            self._by_dialog[dialog.id] = session
            self._hosts[dialog.peer] += 1

    def leave(self, dialog: Dialog) -> None:
        """Answer requests inside `dialog` with 481 from now on."""
        if self._by_dialog.pop(dialog.id, None) is not None:
            self._hosts[dialog.peer] -= 1
            if not self._hosts[dialog.peer]:
                del self._hosts[dialog.peer]

    def ended(self, session: Lifecycle) -> None:
        """Forget a session and its dialog."""
        self._live.pop(session, None)
        if session.has_dialog:
            self.leave(session.dialog)
        self._on_change()

    def hold(self, usage: Usage) -> None:
        """Keep a usage, and hand it the NOTIFYs of its dialog."""
        self._usages.setdefault(usage.dialog.id, []).append(usage)

    def release(self, usage: Usage) -> None:
        """Forget a usage: it is over."""
        usages = self._usages.get(usage.dialog.id, [])
        if usage in usages:
            usages.remove(usage)
            if not usages:
                del self._usages[usage.dialog.id]
                self._on_change()

    # Inside:

    def _notified(
        self, usages: Iterable[Usage], notify: Request, responder: Responder
    ) -> Reply | None:
        for usage in tuple(usages):
            reply, then = usage.take_notify(notify)
            if reply.status != 481:
                transaction = self._servers.begin(notify, responder, "")
                transaction.respond(reply.status, reason=reply.reason, headers=reply.headers)
                then()
                return None
        return Reply(481)

    def _ring_again(self, dialog: DialogId) -> None:
        session = self._by_dialog.get(dialog)
        if isinstance(session, IncomingCall) and session.still_ringing():
            self._ringing.add(dialog)
