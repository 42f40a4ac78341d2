"""The 49 messages of RFC 4475 and what becomes of them here.

`rfc4475.txt` writes them as the RFC does, with its marks for long lines, for
repeated text and for bytes that cannot be printed. The heading of each says the
first response: what the RFC asserts for a server that has a registrar with a
password and no extension. The signed part of `mpart01` is shorter than the RFC's.
"""

import re
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from ivr.sip import MalformedMessageError, Registrar, Request, Response, parse, parse_name_addr
from tests.sip.wire import ANSWER, PHONE, Wire, only_request


def _bytes(text: str) -> bytes:
    """Return a message as it would come, from the RFC's notation (RFC 4475 §2)."""
    text = re.sub(
        r"<allOneLine>\n(.*?)\n</allOneLine>",
        lambda found: found[1].replace("\n", ""),
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r"<repeat count=(\d+)>(.*?)</repeat>", lambda found: found[2] * int(found[1]), text
    )
    text = re.sub(
        r"<hex>([0-9A-F]*)</hex>",
        lambda found: bytes.fromhex(found[1]).decode("utf-8", "surrogateescape"),
        text.replace("\n", "\r\n"),
    )
    return text.encode("utf-8", "surrogateescape")


def _load() -> dict[str, tuple[str, bytes]]:
    text = (Path(__file__).parent / "rfc4475.txt").read_text("utf-8")
    parts = re.split(r"^=== (\S+) (\S+)\n", text, flags=re.MULTILINE)
    return {
        name: (outcome, _bytes(message))
        for name, outcome, message in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


MESSAGES = _load()


def test_all_messages_are_there() -> None:
    assert len(MESSAGES) == 49


def _registrar(clock: Clock) -> Registrar:
    return Registrar(clock, "example.com", {"watson": "elementary"})


@pytest.mark.parametrize("name", MESSAGES)
def test_the_outcome(name: str) -> None:
    outcome, data = MESSAGES[name]
    wire = Wire(registrar=_registrar)
    wire.agent.datagram_received(data, PHONE)
    # A 400 repeats what it can of a broken message, so it may be broken itself.
    statuses = [re.match(rb"SIP/2.0 (\d{3}) ", sent) for sent, _ in wire.sent]
    assert [one and one[1].decode() for one in statuses] == [
        text for text in [outcome] if text != "dropped"
    ]
    assert len(wire.calls) == (outcome == "100")


@pytest.mark.parametrize("name", MESSAGES)
def test_what_can_be_parsed_can_be_rendered(name: str) -> None:
    outcome, data = MESSAGES[name]
    try:
        message = parse(data)
    except MalformedMessageError:
        assert outcome in {"400", "dropped"}
        return
    assert parse(message.render()) == message


def _request(name: str) -> Request:
    message = parse(MESSAGES[name][1])
    assert isinstance(message, Request)
    return message


def test_a_short_tortuous_invite_is_understood() -> None:
    invite = _request("wsinv")
    assert invite.uri.param("unknownparam") == ""
    assert (invite.to.uri_text, invite.to.tag) == (
        "sip:vivekg@chair-dnrc.example.com",
        "1918181833n",
    )
    assert (invite.from_.display_name, invite.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    assert invite.cseq == (9, "INVITE")
    assert [via.split()[-1] for via in invite.headers.values("Via")] == [
        "192.0.2.2;branch=390skdjuw",
        "z9hG4bK9ikj8",
        "z9hG4bK30239",
    ]
    assert (invite.via.host, invite.via.branch) == ("192.0.2.2", "390skdjuw")
    assert invite.headers.get("Subject", "none") == ""
    assert (
        invite.headers.get("Newfangledheader") == "newfangled value continued newfangled value"
    )
    assert invite.headers.values("Unknownheaderwithunusualvalue") == [";;,,;;,;"]
    [contact] = invite.headers.values("Contact")
    parsed = parse_name_addr(contact)
    assert (parsed.display_name, parsed.param("newparam")) == ('Quoted string ""', "newvalue")
    assert (parsed.param("secondparam"), parsed.param("q")) == ("", "0.33")
    assert len(invite.body) == 150


def test_the_widest_range_of_characters_is_understood_and_echoed() -> None:
    request = _request("intmeth")
    assert request.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.from_.tag == "_token~1'+`*%!-."
    assert request.from_.param("fromparam''~+*_!.-%") == '"работающий"'
    assert request.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert request.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    wire = Wire()
    wire.agent.datagram_received(MESSAGES["intmeth"][1], PHONE)
    echoed = wire.sent[0][0]
    assert b"Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n" in echoed
    assert b"branch=z9hG4bK-.!%66*_+`'~;" in echoed
    assert "работающий".encode() in echoed


def test_escapes_are_undone_where_they_are_escapes_and_nowhere_else() -> None:
    wire = Wire()
    wire.receive(MESSAGES["esc01"][1])
    assert wire.call.called == "sips:user@example.com"
    assert wire.call.caller == "I have spaces"
    assert wire.call.to.uri.called == "user"
    contact = parse_name_addr(_request("esc01").headers.get("Contact"))
    assert (contact.uri.param("lr"), contact.uri.param("name")) == ("", "value%41")
    esc02 = _request("esc02")
    assert esc02.to.display_name == "%Z%45"
    assert len(esc02.headers.values("Contact")) == 2
    assert _request("escnull").to.uri.called == "null-\0-null"


def test_long_values_come_back_whole() -> None:
    wire = Wire()
    wire.agent.datagram_received(MESSAGES["longreq"][1], PHONE)
    trying = parse(wire.sent[0][0])
    invite = _request("longreq")
    assert trying.headers.values("Via")[1:] == invite.headers.values("Via")[1:]
    assert len(trying.headers.values("Via")) == 34
    assert trying.headers.get("From") == invite.headers.get("From")
    assert trying.call_id == invite.call_id
    assert len(trying.from_.tag) == 155


def test_a_second_message_in_a_datagram_is_left_out() -> None:
    assert _request("dblreq").body == b""


def test_binary_bodies_survive() -> None:
    body = _request("mpart01").body
    assert bytes.fromhex("00FF0D0A0D0A80") in body
    assert parse(_request("mpart01").render()).body == body


def test_reason_phrases_may_be_anything_or_nothing() -> None:
    unusual, empty = parse(MESSAGES["unreason"][1]), parse(MESSAGES["noreason"][1])
    assert isinstance(unusual, Response)
    assert isinstance(empty, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert empty.reason == ""


def test_a_contact_with_headers_needs_brackets() -> None:
    with pytest.raises(MalformedMessageError):
        parse_name_addr(_request("regbadct").headers.get("Contact"))
    contact = parse_name_addr(_request("regescrt").headers.get("Contact"))
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_a_parameter_outside_brackets_is_the_headers() -> None:
    header = parse_name_addr(_request("cparam01").headers.get("Contact"))
    uri = parse_name_addr(_request("cparam02").headers.get("Contact"))
    assert (header.param("unknownparam"), header.uri.param("unknownparam")) == ("", None)
    assert (uri.param("unknownparam"), uri.uri.param("unknownparam")) == (None, "")


def test_the_missing_header_is_named() -> None:
    wire = Wire()
    wire.agent.datagram_received(MESSAGES["insuf"][1], PHONE)
    [(refused, _)] = wire.sent
    assert refused.startswith(b"SIP/2.0 400 Missing From header field\r\n")


def test_a_call_of_rfc_2543_is_hung_up_towards_its_caller() -> None:
    wire = Wire()
    wire.receive(MESSAGES["inv2543"][1])
    wire.call.answer(ANSWER)
    [ok] = wire.take()
    ack = MESSAGES["inv2543"][1].replace(b"INVITE", b"ACK")
    ack = ack.replace(b"net;user=phone\r\n", f"net;user=phone;tag={ok.to.tag}\r\n".encode())
    wire.receive(ack)
    assert wire.handler.heard[0][0] == "acknowledged"
    wire.call.hang_up()
    bye = only_request(wire.take())
    assert bye.uri_text == "sip:UserB@example.com;maddr=ss1.example.com"
    assert bye.headers.values("Route") == [
        "<sip:+13035551111@ift.client.example.net;user=phone>"
    ]
