"""Callbacks over real sockets: signed, in order, again after failures, by one monitor."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from ivr.ledger import callbacks
from ivr.ledger.audit import find_audit
from ivr.ledger.callbacks import Endpoint
from ivr.ledger.database import Database
from ivr.ledger.tables_agents import callback_deliveries
from ivr.monitor import callbacks_sender
from ivr.monitor.callbacks_sender import CallbackSender, new_secret
from ivr.monitor.stream import Waker
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.ledger.stage import rows
from tests.monitor.clients import client_of, make_app, serving
from tests.monitor.integrator import Integrator, integrating
from tests.monitor.story import NOON, Teller, charge, owe, record

SECRET = new_secret()


class Moved:
    """A clock that the test moves; it begins now, as the verifier looks at the time."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def on(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@contextlib.asynccontextmanager
async def sending(
    database: Database, clock: Moved, **options: Any
) -> AsyncIterator[CallbackSender]:
    sender = CallbackSender(database, Waker(database), clock, **options)
    try:
        yield sender
    finally:
        await sender.close()


async def turn(sender: CallbackSender) -> None:
    await sender.begin()
    await sender.settled()


async def told(database: Database, url: str, name: str = "one", **more: Any) -> None:
    new = Endpoint(id=name, url=url, secret=SECRET, **more)
    await callbacks.add_endpoint(database, lambda: NOON, new)


async def happens(database: Database, *names: str) -> None:
    for name in names:
        await record(database, *Teller(name).begins().take())


async def outcomes(database: Database) -> list[str | None]:
    return [row["outcome"] for row in await rows(database, callback_deliveries)]


