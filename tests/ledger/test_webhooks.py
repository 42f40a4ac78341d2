"""Notices are kept as they came, handled once, and then emptied."""

from ivr.ledger.database import Database
from ivr.ledger.tables import webhooks
from tests.ledger.stage import NOON, Stage, rows

_BODY = '{"id": "evt_1", "type": "payment_intent.succeeded"}'
_HEADERS = {"Stripe-Signature": "t=1,v1=abc", "Authorization": "Bearer x", "Cookie": "a=b"}


async def _keep(stage: Stage, gateway: str = "stripe") -> int:
    return await stage.writer.keep_webhook(
        gateway=gateway, headers=_HEADERS, body=_BODY.encode()
    )


async def test_a_notice_is_kept_as_it_came(database: Database) -> None:
    stage = Stage(database)
    kept = await _keep(stage)
    (found,) = await stage.writer.unhandled_webhooks()
    assert (found.id, found.gateway, found.body) == (kept, "stripe", _BODY)
    assert found.headers == {"stripe-signature": "t=1,v1=abc"}
    assert found.received_at >= NOON


async def test_a_handled_notice_is_not_read_again_and_is_emptied(database: Database) -> None:
    stage = Stage(database)
    first, second = await _keep(stage), await _keep(stage, "other")
    assert await stage.writer.mark_webhook(first, "evt_1", "payment.succeeded")
    assert [left.id for left in await stage.writer.unhandled_webhooks()] == [second]
    assert not await stage.writer.mark_webhook(first, "evt_1", "payment.succeeded")
    handled = (await rows(database, webhooks))[0]
    assert (handled["notice_id"], handled["outcome"]) == ("evt_1", "payment.succeeded")
    assert (handled["headers"], handled["body"]) == ({}, "")
    assert handled["handled_at"] is not None


async def test_a_repeated_notice_is_marked_as_such(database: Database) -> None:
    stage = Stage(database)
    first, again = await _keep(stage), await _keep(stage)
    other_gateway = await _keep(stage, "other")
    assert await stage.writer.mark_webhook(first, "evt_1", "payment.succeeded")
    assert not await stage.writer.mark_webhook(again, "evt_1", "payment.succeeded")
    assert await stage.writer.mark_webhook(other_gateway, "evt_1", "payment.succeeded")
    assert [row["outcome"] for row in await rows(database, webhooks)] == [
        "payment.succeeded",
        "repeated",
        "payment.succeeded",
    ]
    assert await stage.writer.unhandled_webhooks() == []


async def test_a_refused_notice_has_no_id(database: Database) -> None:
    stage = Stage(database)
    for _ in range(2):
        kept = await _keep(stage)
        assert await stage.writer.mark_webhook(kept, None, "refused")
    assert await stage.writer.unhandled_webhooks() == []


async def test_unhandled_notices_come_oldest_first(database: Database) -> None:
    stage = Stage(database)
    kept = [await _keep(stage) for _ in range(3)]
    assert [one.id for one in await stage.writer.unhandled_webhooks(2)] == kept[:2]
