"""SIPp is called by us, and is a trunk: its passwords, its wishes, its silence."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from ivr.sip import CallEnd
from ivr.sip.digest_client import Credentials
from ivr.sip.line import Line
from ivr.sip.names import Answer, Kind, Srv
from ivr.sip.registration import Registered
from ivr.sip.resolution import Resolver
from ivr.sip.trunk import Trunk
from ivr.sip.user_to_user import UserToUser
from ivr.sip.watch import LineState
from tests.sip.callee import Caller
from tests.sip.sipp_script import Hurried, called, check, free_port, user_agent
from tests.sip.sipp_uas import INVITED, recv, send
from tests.sip.test_outgoing_sipp import ANSWERED, HUNG_UP, GivesUpWhenItRings, HangsUpWhen
from tests.sip.test_resolution import FakeNames
from tests.sip.wire import OFFER

TAKEN = [send("200 OK", tag="a", sdp=True, repeated=True), recv("ACK")]
KNOWN = (Credentials("solde", "s3cret"),)


async def calling(
    steps: list[str],
    folder: Path,
    handler: type[Caller] = HangsUpWhen,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    trunk: dict[str, Any] | None = None,
    options: tuple[str, ...] = (),
    **more: Any,
) -> Any:
    """Call a SIPp that takes `steps`; return the handler once all is idle."""
    port = free_port()
    one = handler()
    over = Trunk("sipp", f"127.0.0.1:{port}", **{"ping_interval": 0, **(trunk or {})})
    async with user_agent(**more) as agent:
        peer = await called(steps, folder, port, *options)
        try:
            call = agent.call("+3312345", OFFER, handler=one, trunk=over, headers=headers)
            one.call = call  # type: ignore[attr-defined] # for those that look
            one.hang_up = call.hang_up  # type: ignore[attr-defined] # for those that do
            await peer
        finally:
            peer.cancel()
    return one


async def test_our_requests_pass_the_proxies_that_the_answer_names(tmp_path: Path) -> None:
    # They are named the last first.
    far, near = "<sip:far.example.com;lr>", "<sip:[local_ip]:[local_port];lr>"
    both = check("", "^[A-Z]* sip:sipp@.*Route: *<sip:127.0.0.1:.*sip:far.example.com;lr>")
    lines = (f"Record-Route: {far}", f"Record-Route: {near}")
    steps = [
        INVITED,
        send("200 OK", *lines, tag="a", sdp=True, repeated=True),
        recv("ACK", both),
        recv("BYE", both),
        send("200 OK"),
    ]
    assert (await calling(steps, tmp_path)).ends == [CallEnd.HUNG_UP_BY_US]


async def test_the_answer_crosses_our_cancel(tmp_path: Path) -> None:
    steps = [
        INVITED,
        send("180 Ringing", tag="a"),
        recv("CANCEL"),
        send("200 OK"),
        send("200 OK", tag="a", sdp=True, repeated=True, invite=True),
        recv("ACK"),
        *HUNG_UP,
    ]
    one = await calling(steps, tmp_path, GivesUpWhenItRings)
    assert one.heard == [("ringing", None), ("ended", CallEnd.HUNG_UP_BY_US)]


async def test_who_wants_longer_sessions_gets_them(tmp_path: Path) -> None:
    longer = check("Session-Expires", "2000") + check("Min-SE", "2000")
    steps = [
        recv("INVITE", check("Session-Expires", "1800")),
        send("422 Session Interval Too Small", "Min-SE: 2000", tag="a", repeated=True),
        recv("ACK"),
        recv("INVITE", longer),
        *TAKEN,
        *HUNG_UP,
    ]
    assert (await calling(steps, tmp_path)).ends == [CallEnd.HUNG_UP_BY_US]


async def test_who_was_to_refresh_and_is_silent_is_hung_up_on(tmp_path: Path) -> None:
    timer = ("Require: timer", "Session-Expires: 90;refresher=uas")
    steps = [
        INVITED,
        send("200 OK", *timer, tag="a", sdp=True, repeated=True),
        recv("ACK"),
        recv("BYE", check("Reason", "cause=408")),
        send("200 OK"),
    ]
    one = await calling(steps, tmp_path, Caller, clock=Hurried())
    assert one.ends == [CallEnd.SESSION_EXPIRED]


VERIFIED = '<verifyauth assign_to="right" username="solde" password="s3cret" />'
"""SIPp computes the answer itself: MD5 in Authorization is all it can."""


def challenge(status: str, *lines: str) -> list[str]:
    return [send(status, *lines, tag="a", repeated=True), recv("ACK")]


def verified(request: str) -> list[str]:
    """Go on with who was verified by `request`; refuse anybody else."""
    return [
        request.replace("<recv ", '<recv next="1" test="right" '),
        send("403 Forbidden", tag="b", repeated=True),
        recv("ACK"),
        '  <label id="1" />',
    ]


async def test_a_nonce_grows_stale(tmp_path: Path) -> None:
    asks = 'WWW-Authenticate: Digest realm="sipp", qop="auth", opaque="o", nonce="'
    right = check("Authorization", 'nonce="second".*qop=auth.*nc=00000001.*opaque="o"')
    steps = [
        INVITED,
        *challenge("401 Unauthorized", f'{asks}first"'),
        recv("INVITE", check("Authorization", 'nonce="first"')),
        *challenge("401 Unauthorized", f'{asks}second", stale=true'),
        *verified(recv("INVITE", right + VERIFIED)),
        *ANSWERED[2:],
        *HUNG_UP,
    ]
    one = await calling(steps, tmp_path, trunk={"credentials": KNOWN})
    assert one.ends == [CallEnd.HUNG_UP_BY_US]


async def test_a_proxy_asks_and_the_strongest_hash_answers(tmp_path: Path) -> None:
    asks = 'Proxy-Authenticate: Digest realm="sipp", qop="auth", nonce="n", algorithm='
    told = check("Proxy-Authorization", ".*", into="told")
    steps = [
        INVITED,
        *challenge("407 Proxy Authentication Required", f"{asks}MD5", f"{asks}SHA-256"),
        recv("INVITE", f'{told}<log message="[$told]" />'),
        *ANSWERED[2:],
        *HUNG_UP,
    ]
    logged = ("-trace_logs", "-log_file", "told.log")
    one = await calling(steps, tmp_path, trunk={"credentials": KNOWN}, options=logged)
    assert one.ends == [CallEnd.HUNG_UP_BY_US]
    answer = (tmp_path / "told.log").read_text()
    fields = dict(re.findall(r'(\w+)="?([^",\n]+)', answer))

    def digest(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    assert (fields["algorithm"], fields["nonce"]) == ("SHA-256", "n")
    assert fields["response"] == digest(  # RFC 7616 §3.4.1
        digest("solde", "sipp", "s3cret"),
        *("n", fields["nc"], fields["cnonce"], "auth"),
        digest("INVITE", fields["uri"]),
    )


async def test_a_wrong_password_is_not_tried_again_and_again(tmp_path: Path) -> None:
    asks = 'WWW-Authenticate: Digest realm="sipp", qop="auth", nonce="'
    steps = [
        INVITED,
        *challenge("401 Unauthorized", f'{asks}first"'),
        recv("INVITE"),
        *challenge("401 Unauthorized", f'{asks}second"'),
    ]
    one = await calling(steps, tmp_path, trunk={"credentials": KNOWN})
    assert one.ends == [CallEnd.REFUSED]
    assert one.call.outcome.status == 401


async def test_what_we_tell_of_a_call(tmp_path: Path) -> None:
    steps = [
        recv(
            "INVITE",
            check("P-Asserted-Identity", "<sip:[+]3310@pay.example>")
            + check("User-to-User", "^ *6f6b;encoding=hex *$")
            + check("X-Campaign", "spring"),
        ),
        *TAKEN,
        *HUNG_UP,
    ]
    one = await calling(
        steps,
        tmp_path,
        trunk={"asserted_identity": "sip:+3310@pay.example"},
        headers=(("User-to-User", str(UserToUser(b"ok"))), ("X-Campaign", "spring")),
    )
    assert one.ends == [CallEnd.HUNG_UP_BY_US]


async def test_who_has_moved_is_called_there(tmp_path: Path) -> None:
    moved = "Contact: <sip:elsewhere@[local_ip]:[local_port]>"
    redirect = send("302 Moved Temporarily", moved, tag="a", repeated=True)
    steps = [
        INVITED,
        redirect.replace("Contact: <sip:sipp@[local_ip]:[local_port]>", "Server: SIPp"),
        recv("ACK"),
        recv("INVITE", check("", "^INVITE sip:elsewhere@127.0.0.1:")),
        *TAKEN,
        *HUNG_UP,
    ]
    one = await calling(steps, tmp_path, trunk={"follow_redirects": True})
    assert one.ends == [CallEnd.HUNG_UP_BY_US]


@pytest.mark.parametrize("first", ["unavailable", "silent"])
async def test_the_second_server_takes_the_call(tmp_path: Path, first: str) -> None:
    """SRV names two; the first answers 503, or hears the INVITE and says nothing."""
    ports = (free_port(), free_port())
    names = FakeNames()
    both = tuple(Srv(i, 0, port, "host.example") for i, port in enumerate(ports))
    names.add(Kind.SRV, "_sip._udp.carrier.example", Answer(60, srv=both))
    names.add(Kind.A, "host.example", Answer(60, addresses=("127.0.0.1",)))
    refuses = [send("503 Service Unavailable", tag="a", repeated=True), recv("ACK")]
    # An INVITE without any answer is not followed by a CANCEL (RFC 3261 §9.1).
    sides = (
        [recv("INVITE"), *(refuses if first == "unavailable" else [])],
        [INVITED, *TAKEN, *HUNG_UP],
    )
    trunk = Trunk("carrier", "carrier.example", ping_interval=0, failover_after=16)
    one = HangsUpWhen()
    async with user_agent(resolver=Resolver(names), clock=Hurried(10)) as agent:
        peers = [
            await called(steps, tmp_path / str(port), port)
            for steps, port in zip(sides, ports, strict=True)
        ]
        one.hang_up = agent.call("+3312345", OFFER, handler=one, trunk=trunk).hang_up
        await asyncio.gather(*peers)
    assert one.ends == [CallEnd.HUNG_UP_BY_US]


class Desk:
    """A user agent's trunk, and what becomes of it."""

    def __init__(self) -> None:
        self.states: asyncio.Queue[Any] = asyncio.Queue()

    def changed(self, line: Line) -> None:
        of = line.registration or line.watch
        assert of is not None
        self.states.put_nowait(of.status.state)

    async def becomes(self, state: object) -> None:
        async with asyncio.timeout(20):
            while await self.states.get() is not state:
                pass


