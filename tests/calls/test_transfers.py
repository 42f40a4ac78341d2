"""Which prepared transaction a call is for."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from ivr.ledger.database import LedgerUnavailableError
from ivr.vocabulary import EventType, Result
from tests.calls.desk import CODE, TOKEN, Desk, prepared
from tests.calls.exchange import OFFER
from tests.sip.wire import request, status

HEX = TOKEN.encode().hex()


@pytest.mark.parametrize(
    ("user", "headers", "claimed", "how"),
    [
        (f"t-{TOKEN}", (), (TOKEN, None), "by-uri"),
        (f"T-{TOKEN.upper()}", (), (TOKEN, None), "by-uri"),
        (f"88{CODE}", (), (None, CODE), "by-number"),
        (f"+88{CODE}", (), (None, CODE), "by-number"),
        ("3000", (f"X-Solde-Transaction: {TOKEN}",), (TOKEN, None), "by-header"),
        ("3000", (f"User-to-User: {HEX};encoding=hex",), (TOKEN, None), "by-user-to-user"),
        ("3000", (f"User-to-User: 04{HEX};encoding=hex",), (TOKEN, None), "by-user-to-user"),
    ],
)
def test_a_call_is_known_by_what_it_shows(
    user: str, headers: tuple[str, ...], claimed: tuple[Any, Any], how: str
) -> None:
    desk = Desk(35100)
    desk.transfer_in(user, *headers)
    assert desk.claims == [claimed]
    assert desk.told(EventType.TRANSACTION_TRANSFERRED) == [how]
    desk.hang_up()


def test_several_signs_are_tried_in_turn() -> None:
    desk = Desk(35200)
    desk.found = succeed(None)
    desk.transfer_in(f"88{CODE}", f"X-Solde-Transaction: {TOKEN}")
    assert desk.claims == [(None, CODE), (TOKEN, None)]
    desk.hang_up()


@pytest.mark.parametrize("user", [f"88{CODE}", f"t-{TOKEN}"])
def test_who_is_not_known_is_an_ordinary_caller(user: str) -> None:
    desk = Desk(35300)
    desk.found = succeed(None)
    desk.transfer_in(user)
    assert desk.said == ["welcome.greeting"]
    assert EventType.TRANSACTION_CREATED in desk.types
    desk.hang_up()
    assert desk.results == [Result.CALLER_HUNG_UP]
    desk.nothing_is_left()


def test_a_ledger_that_cannot_be_read_lets_nobody_wait() -> None:
    desk = Desk(35400)
    desk.found = fail(LedgerUnavailableError("no disk"))
    desk.transfer_in()
    assert desk.said == ["welcome.greeting"]
    desk.hang_up()


@pytest.mark.parametrize("number", ["999", "8812", f"77{CODE}"])
def test_other_numbers_are_refused_as_ever(number: str) -> None:
    assert Desk(35500).invite(number=number)[-1] == 404


def test_it_rings_while_it_is_looked_up() -> None:
    desk = Desk(35600)
    found = desk.found = Deferred()
    rings = desk.wire.receive(request(uri=f"sip:t-{TOKEN}@127.0.0.1", body=OFFER))
    assert [status(one) for one in rings] == [100, 180]
    found.callback(prepared())
    [answered] = desk.wire.take()
    assert status(answered) == 200
    desk.tag = answered.to.tag
    desk.in_dialog("ACK", 1)
    assert desk.said == ["welcome.handed-over"]
    desk.hang_up()


def test_who_gives_up_while_it_is_looked_up_may_come_again() -> None:
    desk = Desk(35700)
    found = desk.found = Deferred()
    uri = f"sip:t-{TOKEN}@127.0.0.1"
    desk.wire.receive(request(uri=uri, body=OFFER, branch="z9hG4bKone"))
    desk.wire.receive(request("CANCEL", uri=uri, branch="z9hG4bKone"))
    found.callback(prepared())
    # The transaction is this call's, which has ended: another may have it.
    assert desk.told(EventType.TRANSACTION_TRANSFERRED) == ["by-uri"]
    assert not desk.results
    desk.nothing_is_left()


def _guess(desk: Desk, n: int) -> list[int]:
    desk.found = succeed(None)
    return [
        status(one)
        for one in desk.wire.receive(
            request(
                uri=f"sip:88{n:08}@127.0.0.1",
                body=OFFER,
                call_id=f"guess{n}",
                branch=f"z9hG4bKguess{n}",
            )
        )
    ]


def test_guessing_is_slowed_and_then_not_looked_at() -> None:
    desk = Desk(35800)
    waited = []
    for n in range(12):
        answered = _guess(desk, n)
        seconds = 0
        while 200 not in answered:
            seconds += 1
            answered += [status(one) for one in desk.wire.after(1) if hasattr(one, "status")]
        waited.append(seconds)
        desk.switchboard.hang_up_all()
        desk.wire.receive(
            request(
                "ACK",
                uri="sip:x@127.0.0.1",
                to_tag=desk.wire.calls[-1].dialog.id[1],
                call_id=f"guess{n}",
                branch=f"z9hG4bKack{n}",
            )
        )
        desk.wire.take()
    assert waited[:5] == [0, 0, 0, 0, 0]
    assert max(waited) > 10
    assert len(desk.claims) < 12


def test_a_call_that_replaces_an_agents_takes_its_transaction_over() -> None:
    desk = Desk(35900)
    desk.transfer_in()
    tag = desk.tag
    replaces = f"Replaces: a84b4c76e66710@pc33;to-tag={tag};from-tag=1928301774"
    answered = desk.wire.receive(
        request(
            uri="sip:192.0.2.1:5060",
            body=OFFER,
            call_id="debtor",
            branch="z9hG4bKdebtor",
            headers=(replaces,),
        )
    )
    [ok] = [one for one in answered if getattr(one, "status", 0) == 200]
    desk.wire.receive(
        request("ACK", to_tag=ok.to.tag, call_id="debtor", branch="z9hG4bKdebtorack")
    )
    assert desk.told(EventType.TRANSACTION_TRANSFERRED) == ["by-uri", "by-replaces"]
    assert desk.said == ["welcome.handed-over"] * 2
    assert not desk.results
    desk.press("1#")
    desk.wire.receive(
        request("BYE", cseq=2, to_tag=ok.to.tag, call_id="debtor", branch="z9hG4bKdebtorbye")
    )
    assert desk.results == [Result.CALLER_HUNG_UP]
    assert {e.transaction_id for e in desk.events} == {None, "prepared"}
