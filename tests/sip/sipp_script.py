"""SIPp as either side of a scenario out of steps, which checks what it gets by itself.

A caller begins with `invite(...)`, `answered()` and `ack()`; inside the call `asked(...)` asks
and checks the answer. The steps of who is called are those of `sipp_uas`; `check` is for both.
"""

import asyncio
import re
import socket
from asyncio import Task
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import quoteattr

from twisted.internet import reactor

from ivr.clock import Clock, DelayedCall
from ivr.sip import Address, IncomingCall, UserAgent, listen

SDP = """v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
"""
DESCRIBED = "Content-Type: application/sdp"
_TIMEOUT = 20
_REACTOR = cast("Clock", reactor)


def check(header: str, expression: str, into: str = "") -> str:
    """Return the check that the first `header` of a message matches.

    Without a header the whole message has to. `into` is the variable for what matches.
    """
    name = into or "c"
    where = f'search_in="hdr" header="{header}:"' if header else 'search_in="msg"'
    return f'<ereg regexp={quoteattr(expression)} {where} check_it="true" assign_to="{name}" />'


KEEP = "".join(
    f'<ereg regexp=".*" search_in="hdr" header="{name}:" assign_to="k{name.lower()}" />'
    for name in ("Via", "From", "To", "CSeq")
)
"""Keeps a request, so that `reply` answers it whatever comes in between."""


def reply(status: str, *headers: str, body: str = "", repeated: bool = False) -> str:
    """Return a step that answers the request that was kept."""
    kept = [f"{name}:[$k{name.lower()}]" for name in ("Via", "From", "To", "CSeq")]
    lines = [f"SIP/2.0 {status}", *kept, "Call-ID: [call_id]", *headers]
    lines.append("Contact: <sip:debtor@[local_ip]:[local_port]>")
    return _send(lines, body, ' retrans="500"' if repeated else "")


def ask(
    method: str,
    *headers: str,
    cseq: int,
    uri: str = "[next_url]",
    body: str = "",
    transaction: str = "",
    branch: str = "[branch]",
    via: str = "[local_ip]:[local_port]",
    hops: int = 70,
    tag: str = "[peer_tag_param]",
    call: str = "[call_id]",
) -> str:
    """Return a step that sends a request, repeated until it is answered.

    What is answered while another request is open needs a `transaction` of its own.
    """
    here = "<sip:debtor@[local_ip]:[local_port]>"
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/[transport] {via};branch={branch}",
        'From: "SIPp" <sip:+3399@[local_ip]:[local_port]>;tag=[pid]-[call_number]',
        f"To: <sip:+3312345@[remote_ip]:[remote_port]>{tag}",
        f"Call-ID: {call}",
        f"CSeq: {cseq} {method}",
        f"Max-Forwards: {hops}",
        *([f"Contact: {here}"] if method in ("INVITE", "UPDATE", "REFER", "REGISTER") else ()),
        *headers,
    ]
    if method == "ACK":
        mark = f' ack_txn="{transaction}"' if transaction else ""
    else:
        mark = ' retrans="500"' + (f' start_txn="{transaction}"' if transaction else "")
    return _send(lines, body, mark)


def invite(*headers: str, body: str = SDP, cseq: int = 1, **more: Any) -> str:
    """Return a step that calls."""
    described = (
        (DESCRIBED,) if body and not any("Content-Type" in one for one in headers) else ()
    )
    uri = "sip:+3312345@[remote_ip]:[remote_port]"
    return ask(
        "INVITE",
        *headers,
        *described,
        cseq=cseq,
        body=body,
        **{"uri": uri, "transaction": f"i{cseq}", "tag": "", **more},
    )


def gets(status: int, *checks: str, transaction: str = "", provisional: bool = False) -> str:
    """Return steps that wait for a response; `provisional` ones may come before."""
    mark = f' response_txn="{transaction}"' if transaction else ""
    may = "".join(f'  <recv response="{one}"{mark} optional="true" />\n' for one in (100, 180))
    routes = ' rrs="true"' if 200 <= status < 300 or status == 183 else ""
    action = f"<action>{''.join(checks)}</action>" if checks else ""
    return (
        f'{may if provisional else ""}  <recv response="{status}"{mark}{routes}>{action}</recv>'
    )


def answered(*checks: str, cseq: int = 1, status: int = 200) -> str:
    """Return steps that wait for the answer to an INVITE."""
    return gets(status, *checks, transaction=f"i{cseq}", provisional=True)


