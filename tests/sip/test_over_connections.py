"""A user agent over connections: where messages go, what comes once (RFC 3261 §17, §18)."""

import pytest

from ivr.sip import Address, CallEnd, Transport
from ivr.sip.via import parse_via
from tests.sip.wire import (
    ANSWER,
    LOCAL,
    OFFER,
    PHONE,
    Wire,
    answer,
    only_request,
    only_response,
    request,
    status,
)

FLOW = Address(PHONE.host, 40001, Transport.TCP)
TCP = Address("192.0.2.1", 5070, Transport.TCP)
TLS = Address("192.0.2.1", 5071, Transport.TLS)
VIA = "SIP/2.0/TCP 192.0.2.10:5062;branch=z9hG4bK{};rport"


def over_tcp(method: str = "INVITE", **more: object) -> bytes:
    return request(method, via=VIA.format(method), **more)  # type: ignore[arg-type] # texts


def connected(contact: str, source: Address = FLOW) -> Wire:
    """Return a wire with one call that was answered and acknowledged."""
    wire = Wire(on_call=answer, others=(TCP, TLS))
    ok = wire.receive(over_tcp(body=OFFER, contact=contact), source)[1]
    ack = request("ACK", to_tag=ok.to.tag, via=VIA.format("ack"))
    assert wire.receive(ack, source) == []
    return wire


def test_a_response_goes_over_its_connection_or_else_to_sent_by() -> None:
    wire = Wire()
    wire.agent.datagram_received(over_tcp("OPTIONS"), FLOW)
    [(data, to)] = wire.sent
    assert to == Address(PHONE.host, 5062, Transport.TCP, flow=FLOW[:2])
    assert b"Via: SIP/2.0/TCP 192.0.2.10:5062;branch=z9hG4bKOPTIONS;rport\r\n" in data


@pytest.mark.parametrize(
    ("sent_by", "transport", "port", "domain"),
    [
        ("192.0.2.10", Transport.TCP, 5060, ""),
        ("192.0.2.10", Transport.TLS, 5061, ""),
        ("pbx.example.com:5077", Transport.TLS, 5077, "pbx.example.com"),
    ],
)
def test_sent_by_of_a_connection_is_where_it_came_from(
    sent_by: str, transport: Transport, port: int, domain: str
) -> None:
    source = FLOW._replace(transport=transport)
    via = parse_via(f"SIP/2.0/{transport.upper()} {sent_by};branch=z9hG4bKx")
    to = via.response_address(source)
    assert to == Address(FLOW.host, port, transport, FLOW[:2], domain)


def test_received_is_told_over_a_connection_and_the_port_is_not() -> None:
    via = parse_via("SIP/2.0/TCP pbx.example.com;rport;branch=z9hG4bKx")
    assert via.received_from(FLOW).endswith(";rport;branch=z9hG4bKx;received=192.0.2.10")


def test_a_message_of_a_stream_without_content_length_is_refused() -> None:
    wire = Wire()
    data = over_tcp("OPTIONS").replace(b"Content-Length: 0\r\n", b"")
    refused = only_response(wire.receive(data, FLOW))
    assert (refused.status, refused.reason) == (400, "Missing Content-Length header field")
    assert wire.statuses(data, PHONE) == [200]


def test_a_message_of_a_stream_that_is_too_large_is_513() -> None:
    wire = Wire()
    head = over_tcp("OPTIONS").replace(b"Content-Length: 0", b"Content-Length: 65536")
    refused = only_response(wire.receive(head, FLOW))
    assert (refused.status, refused.reason) == (513, "Message too large")
    assert wire.statuses(head, PHONE) == [400]
    assert wire.receive(head.replace(b"OPTIONS", b"ACK"), FLOW) == []


def test_a_refusal_is_sent_once_and_given_up_without_an_ack() -> None:
    wire = Wire(on_call=lambda call: call.reject(486))
    assert wire.statuses(over_tcp(body=OFFER), FLOW) == [100, 486]
    assert wire.after(31) == []
    assert wire.after(1.1) == []
    assert wire.clock.getDelayedCalls() == []


def test_after_the_ack_of_a_refusal_nothing_is_left() -> None:
    wire = Wire(on_call=lambda call: call.reject(486))
    wire.receive(over_tcp(body=OFFER), FLOW)
    ack = request("ACK", to_tag="x", via=VIA.format("INVITE"))
    wire.receive(ack, FLOW)
    assert wire.clock.getDelayedCalls() == []


