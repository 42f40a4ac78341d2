"""A change of the session that we ask for: re-INVITE (RFC 3261 §14.1) or UPDATE (RFC 3311).

WAITING ── start() ──► UNDER_WAY ── 2xx, refusal ──► OVER
   ▲                      │
   └─ BACKING_OFF ◄─ 491 ─┘
"""

import secrets
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

import structlog

from ivr.clock import DelayedCall
from ivr.sip.admission import description
from ivr.sip.client_transaction import Failure, InviteClient
from ivr.sip.dialog import Dialog
from ivr.sip.digest_client import DigestExchange
from ivr.sip.errors import (
    MalformedMessageError,
    NotAcceptableHereError,
    RequestRefusedError,
)
from ivr.sip.in_dialog import DialogClient, Lines
from ivr.sip.message import Request, Response
from ivr.sip.session_timer import SessionTimer

log = structlog.get_logger()

MakeOffer = Callable[[], bytes]
"""Describes the session as it shall be; called again for each try."""
Done = Callable[[bytes | RequestRefusedError], object]
"""Takes what the other side answered, or its refusal."""

MAX_TRIES = 10
"""How often a change is tried whose other side always has something against it."""
_OVER = "The call is over"


class Changing(Protocol):
    """What a change needs of its session."""

    @property
    def dialog(self) -> Dialog:
        """Where the request goes."""

    @property
    def requests(self) -> DialogClient:
        """What sends it, and knows the time."""

    @property
    def timer(self) -> SessionTimer:
        """What is refreshed by it."""

    def headers(self) -> Lines:
        """Return Contact and the capabilities for a request of ours."""

    def answer_late(self, offer: bytes) -> bytes:
        """Return the answer to an offer in a 2xx; raise NotAcceptableHereError."""

    def described(self, local: bytes, remote: bytes) -> None:
        """Learn which descriptions hold now."""

    def lost(self) -> None:
        """Learn that the other side knows nothing of the dialog (§12.2.1.2)."""

    def hang_up(self) -> None:
        """End the call."""

    def change_over(self) -> None:
        """Go on with what waits for the end of this change."""


class _State(Enum):
    WAITING = auto()
    UNDER_WAY = auto()
    BACKING_OFF = auto()
    OVER = auto()


