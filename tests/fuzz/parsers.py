"""The parsers of SIP: whole messages, streams, header fields, credentials."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise

from twisted.internet.task import Clock

from ivr.sip import CallDetails, Headers, MalformedMessageError, Request, Response, parse
from ivr.sip.digest import DigestAuthenticator
from ivr.sip.digest_client import Credentials, DigestClient
from ivr.sip.digest_fields import parse_fields
from ivr.sip.grammar import parse_params, split_list
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.replaces import parse_replaces
from ivr.sip.session_timer import TimerPolicy, too_brief
from ivr.sip.sipfrag import parse_sipfrag
from ivr.sip.stream import MAX_HEAD, MAX_MESSAGE, PING, StreamFramer
from ivr.sip.uri import parse_uri
from ivr.sip.user_to_user import parse_user_to_user
from ivr.sip.via import parse_via
from tests.fuzz.seeds import CREDENTIALS, FIELDS, messages
from tests.fuzz.target import Feed, Target

_TIMERS = TimerPolicy()
_SMALL: tuple[Callable[[str], object], ...] = (
    parse_uri,
    parse_name_addr,
    parse_via,
    parse_params,
    split_list,
    parse_replaces,
    parse_user_to_user,
    parse_fields,
)
_DETAILS: tuple[Callable[[Request], object], ...] = (
    lambda request: CallDetails(request).diversions,
    lambda request: CallDetails(request).history,
    lambda request: CallDetails(request).user_to_user,
    lambda request: CallDetails(request).asserted_identities,
    lambda request: CallDetails(request).referred_by,
    lambda request: too_brief(request, _TIMERS),
)


def text_of(data: bytes) -> str:
    """Return a header value as the parser of messages makes it."""
    return data.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")


def _message(data: bytes) -> None:
    for from_stream in (False, True):
        try:
            message = parse(data, from_stream=from_stream)
        except MalformedMessageError:
            continue
        assert parse(message.render()) == message
        if isinstance(message, Request):
            for look in _DETAILS:
                with suppress(MalformedMessageError):
                    look(message)


def _stream(data: bytes) -> None:
    whole, cut = StreamFramer(), StreamFramer()
    found = whole.feed(data)
    step = 1 + (data[-1] % 61 if data else 0)
    pieces: list[bytes] = []
    for at in range(0, len(data), step):
        pieces += cut.feed(data[at : at + step])
        assert len(cut._buffer) <= MAX_MESSAGE + MAX_HEAD
    assert (found, whole.fault, whole.unfinished) == (pieces, cut.fault, cut.unfinished)
    for one in found:
        if one != PING:
            with suppress(MalformedMessageError):
                parse(one, from_stream=True)


def _fields(data: bytes) -> None:
    text = text_of(data)
    for parser in _SMALL:
        with suppress(MalformedMessageError):
            parser(text)
    with suppress(MalformedMessageError):
        parse_sipfrag(data)
    with suppress(MalformedMessageError):
        uri = parse_uri(text)
        assert uri.equivalent(uri)
        assert str(uri) == text
        _ = uri.called


def _digest() -> Feed:
    """Credentials as a server meets them, challenges as a client does."""
    server = DigestAuthenticator(
        Clock(), "example.com", {"watson": "elementary"}, ("SHA-256", "MD5")
    )

    def feed(data: bytes) -> None:
        text = text_of(data)
        with suppress(MalformedMessageError):
            lines = Headers([("Authorization", text)])
            request = Request("REGISTER", "sip:example.com", lines)
            server.judge(request)
            server.claimed(request)
        client = DigestClient([Credentials("watson", "elementary")])
        exchange = client.exchange()
        challenge = Headers([("WWW-Authenticate", text)])
        for _ in range(2):
            exchange.challenged(Response(401, "Unauthorized", challenge))
        for _, line in exchange.lines("INVITE", "sip:example.com"):
            assert parse_fields(line)["username"] == "watson"
        assert len(client._met) <= 1

    return feed


def _streams() -> Iterator[bytes]:
    seeds = list(messages())
    yield from seeds
    for one, two in pairwise(seeds):
        yield PING + one + b"\r\n" + two


TARGETS = {
    "sip-message": Target(lambda: _message, messages),
    "sip-stream": Target(lambda: _stream, _streams),
    "sip-fields": Target(lambda: _fields, lambda: FIELDS, 512),
    "sip-digest": Target(_digest, lambda: CREDENTIALS, 1024),
}