def test_a_200_is_repeated_over_a_connection_too() -> None:
    wire = Wire(on_call=answer)
    wire.receive(over_tcp(body=OFFER), FLOW)
    assert [status(one) for one in wire.after(0.5)] == [200]


def test_a_bye_leaves_nothing_behind() -> None:
    wire = connected("<sip:phone@192.0.2.10:5062;transport=tcp>")
    [ok] = wire.calls
    tag = ok.dialog.id[1]
    bye = request("BYE", to_tag=tag, via=VIA.format("BYE"), cseq=2)
    assert wire.statuses(bye, FLOW) == [200]
    # A copy of it finds no transaction, and no call.
    assert wire.statuses(bye, FLOW) == [481]


@pytest.mark.parametrize(
    ("contact", "to"),
    [
        ("<sip:a@192.0.2.10:5062;transport=tcp>", Address(PHONE.host, 5062, Transport.TCP)),
        ("<sip:a@192.0.2.10:5062>", Address(PHONE.host, 5062, Transport.TCP)),
        ("<sip:a@192.0.2.10:5062;transport=sctp>", Address(PHONE.host, 5062, Transport.TCP)),
    ],
)
def test_our_bye_goes_over_the_connection_that_the_call_came_over(
    contact: str, to: Address
) -> None:
    wire = connected(contact)
    wire.call.hang_up()
    assert wire.sent[0][1] == to._replace(flow=FLOW[:2])
    bye = only_request(wire.take())
    assert bye.via.text.startswith("SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK")
    assert bye.via.param("rport") is None
    assert wire.after(31) == []  # not repeated
    assert wire.handler.ends == [CallEnd.HUNG_UP_BY_US]


@pytest.mark.parametrize(
    ("contact", "to"),
    [
        ("<sip:a@192.0.2.10:5062;transport=udp>", PHONE),
        ("<sip:a@192.0.2.99:5062>", Address("192.0.2.99", 5062, Transport.TCP)),
        ("<sips:a@192.0.2.10>", Address("192.0.2.10", 5061, Transport.TLS)),
        ("<sip:a@192.0.2.10;transport=TLS>", Address("192.0.2.10", 5061, Transport.TLS)),
        ("<sip:a@phone.invalid>", FLOW),
    ],
)
def test_our_bye_goes_where_the_contact_says(contact: str, to: Address) -> None:
    wire = connected(contact)
    wire.call.hang_up()
    assert wire.sent[0][1] == to


def test_behind_nat_the_connection_is_the_only_way() -> None:
    nat = Address("198.51.100.7", 40123, Transport.TCP)
    wire = connected("<sip:a@192.0.2.10:5062;transport=tcp>", nat)
    wire.call.hang_up()
    assert wire.sent[0][1] == nat


def test_a_bye_that_reaches_nobody_is_over_at_once() -> None:
    wire = connected("<sip:a@192.0.2.10:5062;transport=tcp>")
    wire.call.hang_up()
    idle: list[None] = []
    wire.agent.when_idle().addCallback(idle.append)
    assert idle == []
    wire.agent.unreachable(Address(PHONE.host, 5062, Transport.TCP))
    assert idle == [None]


@pytest.mark.parametrize(
    ("source", "uri", "contact"),
    [
        (PHONE, "sip:a@b.example", f"<sip:{LOCAL.in_uri()}>"),
        (FLOW, "sip:a@b.example", "<sip:192.0.2.1:5070;transport=tcp>"),
        (
            FLOW._replace(transport=Transport.TLS),
            "sip:a@b.example",
            "<sip:192.0.2.1:5071;transport=tls>",
        ),
        (
            FLOW._replace(transport=Transport.TLS),
            "sips:a@b.example",
            "<sips:192.0.2.1:5071;transport=tcp>",
        ),
    ],
)
def test_our_contact_is_the_listener_of_the_same_transport(
    source: Address, uri: str, contact: str
) -> None:
    wire = Wire(others=(TCP, TLS))
    wire.receive(request(body=OFFER, uri=uri), source)
    wire.call.answer(ANSWER)
    assert only_response(wire.take()).headers.get("Contact") == contact


def test_our_contact_is_of_the_other_ends_ip_version() -> None:
    six = Address("2001:db8::1", 5060)
    wire = Wire(others=(six,))
    wire.receive(request(body=OFFER), Address("2001:db8::9", 5062))
    wire.call.answer(ANSWER)
    assert only_response(wire.take()).headers.get("Contact") == "<sip:[2001:db8::1]:5060>"
