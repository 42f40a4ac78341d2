"""Where fuzzing begins: the messages of RFC 4475, and those of the tests."""

from collections.abc import Iterator

from tests.sip.test_torture import MESSAGES
from tests.sip.wire import OFFER, request

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nb=RS:0\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 "
    b"telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
SECURE = SDP.replace(b"RTP/AVP", b"RTP/SAVP") + (
    b"a=rtcp-mux\r\na=rtcp:49999 IN IP4 127.0.0.1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    b"inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB|2^31|1:4 KDR=0 WSH=64\r\n"
    b"a=crypto:2 AEAD_AES_128_GCM inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==\r\n"
    b"m=video 0 RTP/AVP 31\r\n"
)
HELD = SDP.replace(b"sendrecv", b"sendonly").replace(b"IN IP4 127.0.0.1", b"IN IP6 ::1")

FIELDS = [
    b'"J \\"R\\" Rosenberg" <sips:a%20b:pw@[2001:db8::1]:5061;lr;maddr=x?Replaces=a>;tag=1',
    b"tel:+33-1(23).45;phone-context=+33;ext=9",
    b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com?a=b&c=d",
    b"SIP/2.0/UDP [2001:db8::9:1]:5062;received=192.0.2.1;rport=9;branch=z9hG4bKx;maddr=h",
    b'a, "b,\\",c" <sip:x@y>, <sip:z;p="q">',
    b"98732@x;from-tag=a;to-tag=0;early-only",
    b"SIP/2.0 180 Ringing\r\n\r\n",
    b'56a3;encoding=hex;purpose="isdn-uui";content=isdn-uui',
]
CREDENTIALS = [
    (
        b'Digest username="watson", realm="example.com", nonce="AAAAAAAA", qop=auth, '
        b'uri="sip:example.com", response="b2a9", algorithm=SHA-256, cnonce="x", nc=00000001'
    ),
    (
        b'Digest realm="example.com", nonce="n\\"q", qop="auth-int, auth", algorithm=MD5, '
        b'stale=TRUE, opaque="5ccc", domain="sip:a sip:b"'
    ),
    b'Basic realm="x"',
]
_TIMED = (
    "Supported: timer, 100rel, replaces",
    "Session-Expires: 90;refresher=uac",
    "Min-SE: 90",
)


def messages() -> Iterator[bytes]:
    """Return whole messages."""
    for _, data in MESSAGES.values():
        yield data
    yield request(body=OFFER, headers=_TIMED)
    yield request(headers=("Require: 100rel", "Replaces: a;to-tag=b;from-tag=c"))
    yield request(
        headers=(
            "Diversion: <sip:a@b>;reason=busy;counter=2, <sip:c@d>",
            "History-Info: <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1, <tel:+33>;index=1.1",
            "User-to-User: 56a390f3d2;encoding=hex",
            "P-Asserted-Identity: <sip:a@b>, <tel:+33>",
            "Referred-By: <sip:r@s>",
            "Privacy: id;critical",
        )
    )
    yield from (one for name, one in dialog_requests("x"))
    yield request("REGISTER", headers=("Contact: *", "Expires: 0"))
    yield b"SIP/2.0 401 No\r\n" + request("BYE").partition(b"\r\n")[2]


def dialog_requests(tag: str) -> Iterator[tuple[str, bytes]]:
    """Return requests inside the dialog of `tests.sip.wire.request`, by what they are."""

    def inside(method: str, cseq: int, *headers: str, body: bytes = b"") -> bytes:
        return request(method, cseq=cseq, to_tag=tag, headers=headers, body=body)

    yield "ack", inside("ACK", 1)
    yield "prack", inside("PRACK", 2, "RAck: 1 1 INVITE")
    yield "update", inside("UPDATE", 3, "Contact: <sip:b@192.0.2.11>", body=OFFER)
    yield "reinvite", inside("INVITE", 4, *_TIMED, body=OFFER)
    yield "reack", inside("ACK", 4)
    yield (
        "key",
        inside("INFO", 5, body=b"Signal=5\r\nDuration=160\r\n").replace(
            b"application/sdp", b"application/dtmf-relay"
        ),
    )
    yield (
        "refer",
        inside("REFER", 6, "Refer-To: <sip:c@d?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"),
    )
    yield "notify", inside("NOTIFY", 7, "Event: refer;id=1", "Subscription-State: active")
    yield "options", inside("OPTIONS", 8)
    yield "bye", inside("BYE", 9)
