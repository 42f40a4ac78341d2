"""INFO inside a call (RFC 6086)."""

import pytest
from structlog.testing import capture_logs

from ivr.sip import Headers
from tests.sip.peers import Party, Talk
from tests.sip.wire import Recorder, Wire, request, status

KEY = b"Signal=5\r\nDuration=160\r\n"


def info(
    talk: Talk, body: bytes = KEY, kind: str = "application/dtmf-relay", *more: str
) -> bytes:
    raw = talk.ask("INFO", *more, body=body)
    return raw.replace(b"application/sdp", kind.encode())


def test_a_key_is_delivered_once_and_never_logged() -> None:
    talk = Talk()
    with capture_logs() as logs:
        one = info(talk, kind="Application/DTMF-Relay ; x=y")
        [ok] = talk.wire.receive(one)
        assert talk.wire.receive(one) == [ok]
        two = info(talk)
        assert talk.wire.statuses(two) == [200]
    assert talk.handler.heard[1:] == [("info", ("application/dtmf-relay", KEY))] * 2
    assert logs == []


def test_a_body_of_an_unknown_kind_is_415_with_what_is_known() -> None:
    talk = Talk(handler=Party(known=False))
    [refused] = talk.wire.receive(info(talk, kind="text/plain"))
    assert status(refused) == 415
    assert refused.headers.values("Accept") == ["application/dtmf-relay", "application/dtmf"]


def test_who_takes_no_info_refuses_bodies_and_not_signs_of_life() -> None:
    talk = Talk(handler=Recorder())
    [refused] = talk.wire.receive(info(talk))
    assert (status(refused), refused.headers.get("Accept", "none")) == (415, "")
    assert talk.asks("INFO").status == 200
    assert talk.handler.heard == [("acknowledged", b"")]


def test_no_info_package_is_known() -> None:
    talk = Talk()
    refused = talk.asks("INFO", "Info-Package: foo")
    assert (refused.status, refused.reason) == (469, "Bad Info Package")
    assert refused.headers.get("Recv-Info", "none") == ""
    assert talk.asks("INFO", "Content-Encoding: gzip", body=KEY).status == 415


def test_a_handler_that_fails_with_a_key_says_nothing_of_it() -> None:
    class Fails(Party):
        def info(self, content_type: str, body: bytes) -> bool:
            raise RuntimeError(body.decode())

    talk = Talk(handler=Fails())
    with capture_logs() as logs:
        assert talk.wire.statuses(info(talk)) == [500]
    assert [entry["event"] for entry in logs] == ["call-handler-failed"]
    assert "Signal" not in repr(logs)
    assert talk.call.live


def test_keys_may_come_before_the_answer() -> None:
    handler = Party()
    wire = Wire(on_call=lambda call: setattr(call, "handler", handler))
    wire.receive(request())
    wire.call.ring()
    [ringing] = wire.take()
    raw = request("INFO", cseq=2, to_tag=ringing.to.tag, body=KEY)
    assert wire.statuses(raw.replace(b"sdp", b"dtmf")) == [200]
    assert handler.heard == [("info", ("application/dtmf", KEY))]


@pytest.mark.parametrize("name", ["Info-Package", "Recv-Info", "Min-SE", "RSeq", "RAck"])
def test_names_of_headers_are_spelled_as_in_the_rfcs(name: str) -> None:
    assert list(Headers([(name.lower(), "x")])) == [(name, "x")]
