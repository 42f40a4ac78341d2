"""SIPp tries, as a caller, what is refused, what crosses, and what goes by several proxies."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from ivr.sip import CallEnd, IncomingCall
from ivr.sip.line import Line
from ivr.sip.trunk import Trunk
from tests.sip.sipp_script import (
    DESCRIBED,
    KEEP,
    SDP,
    Hurried,
    ack,
    answered,
    ask,
    asked,
    bye,
    check,
    free_port,
    gets,
    invite,
    refused,
    reply,
    run,
    user_agent,
)
from tests.sip.sipp_uas import recv, send
from tests.sip.test_sipp_sessions import Answers, Owner
from tests.sip.wire import OFFER

TOLD = "56a390f3d2b7310023a2;encoding=hex"
NEVER_RUNG: list[Owner] = []


class Leaves(Answers):
    """Hangs up when its answer was confirmed."""

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        self.call.hang_up()


class Rings(Owner):
    """Rings, and leaves the caller to it."""

    def begin(self) -> None:
        self.call.ring()


class Changes(Answers):
    """Offers another session when its answer was confirmed."""

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        if len(self.heard) == 1:
            changed = self.call.renegotiate(lambda: OFFER)
            changed.addCallback(lambda answer: self.heard.append(("changed", bool(answer))))


async def called(
    steps: list[str],
    folder: Path,
    owner: type[Any] = Answers,
    options: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    **more: Any,
) -> list[Owner]:
    """Let SIPp call with `steps`; return the owners of its calls once all is idle."""
    owners: list[Owner] = []

    def on_call(call: IncomingCall) -> None:
        call.handler = one = owner()
        one.call = call
        owners.append(one)
        one.begin()

    async with user_agent(on_call, host=host, **more) as agent:
        shown = f"[{host}]" if ":" in host else host
        await run(steps, folder, agent.local, *options, host=shown)
    return owners


UP = [invite(), answered(), ack()]
REFUSED = {
    "an extension that is required and not known": [
        invite("Require: 100rel, nothere"),
        refused(420, check("Unsupported", "nothere")),
    ],
    "no hop left": [invite(hops=0), refused(483)],
    "a method that is not taken": [
        ask(
            "SUBSCRIBE", "Event: presence", cseq=1, uri="sip:[remote_ip]:[remote_port]", tag=""
        ),
        gets(405, check("Allow", "INVITE.*BYE")),
    ],
    "a body that is no session": [
        invite("Content-Type: text/plain", body="hello"),
        refused(415, check("Accept", "application/sdp")),
    ],
    "a session that would be refreshed too often": [
        invite("Supported: timer", "Session-Expires: 30"),
        refused(422, check("Min-SE", "90")),
    ],
    "a call to be replaced that is not there": [
        invite("Require: replaces", "Replaces: nothere;to-tag=1;from-tag=2"),
        refused(481),
    ],
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_call_that_is_refused_never_reaches_the_application(
    tmp_path: Path, why: str
) -> None:
    assert await called(REFUSED[why], tmp_path) == NEVER_RUNG


async def test_a_request_that_comes_late_is_out_of_order(tmp_path: Path) -> None:
    steps = [
        *UP,
        asked("OPTIONS", 200, check("Supported", "timer"), cseq=7),
        asked("OPTIONS", 500, cseq=6),
        asked("NOTIFY", 481, cseq=8, headers=("Event: refer", "Subscription-State: active")),
        bye(9),
    ]
    [owner] = await called(steps, tmp_path)
    assert owner.heard == [("acknowledged", b""), ("ended", CallEnd.HUNG_UP_BY_PEER)]


async def test_an_invite_that_comes_twice_by_different_ways_is_one_call(
    tmp_path: Path,
) -> None:
    ours = "[$tag]"
    steps = [
        invite(),
        answered(check("To", ";tag=.*", into="tag")),
        invite(transaction="again"),
        gets(482, transaction="again"),
        ask("ACK", cseq=1, transaction="again"),
        ask("ACK", cseq=1, transaction="i1", tag=ours),
        asked("BYE", 200, cseq=2, tag=ours),
    ]
    [owner] = await called(steps, tmp_path)
    assert owner.ends == [CallEnd.HUNG_UP_BY_PEER]


@pytest.mark.parametrize("sign", ["address", "contact"])
async def test_a_trunk_is_known_by_its_address_or_by_our_contact_there(
    tmp_path: Path, sign: str
) -> None:
    net = "127.0.0.0/8" if sign == "address" else "192.0.2.0/24"
    here, there = (
        Trunk(name, "127.0.0.1:9", ping_interval=0, allowed_sources=(ip_network(one),))
        for name, one in (("here", net), ("there", "198.51.100.0/24"))
    )
    known: list[Line | None] = []

    def on_call(call: IncomingCall) -> None:
        known.append(agent.trunks.of(call.request, call.source))
        call.reject(486)

    async with user_agent(on_call) as agent:
        agent.trunks.use(there)
        line = agent.trunks.use(here)
        mark = f";line={line.token}" if sign == "contact" else ""
        called_ = invite(uri=f"sip:solde@[remote_ip]:[remote_port]{mark}")
        await run([called_, refused(486)], tmp_path, agent.local)
    assert known == [line]


async def test_our_requests_pass_the_proxies_that_the_call_came_by(tmp_path: Path) -> None:
    near, far = "<sip:[local_ip]:[local_port];lr>", "<sip:far.example.com;lr>"
    both = "sip:127.0.0.1:[0-9]+;lr>.*sip:far.example.com;lr>"
    steps = [
        invite(f"Record-Route: {near}", f"Record-Route: {far}"),
        answered(check("", f"Record-Route: *<{both}")),
        ack(),
        recv("BYE", check("", f"^BYE sip:debtor@.*Route: *<{both}")),
        send("200 OK"),
    ]
    [owner] = await called(steps, tmp_path, Leaves)
    assert owner.ends == [CallEnd.HUNG_UP_BY_US]


async def test_offers_that_come_with_the_200(tmp_path: Path) -> None:
    steps = [
        invite(body=""),
        answered(check("", "application/sdp.*v=0")),
        ack(1, SDP),
        invite(body="", cseq=2, uri="[next_url]", tag="[peer_tag_param]"),
        answered(check("", "application/sdp.*v=0"), cseq=2),
        ack(2, SDP),
        bye(3),
    ]
    [owner] = await called(steps, tmp_path)
    first, asked_for, second, end = owner.heard
    assert asked_for == ("renegotiated", b"")
    for word, body in (first, second):
        assert word == "acknowledged"
        assert isinstance(body, bytes)
        assert b"m=audio" in body
    assert end == ("ended", CallEnd.HUNG_UP_BY_PEER)


async def test_their_change_crosses_ours(tmp_path: Path) -> None:
    steps = [
        *UP,
        recv("INVITE", KEEP),
        invite(cseq=2, uri="[next_url]", tag="[peer_tag_param]"),
        refused(491, cseq=2),
        reply("200 OK", DESCRIBED, body=SDP, repeated=True),
        recv("ACK"),
        bye(3),
    ]
    [owner] = await called(steps, tmp_path, Changes)
    assert owner.heard == [
        ("acknowledged", b""),
        ("changed", True),
        ("ended", CallEnd.HUNG_UP_BY_PEER),
    ]


async def test_a_caller_who_gives_up(tmp_path: Path) -> None:
    branch = "z9hG4bK-up-[pid]-[call_number]"
    uri = "sip:+3312345@[remote_ip]:[remote_port]"
    steps = [
        invite(branch=branch, transaction=""),
        gets(100).replace("<recv ", '<recv optional="true" '),
        gets(180),
        ask("CANCEL", cseq=1, uri=uri, branch=branch, tag=""),
        gets(200, check("CSeq", "CANCEL")),
        gets(487, check("CSeq", "INVITE")),
        ask("ACK", cseq=1, uri=uri, branch=branch),
    ]
    [owner] = await called(steps, tmp_path, Rings)
    assert owner.ends == [CallEnd.CANCELLED]


async def test_a_cancel_that_comes_after_the_answer_changes_nothing(tmp_path: Path) -> None:
    branch = "z9hG4bK-late-[pid]-[call_number]"
    uri = "sip:+3312345@[remote_ip]:[remote_port]"
    steps = [
        invite(branch=branch, transaction=""),
        gets(100).replace("<recv ", '<recv optional="true" '),
        gets(200),
        ask("CANCEL", cseq=1, uri=uri, branch=branch, tag=""),
        gets(200, check("CSeq", "CANCEL")),
        ask("ACK", cseq=1),
        bye(2),
    ]
    [owner] = await called(steps, tmp_path)
    assert owner.heard == [("acknowledged", b""), ("ended", CallEnd.HUNG_UP_BY_PEER)]


async def test_a_caller_behind_an_address_that_is_not_its_own(tmp_path: Path) -> None:
    port = free_port()
    told = check("Via", f"192.0.2.99:9;.*received=127.0.0.1;rport={port}")
    hidden = "192.0.2.99:9;rport"
    steps = [
        invite(via=hidden),
        answered(told),
        ack(),
        asked("OPTIONS", 200, told, cseq=2, via=hidden),
        bye(3),
    ]
    [owner] = await called(steps, tmp_path, options=("-p", str(port)))
    assert owner.ends == [CallEnd.HUNG_UP_BY_PEER]


async def test_ipv6(tmp_path: Path) -> None:
    steps = [
        invite(),
        answered(check("Contact", r"sip:[^@]*@?\[::1\]:[0-9]+")),
        ack(),
        recv("BYE", check("Via", r"\[::1\]:[0-9]+")),
        send("200 OK"),
    ]
    [owner] = await called(steps, tmp_path, Leaves, host="::1")
    assert owner.ends == [CallEnd.HUNG_UP_BY_US]


async def test_what_networks_and_applications_tell_of_a_call(tmp_path: Path) -> None:
    steps = [
        invite(
            f"User-to-User: {TOLD};purpose=foo;content=bar",
            "Diversion: <sip:+3310@carrier.example>;reason=no-answer;counter=2",
            "History-Info: <sip:+3310@carrier.example>;index=1",
            "History-Info: <sip:+3312345@here;cause=408>;index=1.1",
            'P-Asserted-Identity: "Debtor" <sip:+3399@carrier.example>, <tel:+3399>',
            "Privacy: id",
            "Referred-By: <sip:agent@pbx.example>",
            "X-Payment-Code: 4711",
        ),
        answered(),
        ack(),
        bye(2),
    ]
    [owner] = await called(steps, tmp_path)
    details = owner.call.details
    [told] = details.user_to_user
    assert (told.data.hex(), told.purpose, told.content) == (
        "56a390f3d2b7310023a2",
        "foo",
        "bar",
    )
    [sent_on] = details.diversions
    assert sent_on.by.uri.called == "+3310"
    assert (sent_on.reason, sent_on.counter) == ("no-answer", 2)
    assert [(one.index, one.cause) for one in details.history] == [((1,), None), ((1, 1), 408)]
    assert [one.uri_text for one in details.asserted_identities] == [
        "sip:+3399@carrier.example",
        "tel:+3399",
    ]
    assert details.wants_privacy
    assert details.referred_by is not None
    assert details.referred_by.uri_text == "sip:agent@pbx.example"
    assert details.header("X-Payment-Code") == "4711"


@pytest.mark.parametrize("theirs", [True, False])
async def test_who_is_gone_is_hung_up_on_and_who_is_there_is_asked(
    tmp_path: Path, theirs: bool
) -> None:
    """The refresher is silent; or it is us, whose UPDATE is answered until we hear a BYE."""
    refresher = "uac" if theirs else "uas"
    begin = [
        invite(
            "Supported: timer",
            f"Session-Expires: 90;refresher={refresher}",
            "Allow: UPDATE, BYE",
        ),
        answered(check("Session-Expires", f"90;refresher={refresher}")),
        ack(),
    ]
    gone = [recv("BYE", check("Reason", "cause=408")), send("200 OK")]
    update = recv("UPDATE", check("Session-Expires", "90;refresher=uac"))
    refreshed = [update, send("200 OK", "Session-Expires: 90;refresher=uac", "Require: timer")]
    steps = [*begin, *gone] if theirs else [*begin, *refreshed, *refreshed, bye(2)]
    [owner] = await called(steps, tmp_path, clock=Hurried())
    end = CallEnd.SESSION_EXPIRED if theirs else CallEnd.HUNG_UP_BY_PEER
    assert owner.ends == [end]
