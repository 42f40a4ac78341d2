"""What is refused, and what is dropped, before any call is touched (RFC 3261 §8.2)."""

import pytest
from structlog.testing import capture_logs

from ivr.sip import Address
from tests.sip.wire import ALLOW, LOCAL, OFFER, PHONE, Wire, only_response, request, status


def test_options_says_what_we_can_do() -> None:
    wire = Wire()
    ok = only_response(wire.receive(request("OPTIONS")))
    assert ok.status == 200
    assert ok.headers.values("Allow") == ALLOW
    assert ok.headers.values("Accept") == ["application/sdp"]
    assert ok.headers.values("Supported") == ["100rel", "norefersub", "replaces", "timer"]
    assert ok.to.tag != ""


def test_the_same_request_is_refused_with_the_same_tag() -> None:
    wire = Wire()
    one, same = (only_response(wire.receive(request("OPTIONS"))) for _ in range(2))
    other = only_response(wire.receive(request("OPTIONS", cseq=2)))
    assert one == same
    assert one.to.tag != other.to.tag


@pytest.mark.parametrize(
    ("method", "code"),
    [("PUBLISH", 405), ("SUBSCRIBE", 405), ("REGISTER", 405), ("invite", 501)],
)
def test_methods_we_do_not_process(method: str, code: int) -> None:
    wire = Wire()
    refused = only_response(wire.receive(request(method)))
    assert refused.status == code
    assert refused.headers.values("Allow") == ALLOW


@pytest.mark.parametrize(
    ("method", "code"),
    [("INFO", 481), ("UPDATE", 481), ("PRACK", 481), ("NOTIFY", 481), ("REFER", 403)],
)
def test_what_belongs_into_a_call_is_refused_outside(method: str, code: int) -> None:
    wire = Wire()
    assert wire.statuses(request(method)) == [code]
    assert wire.clock.getDelayedCalls() == []


def test_a_required_extension_is_refused_by_name() -> None:
    wire = Wire()
    refused = only_response(
        wire.receive(request(body=OFFER, headers=("Require: 100rel, precondition",)))
    )
    assert refused.status == 420
    assert refused.headers.values("Unsupported") == ["precondition"]
    assert wire.calls == []
    assert wire.statuses(request(body=OFFER, cseq=2, headers=("Require:",))) == [100]
    # An extension counts only where it means something.
    assert wire.statuses(request("OPTIONS", headers=("Require: 100rel",))) == [420]


def test_cancel_is_taken_whatever_it_requires() -> None:
    wire = Wire()
    wire.receive(request(body=OFFER))
    cancel = request("CANCEL", branch="z9hG4bKINVITE1", headers=("Require: future",))
    assert wire.statuses(cancel) == [200, 487]


def test_a_scheme_we_do_not_serve_is_416() -> None:
    wire = Wire()
    assert wire.statuses(request(uri="http://pay.example.com/")) == [416]


def test_a_tel_uri_is_called_by_its_number() -> None:
    wire = Wire()
    assert wire.statuses(request(uri="tel:+33-1-23.45;phone-context=x", body=OFFER)) == [100]
    assert wire.call.called == "+3312345"


def test_a_sips_call_is_answered_with_a_sips_contact() -> None:
    wire = Wire()
    wire.receive(request(uri="sips:pay@example.com", body=OFFER))
    wire.call.ring()
    assert only_response(wire.take()).headers.get("Contact") == f"<sips:{LOCAL.in_uri()}>"


def test_another_version_is_505() -> None:
    wire = Wire()
    future = request("OPTIONS").replace(b" SIP/2.0\r\n", b" SIP/3.1\r\n", 1)
    assert wire.statuses(future) == [505]


def test_a_body_that_is_no_session_is_415() -> None:
    wire = Wire()
    text = request(body=OFFER).replace(b"application/sdp", b"text/plain")
    refused = only_response(wire.receive(text))
    assert (refused.status, refused.headers.get("Accept")) == (415, "application/sdp")
    packed = only_response(
        wire.receive(request(body=OFFER, cseq=2, headers=("Content-Encoding: gzip",)))
    )
    assert (packed.status, packed.headers.get("Accept-Encoding")) == (415, "identity")
    assert wire.calls == []


@pytest.mark.parametrize("kind", ["application/sdp;charset=utf-8", "Application / SDP"])
def test_a_session_may_be_spelled_otherwise(kind: str) -> None:
    wire = Wire()
    text = request(body=OFFER).replace(b"application/sdp", kind.encode())
    assert wire.statuses(text) == [100]


@pytest.mark.parametrize(
    ("accept", "code"),
    [("text/html", 406), ("text/html, application/*;q=0.2", 100), ("*/*", 100), ("", 406)],
)
def test_a_caller_that_accepts_no_session_is_406(accept: str, code: int) -> None:
    wire = Wire()
    assert wire.statuses(request(body=OFFER, headers=(f"Accept: {accept}",))) == [code]


def test_a_call_that_could_go_no_further_is_483_and_a_question_has_arrived() -> None:
    wire = Wire()
    last = request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    assert wire.statuses(last) == [200]
    call = request(body=OFFER).replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    assert wire.statuses(call) == [483]
    assert wire.calls == []


