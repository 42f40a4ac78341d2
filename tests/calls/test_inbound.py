"""Calls to a payment number, from INVITE to BYE."""

from dataclasses import replace

import pytest

from ivr.media.leg import MediaLeg
from ivr.media.reports import Quality
from ivr.sip import Request
from ivr.vocabulary import EventType, Result
from tests.calls.exchange import NO_CODEC, OFFER, Exchange, NoDebts
from tests.sip.wire import only_request, request, status


def test_a_call_to_a_payment_number_is_answered_at_once_and_spoken_to_after_its_ack() -> None:
    exchange = Exchange()
    answered = exchange.wire.receive(request(uri="sip:3000@127.0.0.1", body=OFFER))
    assert [status(message) for message in answered] == [100, 180, 200]
    assert exchange.types == [EventType.CALL_STARTED]
    exchange.tag = answered[-1].to.tag
    exchange.in_dialog("ACK", 1)
    assert EventType.PROMPT_PLAYED in exchange.types
    exchange.in_dialog("BYE", 2)
    assert len(exchange.pool) == 4


def test_another_number_is_refused_with_words() -> None:
    exchange = Exchange()
    refused = exchange.wire.receive(request(uri="sip:999@127.0.0.1", body=OFFER))[-1]
    assert status(refused) == 404
    assert "no such payment number" in refused.headers.get("Warning")
    assert not exchange.events


def test_no_shared_codec_is_488_and_frees_the_port() -> None:
    exchange = Exchange(39200)
    assert exchange.invite(NO_CODEC)[-1] == 488
    assert exchange.invite(b"v=nonsense\r\n", call_id="other", branch="z9hG4bKo")[-1] == 488
    assert len(exchange.pool) == 4


def test_no_port_left_is_503_with_retry_after() -> None:
    exchange = Exchange(39300, ports=1)
    exchange.connect()
    full = exchange.wire.receive(
        request(
            uri="sip:3000@127.0.0.1",
            body=OFFER,
            call_id="second",
            branch="z9hG4bKsecond",
        )
    )[-1]
    assert status(full) == 503
    assert full.headers.get("Retry-After") == "30"
    exchange.in_dialog("BYE", 2)
    assert len(exchange.pool) == 1


def test_a_late_offer_is_made_and_its_answer_followed() -> None:
    exchange = Exchange(39400)
    answered = exchange.wire.receive(request(uri="sip:3000@127.0.0.1"))[-1]
    assert b"m=audio" in answered.body
    exchange.tag = answered.to.tag
    exchange.in_dialog("ACK", 1, body=OFFER)
    assert exchange.legs[0].negotiated is not None
    assert EventType.PROMPT_PLAYED in exchange.types
    exchange.in_dialog("BYE", 2)


def test_a_late_offer_with_a_bad_answer_is_hung_up() -> None:
    exchange = Exchange(39500)
    exchange.tag = exchange.wire.receive(request(uri="sip:3000@127.0.0.1"))[-1].to.tag
    bye = only_request(exchange.in_dialog("ACK", 1, body=NO_CODEC))
    assert bye.method == "BYE"
    assert exchange.types[-1] is EventType.CALL_ENDED
    assert len(exchange.pool) == 4


def test_a_reinvite_without_a_codec_leaves_the_call_as_it_was() -> None:
    exchange = Exchange(39600)
    exchange.connect()
    before = exchange.legs[0].negotiated
    refused = exchange.in_dialog("INVITE", 2, body=NO_CODEC)
    assert status(refused[-1]) == 488
    assert exchange.legs[0].negotiated == before
    exchange.in_dialog("BYE", 3)


def test_a_reinvite_that_leaves_the_offer_to_us_is_followed() -> None:
    exchange = Exchange(38100)
    exchange.connect()
    offered = exchange.in_dialog("INVITE", 2)[-1]
    assert b"m=audio" in offered.body
    exchange.in_dialog("ACK", 2, body=OFFER.replace(b"49170", b"49180"))
    negotiated = exchange.legs[0].negotiated
    assert negotiated is not None
    assert negotiated.remote.port == 49180
    exchange.in_dialog("BYE", 3)