class Change:
    """One re-INVITE or UPDATE, tried until it is answered (`InviteUser`).

    `make_offer` None makes a re-INVITE that asks for an offer, or an UPDATE without one.
    """

    __slots__ = (
        "_back_off",
        "_client",
        "_done",
        "_exchange",
        "_invite",
        "_make_offer",
        "_method",
        "_offer",
        "_session",
        "_state",
        "_tries",
    )

    def __init__(
        self, session: Changing, method: str, make_offer: MakeOffer | None, done: Done
    ) -> None:
        self._session = session
        self._method = method
        self._make_offer = make_offer
        self._done: Done | None = done
        self._state = _State.WAITING
        self._tries = 0
        self._offer = b""
        self._client: InviteClient | None = None
        self._invite: Request | None = None
        self._back_off: DelayedCall | None = None
        credentials = session.dialog.credentials
        # Challenges to an UPDATE are answered by `DialogClient.ask`.
        self._exchange: DigestExchange | None = (
            None if credentials is None or method == "UPDATE" else credentials.exchange()
        )

    @property
    def by_update(self) -> bool:
        """Whether this is an UPDATE."""
        return self._method == "UPDATE"

    @property
    def over(self) -> bool:
        """Whether it was answered or given up."""
        return self._state is _State.OVER

    @property
    def offers(self) -> bool:
        """Whether an offer is under way, ours or the one that we asked for."""
        under_way = self._state is _State.UNDER_WAY
        return under_way and (not self.by_update or bool(self._offer))

    def start(self) -> None:
        """Send the request, unless it is under way or backs off."""
        if self._state is not _State.WAITING:
            return
        session = self._session
        self._state = _State.UNDER_WAY
        self._tries += 1
        try:
            self._offer = b"" if self._make_offer is None else self._make_offer()
        except Exception:
            log.exception("call-handler-failed", at="offer")
            self._finish(RequestRefusedError(0, "No offer could be made"))
            return
        headers = [*session.headers(), *session.timer.ask(), *description(self._offer)]
        if not self.by_update:
            self._client, self._invite = session.requests.invite(
                session.dialog, headers, self._offer, self, self._exchange
            )
        else:
            session.requests.ask(
                session.dialog, self._method, headers, self._offer, self._answered
            )

    def stop(self) -> None:
        """Give up: the call is over. A 2xx that still comes is acknowledged."""
        self._end(RequestRefusedError(0, _OVER))

    # The re-INVITE's transaction calls:

    def provisional(self, response: Response) -> None:
        """Nothing to do: the other side thinks about it."""

    def accepted(self, response: Response) -> None:
        """Take the 2xx; acknowledge it, with an answer where it offers."""
        if self._client is None or self._invite is None:
            return
        session, answer = self._session, b""
        refusal: RequestRefusedError | None = None
        if self._state is _State.UNDER_WAY:
            self._refresh(response)
            if self._make_offer is None:
                try:
                    answer = session.answer_late(response.body)
                except NotAcceptableHereError as error:
                    refusal = RequestRefusedError(488, str(error))
        session.requests.acknowledge(
            self._client, session.dialog, self._invite, answer, description(answer)
        )
        self._client = self._invite = None
        if self._state is _State.UNDER_WAY:
            if refusal is None:
                session.described(answer or self._offer, response.body)
                self._finish(response.body)
            else:
                # There is no answer that both could live with (§14.1).
                self._finish(refusal, session.hang_up)

    def refused(self, response: Response) -> None:
        """Take any other final response."""
        self._client = self._invite = None
        if self._state is not _State.UNDER_WAY:
            return
        again = self._tries < MAX_TRIES
        if again and response.status == 491:
            self._state = _State.BACKING_OFF
            self._back_off = self._session.requests.clock.callLater(
                back_off(owns_call_id=self._session.dialog.owns_call_id), self._again
            )
        elif again and self._may_repeat(response):
            self._again()
        else:
            gone = response.status in (408, 481)
            refusal = RequestRefusedError(response.status, response.reason)
            self._finish(refusal, self._session.lost if gone else None)

    def failed(self, failure: Failure) -> None:
        """Take it that no response will come."""
        self._client = self._invite = None
        if self._state is _State.UNDER_WAY:
            refusal = RequestRefusedError(408, f"No answer: {failure}")
            self._finish(refusal, self._session.lost)

    # Inside:

    def _answered(self, response: Response | None) -> None:
        """Take the final response to an UPDATE."""
        if self._state is not _State.UNDER_WAY:
            return
        if response is None:
            self.failed(Failure.TIMEOUT)
        elif response.status < 300:
            self._refresh(response)
            if self._offer:
                self._session.described(self._offer, response.body)
            self._finish(response.body)
        else:
            self.refused(response)

    def _refresh(self, response: Response) -> None:
        try:
            self._session.dialog.refresh_target(response)
            self._session.timer.accepted(response)
        except MalformedMessageError as error:
            log.info("sip-malformed", fault=error.fault, method=self._method)

    def _may_repeat(self, response: Response) -> bool:
        """Whether the same request may be taken with other headers."""
        try:
            too_short = self._session.timer.too_short(response)
        except MalformedMessageError:
            return False
        return too_short or (self._exchange is not None and self._exchange.challenged(response))

    def _again(self) -> None:
        self._state = _State.WAITING
        self._session.change_over()

    def _finish(
        self, outcome: bytes | RequestRefusedError, then: Callable[[], object] | None = None
    ) -> None:
        if self._state is not _State.OVER:
            self._end(outcome)
            if then is not None:
                then()
            self._session.change_over()

    def _end(self, outcome: bytes | RequestRefusedError) -> None:
        self._state = _State.OVER
        if self._back_off is not None and self._back_off.active():
            self._back_off.cancel()
        done, self._done, self._back_off, self._make_offer = self._done, None, None, None
        if done is not None:
            done(outcome)


def back_off(*, owns_call_id: bool) -> float:
    """Return the seconds to wait after 491, in steps of 10 ms (RFC 3261 §14.1)."""
    if owns_call_id:
        return 2.1 + secrets.randbelow(191) / 100
    return secrets.randbelow(201) / 100
