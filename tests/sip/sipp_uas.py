"""SIPp as the side that is called: scenarios out of steps."""

import asyncio
import socket
from pathlib import Path

from twisted.internet import reactor

from ivr.sip import Address, UserAgent, listen
from ivr.sip.trunk import Trunk
from tests.sip.callee import Caller
from tests.sip.wire import OFFER

_HEAD = """SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
{more}"""
_SDP = """Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
"""
_EMPTY = "Contact: <sip:sipp@[local_ip]:[local_port]>\nContent-Length: 0\n\n"


def send(
    status: str,
    *headers: str,
    tag: str = "",
    sdp: bool = False,
    repeated: bool = False,
    invite: bool = False,
) -> str:
    """Return a step that sends a response; `repeated` until something comes.

    It answers the last request, or the `invite` whatever came in between.
    """
    mark = f";tag={tag}-[call_number]" if tag else ""
    more = "\n".join([*headers, _SDP if sdp else _EMPTY])
    text = _HEAD.format(status=status, tag=mark, more=more)
    if invite:
        for line, kept in (("Via", "[$via]"), ("To", "[$to]"), ("CSeq", " 1 INVITE")):
            text = text.replace(f"[last_{line}:]", f"{line}:{kept}")
    lines = "\n".join(f"      {line}" for line in text.splitlines())
    retrans = ' retrans="500"' if repeated else ""
    return f"  <send{retrans}><![CDATA[\n{lines}\n\n  ]]></send>"


def recv(method: str, action: str = "") -> str:
    """Return a step that waits for a request."""
    inner = f"<action>{action}</action>" if action else ""
    return f'  <recv request="{method}">{inner}</recv>'


_KEEP = "".join(
    f'<ereg regexp=".*" search_in="hdr" header="{name}:" assign_to="{name.lower()}" />'
    for name in ("Via", "To")
)
INVITED = recv("INVITE", _KEEP)
"""The first INVITE, kept for later responses."""


def pause(milliseconds: int) -> str:
    return f'  <pause milliseconds="{milliseconds}" />'


END = '  <timewait milliseconds="3000" />'


async def called_by_us(
    steps: list[str],
    folder: Path,
    *options: str,
    calls: int = 1,
    trunk: dict[str, object] | None = None,
    handler: type[Caller] = Caller,
) -> list[Caller]:
    """Make calls to a SIPp that takes `steps`; return what each heard, once all is idle."""
    scenario = folder / "uas.xml"
    body = "\n".join([*steps, '  <Reference variables="via,to" />'])
    scenario.write_text(
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="uas">\n{body}\n</scenario>\n'
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        there = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *("-sf", str(scenario), "-i", "127.0.0.1", "-p", str(there), "-nostdin"),
        *("-m", str(calls), "-timeout", "40s", "-timeout_error", *options),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = asyncio.ensure_future(process.communicate())
    transport, port, local = listen(reactor, Address("127.0.0.1", 0))
    agent = UserAgent(reactor, transport, local=local, on_call=lambda call: call.reject(486))
    transport.received = agent.datagram_received
    fields: dict[str, object] = {"ping_interval": 0, **(trunk or {})}
    over = Trunk("sipp", f"127.0.0.1:{there}", **fields)  # type: ignore[arg-type] # its fields
    handlers = [handler() for _ in range(calls)]
    loop = asyncio.get_running_loop()
    try:
        for number, one in enumerate(handlers):
            call = agent.call(f"+33{number}", OFFER, handler=one, trunk=over)
            one.hang_up = call.hang_up  # type: ignore[attr-defined] # for those that do
        await agent.when_idle().asFuture(loop)
        text, _ = await output
        assert process.returncode == 0, text.decode("latin-1")[-3000:]
    finally:
        if process.returncode is None:
            process.kill()
            await output
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)
    return handlers