def test_keys_by_info_are_keys_and_other_bodies_are_refused() -> None:
    exchange = Exchange(38200)
    exchange.connect()
    for cseq, key in enumerate("20261234", 2):
        body = f"Signal={key}\r\nDuration=160\r\n".encode()
        assert exchange.info(cseq, b"application/dtmf-relay", body) == 200
        exchange.listen(1)
    errors = [e.detail.error for e in exchange.events if e.type is EventType.ENTRY_ERROR]
    assert errors == ["reference-unknown"]
    assert exchange.info(20, b"text/plain", b"hello") == 415
    assert exchange.info(21, b"application/dtmf-relay", b"Signal=Z") == 415
    exchange.in_dialog("BYE", 22)


NOTHING_CAME = Quality(
    sent=200,
    received=0,
    lost=0,
    jitter=0.0,
    round_trip=None,
    peer_loss=None,
    peer_lost=None,
    peer_jitter=None,
)
REPORTED = replace(NOTHING_CAME, round_trip=0.08, peer_loss=0.5, peer_lost=10, peer_jitter=0.1)


@pytest.mark.parametrize(
    ("quality", "told"),
    [
        (NOTHING_CAME, None),
        (REPORTED, {"peer_loss": 0.05, "round_trip": 0.08}),
        (
            replace(REPORTED, received=196, lost=4, jitter=0.004),
            {"loss": 0.02, "peer_loss": 0.05, "jitter": 0.004, "round_trip": 0.08},
        ),
        (replace(NOTHING_CAME, received=9, lost=-2), {"loss": 0.0, "jitter": 0.0}),
    ],
)
def test_at_its_end_a_call_tells_how_its_packets_travelled(
    monkeypatch: pytest.MonkeyPatch, quality: Quality, told: dict[str, float] | None
) -> None:
    monkeypatch.setattr(MediaLeg, "quality", quality)
    exchange = Exchange(38300)
    exchange.connect()
    exchange.in_dialog("BYE", 2)
    known = [e.detail.data() for e in exchange.events if e.type is EventType.CALL_QUALITY]
    assert known == ([] if told is None else [told])
    assert exchange.types.count(EventType.CALL_ENDED) == 1


@pytest.mark.parametrize("keys", ["", "2026", "99999999"])
def test_hanging_up_ends_call_and_transaction_once(keys: str) -> None:
    exchange = Exchange(39700)
    exchange.connect()
    exchange.press(keys)
    exchange.in_dialog("BYE", 2)
    exchange.wire.clock.advance(100)
    assert exchange.results == [Result.CALLER_HUNG_UP]
    assert exchange.types.count(EventType.CALL_ENDED) == 1
    assert len(exchange.pool) == 4


def test_a_call_that_is_never_acknowledged_leaves_nothing() -> None:
    exchange = Exchange(39800)
    exchange.invite()
    for _ in range(100):
        exchange.wire.clock.advance(0.5)
    assert exchange.types[-1] is EventType.CALL_ENDED
    assert len(exchange.pool) == 4
    idle: list[None] = []
    exchange.switchboard.idle().addCallback(idle.append)
    assert idle == [None]


def test_the_journeys_end_hangs_up() -> None:
    exchange = Exchange(39900)
    exchange.connect()
    exchange.wire.take()
    for _ in range(3):
        exchange.press("99999999")
    exchange.listen(6)
    assert exchange.results == [Result.TOO_MANY_FAILED_ATTEMPTS]
    assert any(isinstance(m, Request) and m.method == "BYE" for m in exchange.wire.take())


def test_a_fault_of_our_own_is_said_and_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(38000)

    def broken(_: object, reference: str) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(NoDebts, "find", broken)
    exchange.connect()
    exchange.press("20261234")
    exchange.listen(6)
    assert exchange.results == [Result.INTERNAL_ERROR]
    assert any(e.detail.prompt == "any.internal-error" for e in exchange.events)
    assert exchange.types[-1] is EventType.CALL_ENDED