@pytest.mark.parametrize(
    ("broken", "phrase"),
    [
        (request(body=OFFER)[:-1], "Content-Length is larger than the datagram"),
        (request().replace(b"Call-ID", b"X-Call-ID"), "Missing Call-ID header field"),
        (request().replace(b"\r\nMax-", b"\r\nno header\r\nMax-"), "A line that is no header"),
        (request().replace(b"CSeq: 1 ", b"CSeq: 4294967296 "), "Malformed CSeq header field"),
        (request(headers=("CSeq: 1 INVITE",)), "Several CSeq header fields"),
        (request(uri="sip:"), "malformed URI"),
        (request(uri="sip:a@b:70000"), "a port above 65535 in a URI"),
        (request(contact="<mailto:a@b>"), "The Contact is no SIP URI"),
        (request(headers=('Record-Route: "<sip:a>, <sip:b>',)), "a quote or bracket"),
        (request(headers=("Supported: 100rel,< timer",)), "a quote or bracket"),
        (request().replace(b"\r\n\r\n", b""), "The headers do not end"),
    ],
)
def test_malformed_requests_are_told_what_is_wrong(broken: bytes, phrase: str) -> None:
    wire = Wire()
    wire.agent.datagram_received(broken, PHONE)
    [(data, to)] = wire.sent
    assert data.startswith(f"SIP/2.0 400 {phrase}".encode())
    assert to == PHONE
    assert wire.calls == []
    assert wire.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x80" * 200,
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 999 Odd\r\nVia: x\r\n\r\n",
        request().replace(b"Via:", b"X:"),
        request("ACK").replace(b"CSeq: 1", b"CSeq: x"),
        request().replace(b"\r\n", b"\n"),
        request(headers=("X-Split: a\rVia: b",)),
    ],
)
def test_junk_is_dropped_with_a_line_in_the_log(junk: bytes) -> None:
    wire = Wire()
    with capture_logs() as logs:
        assert wire.receive(junk) == []
    assert [entry["event"] for entry in logs] == ["sip-malformed"]


def test_no_body_and_no_uri_is_logged() -> None:
    wire = Wire()
    body = b"4111111111111111\r\n"
    with capture_logs() as logs:
        wire.receive(request(body=body)[:-1])
        wire.receive(request(body=body))
        wire.call.reject(486)
        wire.clock.pump([0.5] * 70)
    text = repr(logs)
    assert "sip-malformed" in text
    assert "4111" not in text
    assert "+33" not in text


def test_a_ping_is_answered_and_empty_datagrams_are_not() -> None:
    wire = Wire()
    for data in (b"", b"\r\n", b"\r\n\r\n"):
        wire.agent.datagram_received(data, PHONE)
    assert wire.sent == [(b"\r\n", PHONE)]


def test_stray_responses_are_ignored() -> None:
    wire = Wire()
    _, _, rest = request("BYE").partition(b"\r\n")
    assert wire.receive(b"SIP/2.0 200 OK\r\n" + rest) == []
    assert wire.receive(b"SIP/2.0 180 Ringing\r\n" + rest) == []


def test_bytes_that_are_no_utf8_are_echoed() -> None:
    wire = Wire()
    odd = request("OPTIONS").replace(b'"Debtor"', b'"D\xe9biteur \xff"')
    wire.agent.datagram_received(odd, PHONE)
    assert b'From: "D\xe9biteur \xff" <sip:' in wire.sent[0][0]


def test_what_cannot_be_sent_stops_nothing() -> None:
    wire = Wire()
    wire.broken = True
    with capture_logs() as logs:
        assert wire.receive(request("OPTIONS")) == []
    assert [entry["event"] for entry in logs] == ["sip-datagram-not-sent"]
    wire.broken = False
    assert wire.statuses(request("OPTIONS")) == [200]


def test_a_transport_that_fails_otherwise_is_logged_and_no_more() -> None:
    wire = Wire()

    def fail(data: bytes, to: object) -> None:
        raise RuntimeError("bug")

    wire.send = fail  # type: ignore[method-assign] # a broken sender
    with capture_logs() as logs:
        wire.agent.datagram_received(request("OPTIONS"), PHONE)
    assert [entry["event"] for entry in logs] == ["sip-datagram-failed"]


@pytest.mark.parametrize(("follow", "host"), [(False, PHONE.host), (True, "192.0.2.77")])
def test_maddr_names_where_the_response_goes_only_if_we_let_it(follow: bool, host: str) -> None:
    wire = Wire(follow_maddr=follow)
    via = "SIP/2.0/UDP 192.0.2.10:5062;maddr=192.0.2.77;branch=z9hG4bKm"
    wire.agent.datagram_received(request("OPTIONS", via=via), PHONE)
    assert wire.sent[0][1] == Address(host, 5062)


def test_refused_requests_leave_nothing_behind() -> None:
    wire = Wire()
    wire.agent.drain(60)
    for number in range(50):
        one = wire.receive(request(body=OFFER, call_id=str(number), branch=f"z9hG4bK{number}"))
        assert [status(response) for response in one] == [503]
    assert wire.clock.getDelayedCalls() == []
    assert wire.agent.live_calls == 0
