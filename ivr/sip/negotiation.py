"""Offers and answers after the first ones, both ways (RFC 3261 §14, RFC 3311, RFC 4028)."""

from collections.abc import Callable
from functools import partial

import structlog
from twisted.internet.defer import Deferred

from ivr.sip.acceptance import Acceptance
from ivr.sip.address import Address
from ivr.sip.admission import Reply, description, warning
from ivr.sip.change import Change, MakeOffer
from ivr.sip.dialog import Dialog, contact_of
from ivr.sip.errors import CallStateError, NotAcceptableHereError, RequestRefusedError
from ivr.sip.handler import CallEnd, RefreshHandler
from ivr.sip.in_dialog import DialogClient
from ivr.sip.lifecycle import Lifecycle, Lines, Phase
from ivr.sip.message import Message, Request, Response
from ivr.sip.server_transaction import ServerTransaction
from ivr.sip.session_host import SessionHost
from ivr.sip.session_timer import SessionTimer, too_brief

log = structlog.get_logger()

Begin = Callable[[], ServerTransaction]
"""Starts the transaction of the request that is processed."""


class Negotiation(Lifecycle):
    """The part of a `Session` that changes it, refreshes it, and answers such wishes."""

    __slots__ = ("_changes", "_local", "_remote", "_takes_update", "_timer")

    def __init__(self, host: SessionHost, dialog: Dialog | None) -> None:
        super().__init__(host, dialog)
        self._changes: list[Change] = []
        self._local = b""
        self._remote = b""
        self._takes_update = False
        self._timer: SessionTimer | None = None

    # The application calls:

    def renegotiate(self, make_offer: MakeOffer | None = None) -> Deferred[bytes]:
        """Offer another session by re-INVITE (§14.1); fires with the answer to that.

        `make_offer` is called when the offer leaves, and again when both sides
        re-INVITED at once and we try again. Without it the other side is asked for
        an offer, which `CallHandler.renegotiated` answers. Waits for a change that is
        under way. Fails with RequestRefusedError; the session is as it was then.
        Raise CallStateError before the answer.
        """
        if self._phase is Phase.EARLY:
            raise CallStateError("a call is not renegotiated before its answer")
        return self._ask_for("INVITE", make_offer)

    def update(self, make_offer: MakeOffer | None = None) -> Deferred[bytes]:
        """Do the same by UPDATE (RFC 3311); without an offer to refresh our Contact only.

        Before the answer it waits until the other side may be asked. Whether the other
        side takes UPDATE is said by `takes_update`.
        """
        return self._ask_for("UPDATE", make_offer)

    @property
    def takes_update(self) -> bool:
        """Whether the other side says that it takes UPDATE."""
        return self._takes_update

    # The user agent calls:

    def reinvited(self, invite: Request, source: Address, begin: Begin) -> Reply | None:
        """Let the application renegotiate the session, or return why not (§14.2)."""
        refusal = self._refusal_of_reinvite() or too_brief(invite, self._host.timers)
        if refusal is not None:
            return refusal
        contact_of(invite)  # a malformed one is refused before anything changes
        transaction = begin()
        body = self._negotiate(invite.body)
        if isinstance(body, Reply):
            transaction.respond(body.status, headers=body.headers)
        elif not self.live:
            transaction.respond(487)
        else:
            self.dialog.refresh_target(invite, source)
            self._accept(invite, transaction, body)
        return None

    def updated(self, update: Request, source: Address, begin: Begin) -> Reply | None:
        """Take an UPDATE, which may make an offer, or return why not (RFC 3311 §5.2)."""
        refusal = self._refusal_of_offer() if update.body else None
        refusal = refusal or too_brief(update, self._host.timers)
        if refusal is not None:
            return refusal
        contact_of(update)
        transaction = begin()
        body = self._negotiate(update.body) if update.body else b""
        if isinstance(body, Reply):
            transaction.respond(body.status, headers=body.headers)
        elif not self.live:
            transaction.respond(481)
        else:
            self.dialog.refresh_target(update, source)
            self.described(body, update.body)
            timer = () if self._phase is Phase.EARLY else self.timer.answer(update)
            lines = (*self._host.session_headers(update), *timer, *description(body))
            transaction.respond(200, headers=lines, body=body)
        return None

    # A change of ours calls (`Changing`):

    @property
    def requests(self) -> DialogClient:
        """What sends requests inside the dialog."""
        return self._host.requests

    @property
    def timer(self) -> SessionTimer:
        """The session timer (RFC 4028)."""
        if self._timer is None:
            self._timer = SessionTimer(
                self._host.clock, self._host.timers, self._refresh, self._expired
            )
        return self._timer

    def headers(self) -> Lines:
        """Return Contact and the capabilities for a request of ours."""
        return self._host.request_headers(self.dialog)

    def answer_late(self, offer: bytes) -> bytes:
        """Return the answer to the offer in a 2xx; raise NotAcceptableHereError."""
        answer = self._negotiate(offer)
        if isinstance(answer, Reply):
            raise NotAcceptableHereError("The session offered late is not acceptable")
        return answer

    def described(self, local: bytes, remote: bytes) -> None:
        """Learn which descriptions hold now, as far as they are new."""
        self._local = local or self._local
        self._remote = remote or self._remote

    def lost(self) -> None:
        """End the call: the other side knows nothing of it (§12.2.1.2)."""
        if self.live:
            self._bye(CallEnd.DIALOG_LOST)

    def change_over(self) -> None:
        """Go on with what waits for the end of a change."""
        if self._changes and self._changes[0].over:
            del self._changes[0]
        self._go_on()

    # For the kinds of call:

    def _established(self, dialog: Dialog, local: bytes, response: Response) -> None:
        """Go on from the 2xx to our INVITE, which is acknowledged; `local` we described.

        Raise MalformedMessageError for a Session-Expires that is none.
        """
        self._dialog = dialog
        self._phase = Phase.CONFIRMED
        self._learn(response)
        self.described(local, response.body)
        self.timer.accepted(response)

    def _refusal_of_reinvite(self) -> Reply | None:
        """Return why a re-INVITE cannot be processed now (§14.2, RFC 5407 §3.1.4)."""
        return Reply(491) if self._acceptance is not None else self._refusal_of_offer()

    def _refusal_of_offer(self) -> Reply | None:
        """Return why an UPDATE cannot make an offer now (RFC 3311 §5.2)."""
        waits = self._acceptance is not None and self._acceptance.wants_answer
        offers = bool(self._changes) and self._changes[0].offers
        early = self._phase is Phase.EARLY and not self._may_update_early()
        return Reply(491) if waits or offers or early else None

    def _may_update_early(self) -> bool:
        """Whether offers may be made before the answer, by UPDATE (RFC 3311 §5.1)."""
        return False

    def _learn(self, message: Message) -> None:
        """Learn what the other side can do."""
        if "Allow" in message.headers:
            self._takes_update = any(
                "UPDATE" in line.replace(",", " ").split()
                for line in message.headers.lines("Allow")
            )

    def _accept(self, invite: Request, transaction: ServerTransaction, body: bytes) -> None:
        """Send a 200 until it is acknowledged."""
        self.described(body, invite.body)
        lines = (
            *self._host.session_headers(invite),
            *self.timer.answer(invite),
            *description(body),
        )
        self._acceptance = acceptance = Acceptance(
            self._host.clock, invite, transaction, self._never_acknowledged
        )
        acceptance.left = transaction.respond(200, headers=lines, body=body)

    def _negotiate(self, offer: bytes) -> bytes | Reply:
        """Return the application's answer to an offer, or how the offer is refused."""
        if self.handler is None:
            return Reply(500)
        try:
            return self.handler.renegotiated(offer)
        except NotAcceptableHereError as error:
            return Reply(488, (warning(self._host.name, str(error)),))
        except Exception:
            log.exception("call-handler-failed", call_id=self._log_id, at="re-invite")
            return Reply(500)

    # What the lifecycle leaves to us:

    def _confirmed(self, answer: bytes) -> None:
        self._remote = answer or self._remote

    def _go_on(self) -> None:
        if not self._changes or self._acceptance is not None:
            return
        change = self._changes[0]
        early = self._phase is Phase.EARLY and change.by_update and self._may_update_early()
        if early or self._phase is Phase.CONFIRMED:
            change.start()

    def _released(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        changes, self._changes = self._changes, []
        for change in changes:
            change.stop()

    # Inside:

    def _ask_for(self, method: str, make_offer: MakeOffer | None) -> Deferred[bytes]:
        asked: Deferred[bytes] = Deferred()

        def done(outcome: bytes | RequestRefusedError) -> None:
            if isinstance(outcome, bytes):
                asked.callback(outcome)
            else:
                asked.errback(outcome)

        if not self.live:
            done(RequestRefusedError(0, "The call is over"))
        else:
            self._start(Change(self, method, make_offer, done))
        return asked

    def _start(self, change: Change) -> None:
        self._changes.append(change)
        self._go_on()

    def _refresh(self) -> None:
        """Show that we are still there (RFC 4028 §7.4): by repeating what holds already."""
        if self._changes or self._acceptance is not None:
            return
        done = partial(self._refreshed, self._remote)
        if self._takes_update:
            change = Change(self, "UPDATE", None, done)
        else:
            local = self._local
            change = Change(self, "INVITE", (lambda: local) if local else None, done)
        self._start(change)

    def _refreshed(self, known: bytes, outcome: bytes | RequestRefusedError) -> None:
        listener: object = self.handler
        if isinstance(outcome, RequestRefusedError):
            log.info("call-not-refreshed", call_id=self._log_id, status=outcome.status)
        elif outcome not in (b"", known) and isinstance(listener, RefreshHandler):
            self._tell("refresh", listener.refreshed, outcome)

    def _expired(self) -> None:
        reason = ("Reason", 'SIP;cause=408;text="Session expired"')
        if self.live:
            self._bye(CallEnd.SESSION_EXPIRED, (reason,))
