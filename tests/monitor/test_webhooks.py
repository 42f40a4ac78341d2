"""Notices from gateways are kept as they came, and believed later by another process."""

from collections.abc import AsyncIterator

import pytest

from ivr.ledger.database import Database
from ivr.ledger.webhooks import unhandled_webhooks
from ivr.monitor.webhooks import LARGEST_BODY
from tests.monitor.clients import client_of, make_app
from tests.monitor.story import NOON

SIGNED = {"Stripe-Signature": "t=1,v1=abc", "Content-Type": "application/json"}


async def test_a_notice_is_kept_byte_for_byte(database: Database) -> None:
    body = '{ "id" : "evt_1",\r\n "name": "Zoé" }'.encode()
    extra = {
        "Authorization": "Bearer x",
        "Cookie": "a=b",
        "X-Other": "1",
        "User-Agent": "Stripe",
    }
    async with client_of(make_app(database), {}) as client:
        answer = await client.post("/webhooks/stripe", content=body, headers=SIGNED | extra)
    assert answer.status_code == 202
    assert answer.json() == {"status": "kept"}
    (kept,) = await unhandled_webhooks(database)
    assert kept.body.encode() == body
    assert kept.gateway == "stripe"
    assert kept.received_at == NOON
    assert kept.headers == {
        "stripe-signature": "t=1,v1=abc",
        "content-type": "application/json",
    }


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/webhooks/paypal", b"{}", SIGNED, 404),
        ("/webhooks/STRIPE", b"{}", SIGNED, 404),
        ("/webhooks/stripe", b"{}", {}, 400),
        ("/webhooks/stripe", b"\xff\xfe", SIGNED, 400),
        ("/webhooks/stripe", b"a\0b", SIGNED, 400),
        ("/webhooks/stripe", b"x" * (LARGEST_BODY + 1), SIGNED, 413),
    ],
)
async def test_what_is_not_kept(
    database: Database, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with client_of(make_app(database), {}) as client:
        answer = await client.post(path, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert await unhandled_webhooks(database) == []


async def test_the_largest_body_is_kept(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        answer = await client.post(
            "/webhooks/stripe", content=b"x" * LARGEST_BODY, headers=SIGNED
        )
    assert answer.status_code == 202
    (kept,) = await unhandled_webhooks(database)
    assert len(kept.body) == LARGEST_BODY


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(database: Database) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LARGEST_BODY:
            sent += LARGEST_BODY // 4
            yield b"x" * (LARGEST_BODY // 4)

    async with client_of(make_app(database), {}) as client:
        answer = await client.post("/webhooks/stripe", content=endless(), headers=SIGNED)
    assert answer.status_code == 413
    assert sent < 2 * LARGEST_BODY
