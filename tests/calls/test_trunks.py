"""A whole node in this process, and peers on loopback addresses of their own."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as _reactor

from ivr.calls.node import Node
from ivr.ledger.database import open_database
from ivr.ledger.schema import migrate
from ivr.settings import Settings
from ivr.sip import Response, parse
from tests.sip.wire import request
from tests.sip_tls.authority import Authority, Files

reactor: Any = _reactor

HERE, CARRIER = "127.0.0.1", "127.0.0.9"
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
KEYED = OFFER + (
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
)
TRUNK = {"name": "carrier", "domain": CARRIER, "ping_interval": 0}


@asynccontextmanager
async def running(folder: Path, sip: dict[str, Any], **more: Any) -> AsyncIterator[Node]:
    settings = Settings.model_validate(
        {
            "node": {"name": "node-1", "data_dir": folder},
            "sip": {"host": HERE, "port": 0, **sip},
            "numbers": [{"number": "3000", "language": "fr"}],
            **more,
        }
    )
    database = open_database(settings.ledger_url)
    await migrate(database)
    await database.close()
    node = await Node.start(settings, reactor)
    try:
        yield node
    finally:
        await node.stop()


def invite(transport: str, source: tuple[str, int], body: bytes) -> bytes:
    """Return an INVITE to the payment number; each source has a call of its own."""
    where = "{}:{}".format(*source)
    via = f"SIP/2.0/{transport} {where};rport;branch=z9hG4bK{source[1]}"
    return request("INVITE", uri="sip:3000@127.0.0.1", body=body, call_id=where, via=via)


async def called(node: Node, host: str, body: bytes) -> int:
    """Return the final status of a call from `host`, by UDP."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((host, 0))
        phone.setblocking(False)
        message = invite("UDP", phone.getsockname(), body)
        await loop.sock_sendto(phone, message, (HERE, node.address.port))
        async with asyncio.timeout(10):
            while True:
                answer = parse(await loop.sock_recv(phone, 65535))
                assert isinstance(answer, Response)
                if answer.status >= 200:
                    return answer.status


@pytest.mark.parametrize(
    ("of_all", "of_trunk", "plain"),
    [
        ("off", "required", (200, 488)),
        ("required", "off", (488, 200)),
        ("required", None, (488, 488)),
    ],
)
async def test_a_call_is_encrypted_as_the_trunk_says_that_it_came_from(
    tmp_path: Path,
    of_all: str,
    of_trunk: str | None,
    plain: tuple[int, int],
) -> None:
    trunk = {**TRUNK, "allowed_sources": [f"{CARRIER}/32"]}
    trunk |= {} if of_trunk is None else {"srtp": of_trunk}
    async with running(tmp_path, {"trunks": [trunk]}, media={"srtp": of_all}) as node:
        assert (await called(node, HERE, OFFER), await called(node, CARRIER, OFFER)) == plain
        assert await called(node, CARRIER, KEYED) == 200


async def over_tls(port: int, authority: Authority, own: Files | None, body: bytes) -> int:
    """Return the final status of a call over TLS."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    reader, writer = await asyncio.open_connection(HERE, port, ssl=context)
    writer.write(invite("TLS", writer.get_extra_info("sockname"), body))
    status = 0
    async with asyncio.timeout(10):
        while status < 200:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"^Content-Length: (\d+)", head, re.MULTILINE)
            assert found is not None
            await reader.readexactly(int(found[1]))
            status = int(head.split(" ", 2)[1])
    writer.close()
    return status


@pytest.mark.parametrize("unknown", ["accept", "refuse", "drop"])
async def test_a_trunk_may_be_known_by_its_certificate_alone(
    tmp_path: Path, unknown: str
) -> None:
    authority = Authority(tmp_path)
    node_files = authority.issue(HERE)
    carrier = authority.issue("sip:sip.carrier.example", to="carrier")
    other = authority.issue("sip:other.example", to="other")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HERE, 0))
        port = probe.getsockname()[1]
    listener = {
        "transport": "tls",
        "host": HERE,
        "port": port,
        "certificate": node_files.certificate,
        "key": node_files.key,
        "client_ca": authority.file,
    }
    trunk = {**TRUNK, "allowed_domains": ["sip.carrier.example"], "srtp": "required"}
    sip = {"listeners": [listener], "trunks": [trunk], "protection": {"unknown": unknown}}
    async with running(tmp_path, sip) as node:
        assert node.address.host == HERE
        # As the trunk's, a call in the clear is refused; a stranger's is not, if it is taken.
        assert await over_tls(port, authority, carrier, OFFER) == 488
        assert await over_tls(port, authority, carrier, KEYED) == 200
        if unknown != "drop":
            for own in (other, None):
                status = await over_tls(port, authority, own, OFFER)
                assert status == (200 if unknown == "accept" else 403)