async def test_another_implementation_verifies_what_is_sent(database: Database) -> None:
    async with integrating() as integrator, sending(database, Moved()) as sender:
        await told(database, integrator.url)
        await happens(database, "a")
        await turn(sender)
        (got,) = integrator.received
        message = Webhook(SECRET).verify(got.body, got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(got.body + b" ", got.headers)
    assert message["type"] == "transaction.created"
    assert message["data"]["event"]["transaction_id"] == "tx-a"
    assert message["data"]["transaction"]["id"] == "tx-a"
    assert message["data"]["transaction"]["result"] is None
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == f"event-{message['data']['event']['id']}"
    assert await outcomes(database) == ["delivered"]


async def test_what_failed_is_sent_again_later_and_in_order(database: Database) -> None:
    clock = Moved()
    async with integrating(500, 302) as integrator, sending(database, clock) as sender:
        await told(database, integrator.url)
        await happens(database, "a", "b")
        await turn(sender)
        await turn(sender)
        assert len(integrator.received) == 1
        clock.on(7)
        await turn(sender)
        assert len(integrator.received) == 2
        log = await callbacks.find_deliveries(database, "one")
        assert (log[-1].last_status, log[-1].last_error) == (302, "answered 302")
        clock.on(13)
        await turn(sender)
        ids = [one.headers["webhook-id"] for one in integrator.received]
        assert ids == ["event-1", "event-1", "event-1", "event-2"]
        times = [int(one.headers["webhook-timestamp"]) for one in integrator.received]
        assert times[2] - times[0] == 20
    assert await outcomes(database) == ["delivered", "delivered"]


async def test_a_redirect_leads_nowhere(database: Database) -> None:
    async with integrating() as other:
        to_other = f"Location: {other.url}\r\n"
        async with (
            integrating(307, headers=to_other) as integrator,
            sending(database, Moved()) as sender,
        ):
            await told(database, integrator.url)
            await happens(database, "a")
            await turn(sender)
            assert len(integrator.received) == 1
        assert other.received == []
    assert await outcomes(database) == [None]


async def test_who_does_not_answer_holds_nobody_else_up(database: Database) -> None:
    async with (
        integrating(None) as silent,
        integrating() as integrator,
        sending(database, Moved(), timeout=0.2) as sender,
    ):
        await told(database, silent.url, "silent")
        await told(database, integrator.url)
        await happens(database, "a", "b")
        await turn(sender)
        assert len(integrator.received) == 2
        (*_, failed) = await callbacks.find_deliveries(database, "silent")
        assert failed.last_error == "no answer within 0.2 s"


async def test_nobody_listens(database: Database) -> None:
    async with sending(database, Moved()) as sender:
        await told(database, "http://127.0.0.1:9/hidden-in-the-path")
        await happens(database, "a")
        await turn(sender)
    (row,) = await rows(database, callback_deliveries)
    assert row["last_error"] == "not sent: ConnectError"


async def test_who_is_gone_is_told_nothing_more(database: Database) -> None:
    async with integrating(410) as integrator, sending(database, Moved()) as sender:
        await told(database, integrator.url)
        await happens(database, "a", "b")
        await turn(sender)
        assert len(integrator.received) == 1
    assert await callbacks.find_endpoints(database) == ()
    assert await outcomes(database) == ["removed", "removed"]


async def test_a_payment_is_not_lost_with_who_is_told_of_it(database: Database) -> None:
    payment = {"sid": "PK", "account_sid": "AC", "call_sid": "call-a"}
    payment |= {"payment_connector": "Default", "charge_amount": "1"}
    teller = Teller("a").call_begins().begins()
    await record(database, *teller.take())
    async with integrating(410) as integrator, sending(database, Moved()) as sender:
        await told(database, integrator.url, "PK", transaction_id="tx-a", payment=payment)
        await record(database, *teller.says(EventType.CAPTURE_STARTED).take())
        await turn(sender)
        assert len(integrator.received) == 1
    # It can still be completed and cancelled.
    assert [one.id for one in await callbacks.find_endpoints(database)] == ["PK"]


async def test_nothing_is_done_that_is_not_written_down(database: Database) -> None:
    async with integrating() as integrator, sending(database, Moved()) as sender:
        await told(database, integrator.url)
        await happens(database, "a")
        await turn(sender)
    async with database.write() as connection:
        refuse = "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        await connection.execute(text(refuse))
    async with client_of(make_app(database)) as client:
        wanted = {"url": "https://crm.test/told"}
        for failed in (
            await client.post("/api/v1/callbacks", json=wanted),
            await client.delete("/api/v1/callbacks/one"),
            await client.post("/api/v1/callbacks/one/deliveries/1/replay"),
        ):
            assert failed.status_code == 500
    assert [one.id for one in await callbacks.find_endpoints(database)] == ["one"]
    assert await outcomes(database) == ["delivered"]


async def test_two_monitors_deliver_once(database: Database) -> None:
    clock = Moved()
    async with (
        integrating() as integrator,
        sending(database, clock) as one,
        sending(database, clock) as other,
    ):
        await told(database, integrator.url)
        await happens(database, *"abcdef")
        await asyncio.gather(turn(one), turn(other))
        await asyncio.gather(turn(one), turn(other))
        ids = [one.headers["webhook-id"] for one in integrator.received]
    assert ids == [f"event-{number}" for number in range(1, 7)]


async def test_what_a_monitor_had_under_way_survives_its_end(database: Database) -> None:
    clock = Moved()
    async with integrating(None) as integrator:
        await told(database, integrator.url)
        await happens(database, "a")
        async with sending(database, clock) as sender:
            await sender.begin()
            await integrator.asked.wait()
        assert await outcomes(database) == [None]
        clock.on(60)
        async with sending(database, clock) as sender:
            await turn(sender)
        assert len(integrator.received) == 2
    assert await outcomes(database) == ["delivered"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"])
async def test_private_addresses_can_be_refused(database: Database, host: str) -> None:
    async with integrating() as integrator:
        async with sending(database, Moved(), private="refuse") as sender:
            await told(database, f"http://{host}:{integrator.port}/")
            await happens(database, "a")
            await turn(sender)
        assert integrator.received == []
    (row,) = await rows(database, callback_deliveries)
    assert "callbacks.private_addresses" in row["last_error"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("ff0e::1", False),
        ("fec0::1", False),
        ("::ffff:127.0.0.1", False),
        # IPv4 within IPv6: a translator (RFC 6052) or a relay (RFC 3056) leads back.
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::101:101", True),
        ("2002:7f00:1::", False),
        ("2002:101:101::", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert callbacks_sender.is_public(address) is public


async def test_a_running_monitor_tells_at_once(database: Database) -> None:
    async with integrating() as integrator, serving(database):
        await told(database, integrator.url)
        await happens(database, "a")
        async with asyncio.timeout(20):
            await integrator.asked.wait()
        assert json.loads(integrator.received[0].body)["type"] == "transaction.created"


async def test_endpoints_are_added_listed_and_removed(database: Database) -> None:
    async with client_of(make_app(database)) as client:
        wanted = {"url": "https://crm.test/told", "types": ["transaction.ended"]}
        added = await client.post("/api/v1/callbacks", json=wanted)
        assert added.status_code == 201
        made = added.json()
        assert made.pop("secret").startswith("whsec_")
        assert made.items() >= wanted.items()
        listed = (await client.get("/api/v1/callbacks")).json()
        assert listed == {"items": [made]}
        assert (await client.delete(f"/api/v1/callbacks/{made['id']}")).status_code == 204
        assert (await client.delete(f"/api/v1/callbacks/{made['id']}")).status_code == 404
        assert (await client.get("/api/v1/callbacks")).json() == {"items": []}
    acts = [row.action for row in await find_audit(database)]
    assert acts == ["callback.removed", "callback.added"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "/told"},
        {"url": "ftp://crm.test/told"},
        {"url": "https://user:secret@crm.test/"},
        {"url": "https://"},
        {"url": "http://[::1/"},
        {"url": "http://a b/"},
        {"url": "http://crm.test/\x00"},
        {"url": "https://crm.test/", "types": ["explosion"]},
        {"url": "https://crm.test/", "secret": "mine"},
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused(database: Database, wrong: Any) -> None:
    async with client_of(make_app(database)) as client:
        assert (await client.post("/api/v1/callbacks", json=wrong)).status_code == 400


async def test_the_log_is_read_and_an_event_sent_again(database: Database) -> None:
    clock = Moved()
    clock.at = NOON
    async with integrating() as integrator, sending(database, clock) as sender:
        await told(database, integrator.url)
        await happens(database, "a")
        await turn(sender)
        async with client_of(make_app(database)) as client:
            address = "/api/v1/callbacks/one/deliveries"
            (first,) = (await client.get(address)).json()["items"]
            assert (first["outcome"], first["attempts"]) == ("delivered", 1)
            again = await client.post(f"{address}/{first['id']}/replay")
            assert (again.status_code, again.json()["replay"]) == (202, 1)
            for nothing in ("99", "x", "%00"):
                answer = await client.post(f"{address}/{nothing}/replay")
                assert answer.status_code == 404
            assert (await client.get("/api/v1/callbacks/two/deliveries")).status_code == 404
        await turn(sender)
        ids = [one.headers["webhook-id"] for one in integrator.received]
    assert ids == ["event-1", "event-1"]


def forms(integrator: Integrator) -> list[dict[str, str]]:
    fixed = {"AccountSid", "CallSid", "Sid", "PaymentMethod", "DateUpdated", "DateCreated"}
    found = []
    for one in integrator.received:
        form = {name: value[0] for name, value in parse_qs(one.body.decode()).items()}
        assert {"AccountSid", "CallSid", "Sid", "PaymentMethod"} <= form.keys()
        found.append({name: value for name, value in form.items() if name not in fixed})
    return found


async def test_a_payment_session_is_told_in_its_own_words(database: Database) -> None:
    payment = {
        "sid": "PK", "account_sid": "AC", "call_sid": "call-a",
        "payment_connector": "Default", "charge_amount": "100.00",
    }  # fmt: skip
    teller = Teller("a").call_begins().begins()
    await owe(database, "debt-a")
    await record(database, *teller.identified("debt-a", 10_000).take())
    async with integrating() as integrator, sending(database, Moved()) as sender:
        await told(database, integrator.url, "PK", transaction_id="tx-a", payment=payment)
        number, code = Step.CARD_NUMBER, Step.SECURITY_CODE
        teller.says(EventType.CAPTURE_STARTED)
        teller.says(EventType.PROMPT_PLAYED, number, prompt="card")
        teller.enters(number)
        teller.says(EventType.ENTRY_PROGRESS, number, digits=4, brand="visa")
        teller.errs(number, EntryError.LUHN_FAILED)
        teller.says(EventType.ENTRY_ACCEPTED, number, digits=16, brand="visa", attempt=2)
        teller.says(EventType.ENTRY_ACCEPTED, Step.EXPIRATION_DATE, digits=4, attempt=1)
        teller.says(EventType.ENTRY_ACCEPTED, code, digits=3, attempt=1)
        teller.enters(code)
        await record(database, *teller.take())
        await charge(database, teller, "debt-a", 10_000)
        await record(database, *teller.ends(Result.SUCCESS).take())
        await turn(sender)
        for one in integrator.received:
            # The library goes on to read JSON, which a form is not.
            with pytest.raises(json.JSONDecodeError):
                Webhook(SECRET).verify(one.body, one.headers)
        said = forms(integrator)
    card, expiry = "payment-card-number", "expiration-date"
    everything = f"{card},{expiry},security-code"
    assert said == [
        {"PaymentConnector": "Default", "ChargeAmount": "100.00"},
        {"Capture": card, "Required": everything},
        {"Capture": card, "Required": everything, "PartialResult": "true",
         "PaymentCardNumber": "xxxx", "PaymentCardType": "visa"},
        {"Capture": card, "Required": everything,
         "ErrorType": "invalid-card-number", "Attempt": "1"},
        {"Capture": card, "Required": f"{expiry},security-code",
         "PaymentCardNumber": "x" * 16, "PaymentCardType": "visa"},
        {"Capture": expiry, "Required": "security-code", "ExpirationDate": "xxxx"},
        {"Capture": "security-code", "SecurityCode": "xxx"},
        {"Capture": "security-code", "Required": "security-code"},
        {"Result": "success", "PaymentCardNumber": "x" * 12 + "4242",
         "PaymentCardType": "visa", "PaymentConfirmationCode": "pi_1"},
    ]  # fmt: skip


async def test_the_address_that_was_looked_at_is_called_by_its_name(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked_up(_url: httpx.URL) -> str:
        return "127.0.0.1"

    monkeypatch.setattr(callbacks_sender, "_public_address", looked_up)
    async with (
        integrating() as integrator,
        sending(database, Moved(), private="refuse") as sender,
    ):
        await told(database, f"http://crm.test:{integrator.port}/told")
        await happens(database, "a")
        await turn(sender)
        (got,) = integrator.received
    assert (got.path, got.headers["host"]) == ("/told", f"crm.test:{integrator.port}")