def ack(cseq: int = 1, body: str = "", *headers: str) -> str:
    """Return a step that acknowledges."""
    described = (DESCRIBED,) if body else ()
    return ask("ACK", *headers, *described, cseq=cseq, body=body, transaction=f"i{cseq}")


def refused(status: int, *checks: str, cseq: int = 1) -> str:
    """Return steps that take a refusal of an INVITE."""
    return "\n".join([answered(*checks, cseq=cseq, status=status), ack(cseq)])


def bye(cseq: int) -> str:
    """Return steps that hang up."""
    return "\n".join([ask("BYE", cseq=cseq, transaction="bye"), gets(200, transaction="bye")])


def asked(
    method: str,
    status: int,
    *checks: str,
    cseq: int,
    headers: Sequence[str] = (),
    body: str = "",
    **more: Any,
) -> str:
    """Return steps that ask something inside a call and check the answer."""
    transaction = f"{method.lower()}{cseq}"
    sent = ask(method, *headers, cseq=cseq, body=body, transaction=transaction, **more)
    return "\n".join([sent, gets(status, *checks, transaction=transaction)])


def _send(lines: Sequence[str], body: str, mark: str) -> str:
    length = "[len]" if body else "0"
    text = "\n".join([*lines, f"Content-Length: {length}", "", body])
    indented = "\n".join(f"      {line}" for line in text.splitlines())
    return f"  <send{mark}><![CDATA[\n{indented}\n\n  ]]></send>"


def scenario(steps: Sequence[str], name: str = "steps") -> str:
    """Return the scenario of `steps`."""
    body = "\n".join(steps)
    assigned = dict.fromkeys(
        one for found in re.findall(r'assign_to="([^"]*)"', body) for one in found.split(",")
    )
    used = f'  <Reference variables="{",".join(assigned)}" />\n' if assigned else ""
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        f'<scenario name="{name}">\n{body}\n{used}</scenario>\n'
    )


def free_port() -> int:
    """Return a UDP port of loopback that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _written(folder: Path, steps: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "steps.xml"
    file.write_text(scenario(steps))
    return file


async def run(
    steps: Sequence[str],
    folder: Path,
    to: Address | None,
    *options: str,
    host: str = "127.0.0.1",
    calls: int = 1,
) -> None:
    """Run SIPp from `host`: as the caller of `to`, or as who is called without it.

    Raise AssertionError with SIPp's words when a call did not go as its steps say.
    """
    file = _written(folder, steps)
    target = [] if to is None else [to.in_uri()]
    process = await asyncio.create_subprocess_exec(
        *("sipp", *target, "-sf", str(file), "-i", host, "-nostdin"),
        *("-m", str(calls), "-timeout", f"{_TIMEOUT}s", "-timeout_error"),
        *("-trace_err", "-error_file", "errors.log", *options),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    log = folder / "errors.log"
    words = log.read_text("latin-1") if log.exists() else ""
    assert process.returncode == 0, words[-4000:] or output.decode("latin-1")[-4000:]


class Hurried:
    """The reactor's clock, running faster: an interval of minutes passes in seconds."""

    def __init__(self, times: float = 30.0) -> None:
        self._times = times

    def seconds(self) -> float:
        return _REACTOR.seconds() * self._times

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - Twisted's name
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        return _REACTOR.callLater(delay / self._times, callable, *args, **kw)


async def called(steps: Sequence[str], folder: Path, port: int, *options: str) -> Task[None]:
    """Run SIPp as who is called at `port` of loopback; return once it listens."""
    peer = asyncio.ensure_future(run(steps, folder, None, "-p", str(port), *options))
    bound = f"0100007F:{port:04X} "
    while not peer.done() and bound not in _sockets():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    return peer


def _sockets() -> str:
    return Path("/proc/net/udp").read_text()


@asynccontextmanager
async def user_agent(
    on_call: Callable[[IncomingCall], None] = lambda call: call.reject(486),
    *,
    host: str = "127.0.0.1",
    clock: Any = reactor,
    **more: Any,
) -> AsyncIterator[UserAgent]:
    """A user agent on a port of its own; at the end everything has to become idle."""
    transport, port, local = listen(reactor, Address(host, 0))
    agent = UserAgent(clock, transport, local=local, on_call=on_call, **more)
    transport.received = agent.datagram_received
    loop = asyncio.get_running_loop()
    try:
        yield agent
        async with asyncio.timeout(_TIMEOUT):
            await agent.when_idle().asFuture(loop)
    finally:
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)