async def test_we_register_at_a_trunk_stay_so_and_leave(tmp_path: Path) -> None:
    port = free_port()
    asks = 'WWW-Authenticate: Digest realm="sipp", qop="auth", nonce="n"'
    ours = check("Contact", "<sip:solde@.*;line=[0-9a-f]*>", into="where")
    known = send("200 OK", "Contact:[$where];expires=60", tag="a")  # and another's
    steps = [
        recv("REGISTER", check("Expires", "600")),
        send("423 Interval Too Brief", "Min-Expires: 900", tag="a"),
        recv("REGISTER", check("Expires", "900")),
        send("401 Unauthorized", asks, tag="a"),
        *verified(recv("REGISTER", VERIFIED + ours)),
        known,
        recv("REGISTER", check("Authorization", "nc=00000002") + check("CSeq", "4 REG")),
        known,
        recv("REGISTER", check("Expires", "^ *0 *$")),
        known,
    ]
    trunk = Trunk(
        "sipp", f"127.0.0.1:{port}", credentials=KNOWN, registers=True, ping_interval=0
    )
    desk = Desk()
    async with user_agent(on_line=desk.changed, clock=Hurried()) as agent:
        peer = await called(steps, tmp_path, port)
        line = agent.trunks.use(trunk)
        await desk.becomes(Registered.REGISTERED)
        await desk.becomes(Registered.REGISTERING)  # the refresh
        await desk.becomes(Registered.REGISTERED)
        assert line.registration is not None
        await agent.trunks.unregister().asFuture(asyncio.get_running_loop())
        await peer


async def test_a_trunk_is_pinged_and_is_down_when_it_says_so(tmp_path: Path) -> None:
    port = free_port()
    ping = recv("OPTIONS", check("Max-Forwards", "70"))
    good, bad = send("200 OK", tag="a"), send("503 Service Unavailable", tag="a")
    desk = Desk()
    trunk = Trunk("sipp", f"127.0.0.1:{port}", ping_interval=20)
    refused = Caller()
    async with user_agent(on_line=desk.changed, clock=Hurried()) as agent:
        answering = await called([ping, good], tmp_path, port)
        line = agent.trunks.use(trunk)
        await desk.becomes(LineState.UP)
        await answering
        refusing = await called([ping, bad], tmp_path, port, "-m", "3")
        await desk.becomes(LineState.DOWN)
        await refusing
        agent.call("+3312345", OFFER, handler=refused, trunk=trunk)
        answering = await called([ping, good], tmp_path, port, "-m", "2")
        await desk.becomes(LineState.UP)
        await answering
        assert line.refusal == ""
        assert line.watch is not None
        line.watch.close()
    assert refused.ends == [CallEnd.REFUSED]
