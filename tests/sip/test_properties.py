"""What must hold for any input at all."""

from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ivr.sip import Headers, MalformedMessageError, Request, Response, parse, parse_uri
from ivr.sip.grammar import parse_params, quote, split_list, unquote
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.via import parse_via
from tests.sip.wire import ANSWER, OFFER, PHONE, Wire, request

TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
# Anything a datagram can carry in a line, bytes that are no UTF-8 too.
LINE = st.binary(max_size=40).map(
    lambda raw: " ".join(raw.decode("utf-8", "surrogateescape").split())
)
HOST = st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]", "a_b-c.d"])
USER = st.text("aZ09-_.!~*'()&=+$,;?/", min_size=1, max_size=10)
PIECES = st.sampled_from([b"", b'"', b"<", b">", b",", b";", b"\r\n", b" ", b"\0", b"%"])
PORT = st.none() | st.integers(0, 65535)


@st.composite
def uris(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["sip", "sips", "SIP"]))
    user = draw(st.none() | USER)
    port = draw(PORT)
    params = draw(st.lists(TOKEN.filter(lambda name: "%" not in name), max_size=3))
    return (
        f"{scheme}:"
        + (f"{user}@" if user else "")
        + draw(HOST)
        + ("" if port is None else f":{port}")
        + "".join(f";{name}=v" for name in params)
    )


@st.composite
def header_lines(draw: st.DrawFn, method: str) -> Headers:
    via = f"SIP/2.0/UDP {draw(HOST)};branch=z9hG4bK{draw(TOKEN)}"
    lines = [
        ("Via", via),
        ("From", f"<{draw(uris())}>;tag={draw(TOKEN)}"),
        ("To", f"{quote(draw(LINE))} <{draw(uris())}>"),
        ("Call-ID", draw(TOKEN)),
        ("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}"),
    ]
    names = TOKEN.map(lambda name: f"X-{name}")
    lines += draw(st.lists(st.tuples(names, LINE), max_size=4))
    return Headers(draw(st.permutations(lines)))


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    method = draw(st.sampled_from(["INVITE", "BYE"]) | TOKEN)
    headers = draw(header_lines(method))
    body = draw(st.binary(max_size=64))
    if draw(st.booleans()):
        return Request(method, draw(uris()), headers, body)
    return Response(draw(st.integers(100, 699)), draw(LINE), headers, body)


@given(messages())
def test_what_is_rendered_is_parsed_back(message: Request | Response) -> None:
    assert parse(message.render()) == message


def _nearly(draw: st.DrawFn) -> bytes:
    """Draw a message with a few bytes cut out, put in or changed."""
    whole = draw(
        st.sampled_from(
            [
                request(body=OFFER),
                request("ACK", to_tag="x"),
                request("BYE", to_tag="x"),
                request("CANCEL", branch="z9hG4bKINVITE1"),
                request("REGISTER", headers=("Contact: *", "Authorization: Digest a=b")),
                request("OPTIONS", headers=("Require: a", "Accept: */*")),
                b"SIP/2.0 200 OK\r\n" + request("BYE").partition(b"\r\n")[2],
            ]
        )
    )
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 8)))
        pieces = st.sampled_from(
            [b"", b'"', b"<", b">", b",", b";", b"\r\n", b" ", b"\0", b"%"]
        )
        whole = whole[:start] + draw(pieces | st.binary(max_size=4)) + whole[end:]
    return whole


DATAGRAMS = st.binary(max_size=200) | st.composite(_nearly)()


@given(DATAGRAMS)
@example(b"")
def test_parsing_raises_its_own_error_only_and_what_it_takes_round_trips(data: bytes) -> None:
    try:
        message = parse(data)
    except MalformedMessageError:
        return
    assert parse(message.render()) == message


@given(st.lists(DATAGRAMS, max_size=5), st.booleans())
@settings(max_examples=200)
def test_nothing_that_arrives_raises_and_everything_ends(
    datagrams: list[bytes], answers: bool
) -> None:
    wire = Wire(on_call=lambda call: call.answer(ANSWER) if answers else call.ring())
    failures: list[bytes] = []
    for data in datagrams:
        wire.agent.datagram_received(data, PHONE)
        failures += [sent for sent, _ in wire.sent if sent.startswith(b"SIP/2.0 500")]
    assert failures == []
    for call in list(wire.calls):
        call.hang_up()
    wire.clock.pump([1.0] * 140)
    assert wire.agent.live_calls == 0
    assert wire.clock.getDelayedCalls() == []
    assert all(len(handler.ends) == 1 for handler in wire.handlers)


@given(st.text(max_size=60))
def test_the_small_parsers_raise_their_own_error_only(text: str) -> None:
    for parser in (parse_uri, parse_name_addr, parse_via, parse_params, split_list):
        with suppress(MalformedMessageError):
            parser(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
def test_quoting_is_undone_by_unquoting(text: str) -> None:
    assert unquote(quote(text)) == text


@given(uris())
def test_a_uri_is_kept_as_written_and_equivalent_to_itself(text: str) -> None:
    uri = parse_uri(text)
    assert str(uri) == text
    assert uri.equivalent(uri)


@given(uris(), uris())
def test_equivalence_does_not_depend_on_the_order(one: str, other: str) -> None:
    left, right = parse_uri(one), parse_uri(other)
    assert left.equivalent(right) == right.equivalent(left)


@given(st.lists(st.text('ab"<>\\;', max_size=6)))
def test_a_split_list_has_all_its_items(items: list[str]) -> None:
    quoted = [quote(item) for item in items]
    assert split_list(", ".join(quoted)) == quoted
