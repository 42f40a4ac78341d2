"""A call driven by any order of right and wrong messages, against a model of what is right."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from structlog.testing import capture_logs
from twisted.internet.task import Clock

from ivr.sip import CallStateError, IncomingCall, NotAcceptableHereError, Request, Response
from ivr.sip.guard import Guard, Policy
from ivr.sip.referral import Referral
from ivr.sip.session_timer import TimerPolicy
from ivr.sip.sessions import MAX_USAGES
from tests.sip.peers import MORE, Party, outcome, reply
from tests.sip.wire import ANSWER, OFFER, PHONE, Wire, request

TARGET = "sip:agent@example.com"
EXTRAS = st.sampled_from(
    [
        (),
        ("Supported: timer", "Session-Expires: 90;refresher=uac"),
        ("Supported: timer", "Session-Expires: 90;refresher=uas"),
        ("Session-Expires: nonsense",),
        ("Supported: timer", "Session-Expires: 30"),
        ("Require: magic",),
        ("Require: timer", "Session-Expires: 300"),
        ("Contact: <tel:+33>",),
    ]
)
MALFORMED = frozenset({"Session-Expires: nonsense"})
OURS = ("INVITE", "UPDATE", "REFER", "NOTIFY", "BYE")


class SessionMachine(RuleBasedStateMachine):
    """One answered call, its telephone and its application."""

    def __init__(self) -> None:
        super().__init__()
        self.handler = Party(refer=self.refer)
        self.handler.renegotiate = self.renegotiate
        self.acceptable = True
        self.cseq = 1
        self.number = 0
        self.unacknowledged: int | None = None
        self.ours: list[Request] = []
        self.changes: list[list[Any]] = []
        self.transfers: list[list[Any]] = []
        self.logs: list[Any] = []

    @initialize(
        extras=EXTRAS.filter(lambda one: "Require: magic" not in one), late=st.booleans()
    )
    def begin(self, extras: tuple[str, ...], late: bool) -> None:
        extras = tuple(one for one in extras if one.startswith("Supported") or "9" in one)

        def take(call: IncomingCall) -> None:
            call.handler = self.handler
            call.answer(ANSWER)

        def patient(clock: Clock) -> Guard:
            return Guard(clock, Policy(malformed=0.0))

        self.wire = Wire(on_call=take, timers=TimerPolicy(90, 90), guard=patient)
        _, ok = self.wire.receive(request(body=b"" if late else OFFER, headers=extras))
        self.tag = ok.to.tag
        self.call = self.wire.call
        self.unacknowledged = 1

    # What both do:

    def renegotiate(self, _: bytes) -> bytes:
        if not self.acceptable:
            raise NotAcceptableHereError("no")
        return ANSWER

    def refer(self, referral: Referral) -> None:
        if not self.acceptable:
            referral.refuse()

    def hand(self, data: bytes) -> list[Response]:
        """Hand a datagram over; return the responses, keep the requests."""
        with capture_logs() as logs:
            sent = self.wire.receive(data)
        self.logs += [one for one in logs if one["log_level"] == "error"]
        return self.sort(sent)

    def sort(self, sent: list[Request | Response]) -> list[Response]:
        known = {one.via.branch for one in self.ours}
        for one in sent:
            if isinstance(one, Request) and one.method in OURS and one.via.branch not in known:
                self.ours.append(one)
                known.add(one.via.branch)
        return [one for one in sent if isinstance(one, Response)]

    @property
    def offering(self) -> bool:
        """Whether an offer of ours is under way, by what was sent and not answered."""
        return any(
            one.method == "INVITE" or (one.method == "UPDATE" and one.body) for one in self.ours
        )

    @property
    def live(self) -> bool:
        return not self.handler.ends

    def next(self, method: str, *headers: str, body: bytes = b"", **more: Any) -> bytes:
        self.cseq += 1
        return self.make(method, *headers, body=body, **more)

    def make(
        self, method: str, *headers: str, body: bytes = b"", cseq: int = 0, **more: Any
    ) -> bytes:
        self.number += 1
        return request(
            method,
            cseq=cseq or self.cseq,
            branch=f"z9hG4bK{self.number}",
            to_tag=self.tag,
            headers=headers,
            body=body,
            **more,
        )

    def only(self, data: bytes) -> int:
        """Hand a request over; return the status of its only response."""
        asked = self.number
        found = [one.status for one in self.hand(data) if one.via.branch == f"z9hG4bK{asked}"]
        assert len(found) == 1, (data, found)
        return found[0]

    # The telephone:

    @rule(extras=EXTRAS, body=st.sampled_from([b"", OFFER]))
    def re_invites(self, extras: tuple[str, ...], body: bytes) -> None:
        offering = self.offering
        live, waits = self.live, self.unacknowledged is not None
        contact = None if any("Contact" in one for one in extras) else "<sip:debtor@192.0.2.10>"
        status = self.only(self.next("INVITE", *extras, body=body, contact=contact))
        if "Require: magic" in extras:
            assert status == 420
            self.cseq -= 1
        elif not live:
            assert status == 481
        elif waits or offering:
            assert status == 491
        elif MALFORMED & set(extras) or contact is None:
            assert status == 400
        elif "Session-Expires: 30" in extras:
            assert status == 422
        elif not self.acceptable:
            assert status == 488
        else:
            assert status == 200
            self.unacknowledged = self.cseq

    @rule(extras=EXTRAS, body=st.sampled_from([b"", OFFER]))
    def updates(self, extras: tuple[str, ...], body: bytes) -> None:
        offering, live = self.offering, self.live
        crossed = body and (offering or self._our_offer_waits)
        status = self.only(self.next("UPDATE", *extras, body=body))
        if "Require: magic" in extras:
            assert status == 420
            self.cseq -= 1
        elif not live:
            assert status == 481
        elif crossed:
            assert status == 491
        elif MALFORMED & set(extras) or "Contact: <tel:+33>" in extras:
            assert status == 400
        elif "Session-Expires: 30" in extras:
            assert status == 422
        elif body and not self.acceptable:
            assert status == 488
        else:
            assert status == 200

    @property
    def _our_offer_waits(self) -> bool:
        acceptance = self.call._acceptance
        return acceptance is not None and acceptance.wants_answer

    @rule(right=st.booleans(), body=st.sampled_from([b"", MORE]))
    def acknowledges(self, right: bool, body: bytes) -> None:
        cseq = self.unacknowledged if right and self.unacknowledged else self.cseq + 7
        assert self.hand(self.make("ACK", cseq=cseq, body=body)) == []
        if right:
            self.unacknowledged = None

    @rule(method=st.sampled_from(["INVITE", "UPDATE", "INFO", "BYE", "REFER", "OPTIONS"]))
    def is_late(self, method: str) -> None:
        if self.cseq < 2:
            return
        status = self.only(self.make(method, cseq=self.cseq - 1))
        assert status == (500 if self.live or self._usage else status)
        assert status in (200, 481, 500)

    @property
    def _usage(self) -> bool:
        return bool(self.wire.agent._sessions._usages)

    @rule(method=st.sampled_from(["INVITE", "UPDATE", "INFO", "BYE", "PRACK", "NOTIFY"]))
    def means_another_call(self, method: str) -> None:
        self.number += 1
        stray = request(
            method, cseq=99, to_tag="other", branch=f"z9hG4bK{self.number}", body=b""
        )
        assert self.only(stray) == 481

    @rule()
    def acknowledges_nothing_early(self) -> None:
        status = self.only(self.next("PRACK", "RAck: 1 1 INVITE"))
        assert status == 481

    @rule(body=st.sampled_from([b"", b"Signal=1"]))
    def informs(self, body: bytes) -> None:
        status = self.only(self.next("INFO", body=body))
        assert status == (200 if self.live else 481)

    @rule(headers=st.sampled_from([(), (f"Refer-To: <{TARGET}>",)]))
    def refers(self, headers: tuple[str, ...]) -> None:
        live = self.live
        usages = sum(map(len, self.wire.agent._sessions._usages.values()))
        status = self.only(self.next("REFER", *headers))
        if not live:
            assert status == 481
        elif usages >= MAX_USAGES:
            assert status == 503
        elif not headers:
            assert status == 400
        else:
            assert status == (202 if self.acceptable else 603)

    @rule(
        line=st.sampled_from([b"", b"SIP/2.0 180 Ringing", b"SIP/2.0 200 OK", b"x"]),
        state=st.sampled_from(["active", "terminated"]),
    )
    def notifies(self, line: bytes, state: str) -> None:
        waiting = any(not got for got in self.transfers)
        raw = self.next("NOTIFY", "Event: refer", f"Subscription-State: {state}", body=line)
        status = self.only(raw.replace(b"application/sdp", b"message/sipfrag"))
        if not waiting:
            assert status == 481
        else:
            assert status == (400 if line == b"x" else 200)

    @precondition(lambda self: self.ours)
    @rule(
        status=st.sampled_from([100, 180, 200, 202, 401, 408, 422, 481, 491, 500, 603]),
        headers=st.sampled_from([(), ("Min-SE: 120",), ("Session-Expires: 90;refresher=uas",)]),
        body=st.sampled_from([b"", MORE]),
        index=st.integers(0, 5),
    )
    def replies(self, status: int, headers: tuple[str, ...], body: bytes, index: int) -> None:
        one = self.ours[index % len(self.ours)]
        if status >= 200:
            self.ours.remove(one)
        self.hand(reply(one, status, *headers, body=body))

    @rule()
    def cancels_too_late(self) -> None:
        responses = self.hand(request("CANCEL", branch="z9hG4bKINVITE1"))
        assert [one.status for one in responses] in ([200], [481])

    @rule()
    def hangs_up(self) -> None:
        live = self.live
        status = self.only(self.next("BYE"))
        assert status == 200 if live else status in (200, 481)
        assert not self.live

    @rule(data=st.binary(max_size=30))
    def talks_nonsense(self, data: bytes) -> None:
        for junk in (data, self.make("OPTIONS")[: len(data) * 10]):
            self.wire.agent.datagram_received(junk, PHONE)
        self.wire.sent.clear()

    # The application:

    @rule(method=st.sampled_from(["renegotiate", "update"]), late=st.booleans())
    def changes_something(self, method: str, late: bool) -> None:
        offer = None if late else lambda: MORE
        self.changes.append(outcome(getattr(self.call, method)(offer)))
        self.sort(self.wire.take())

    @rule()
    def transfers_the_call(self) -> None:
        try:
            self.transfers.append(outcome(self.call.transfer(TARGET, wait=60)))
        except CallStateError:
            assert not self.live or not all(self.transfers)
        self.sort(self.wire.take())

    @rule(final=st.booleans())
    def tells(self, final: bool) -> None:
        for referral in self.handler.referrals:
            if final:
                referral.finish(200)
            else:
                referral.progress(180)
        self.sort(self.wire.take())

    @rule()
    def changes_its_mind(self) -> None:
        self.acceptable = not self.acceptable

    @rule()
    def leaves(self) -> None:
        self.call.hang_up()
        self.sort(self.wire.take())
        assert not self.live or self.unacknowledged is not None

    # Time:

    @rule(seconds=st.sampled_from([0.5, 2.0, 33.0, 70.0]))
    def waits(self, seconds: float) -> None:
        steps = int(seconds / 0.5)
        with capture_logs() as logs:
            self.wire.clock.pump([0.5] * steps)
        self.logs += [one for one in logs if one["log_level"] == "error"]
        self.sort(self.wire.take())
        if seconds > 32:
            self.unacknowledged = None
            self.ours = [one for one in self.ours if one.method == "INVITE"]

    # What always holds:

    @invariant()
    def ends_once_and_nothing_fails(self) -> None:
        assert len(self.handler.ends) <= 1
        assert self.logs == []
        if hasattr(self, "call"):
            assert self.call.live is self.live
            assert self.wire.agent.live_calls == (1 if self.live else 0)

    def teardown(self) -> None:
        if not hasattr(self, "call"):
            return
        self.call.hang_up()
        self.wire.clock.pump([1.0] * 400)
        assert len(self.handler.ends) == 1
        assert all(len(got) == 1 for got in [*self.changes, *self.transfers])
        assert self.wire.clock.getDelayedCalls() == []
        assert self.wire.agent._sessions.idle
        assert len(self.wire.agent._servers) == len(self.wire.agent._clients) == 0


SessionMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
TestSession = SessionMachine.TestCase
