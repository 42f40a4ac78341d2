"""A prepared transaction is found by its token or code, once, by one call, in time."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.ledger import preparations as module
from ivr.ledger.database import Database
from ivr.ledger.debts import Debt, find_debt, read_debt
from ivr.ledger.details import Direction, EventDetail
from ivr.ledger.events import Event, call_started
from ivr.ledger.preparations import Preparation, cancel, claim, expire
from ivr.ledger.preparing import (
    Codes,
    NewPreparation,
    NotPreparedError,
    Prepared,
    prepare,
)
from ivr.ledger.tables import debts, events, transactions
from ivr.ledger.tables_agents import preparations
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import AttemptState, EventType, Result
from tests.ledger.stage import REFERENCE, Stage, rows, types

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
FREE = NewPreparation(owner_id="anna", language="fr", amount=4_200, currency="EUR")
KNOWN = NewPreparation(owner_id="anna", language="en", reference=REFERENCE)
LATER = timedelta(minutes=15)


def at(seconds: float = 0) -> Any:
    return lambda: AT + timedelta(seconds=seconds)


async def prepared(
    database: Database, new: NewPreparation = FREE, codes: Codes | None = None
) -> Prepared:
    async with database.write() as connection:
        return await prepare(connection, AT, new, codes or Codes())


async def cancelled(database: Database, made: Prepared) -> bool:
    async with database.write() as connection:
        return await cancel(connection, AT, made.transaction_id, Result.CANCELLED_BY_AGENT)


async def transaction(database: Database) -> dict[str, Any]:
    (row,) = await rows(database, transactions)
    return row


class Node:
    """A node on which calls come for a prepared transaction, and end."""

    def __init__(self, database: Database) -> None:
        self.writer = LedgerWriter(database, "north", at())

    async def call(self, made: Prepared, name: str, seconds: float) -> None:
        moment = at(seconds)()
        self.writer.record(
            call_started(
                name,
                moment,
                direction=Direction.INBOUND,
                caller="+33123456789",
                called="7912345678",
                sip_call_id="x",
            )
        )
        by = EventDetail(reason="by-uri")
        kind = EventType.TRANSACTION_TRANSFERRED
        self.writer.record(Event(kind, moment, name, made.transaction_id, detail=by))
        await self.writer.flush()

    async def hang_up(self, name: str, seconds: float) -> None:
        gone = EventDetail(reason="transferred")
        self.writer.record(Event(EventType.CALL_ENDED, at(seconds)(), name, detail=gone))
        await self.writer.flush()


async def test_a_free_amount_makes_a_debt(database: Database) -> None:
    made = await prepared(database, replace(FREE, debtor="Jeanne Martin"))
    (debt,) = await rows(database, debts)
    assert (debt["amount"], debt["currency"], debt["debtor"]) == (4_200, "EUR", "Jeanne Martin")
    assert re.fullmatch("[0-9]{8}", debt["reference"])
    row = await transaction(database)
    assert (row["id"], row["debt_id"]) == (made.transaction_id, debt["id"])
    assert (row["owner_id"], row["channel"], row["call_id"]) == ("anna", "agent", None)
    assert (row["amount_due"], row["currency"], row["language"]) == (4_200, "EUR", "fr")


async def test_what_is_prepared_is_told_as_events_of_the_monitor(database: Database) -> None:
    await prepared(database)
    assert await types(database) == ["transaction.created", "transaction.identified"]
    assert {row["node"] for row in await rows(database, events)} == {"monitor"}


async def test_a_known_reference_is_that_debt(database: Database) -> None:
    debt = await Stage(database).owe(12_050)
    await prepared(database, KNOWN)
    row = await transaction(database)
    assert (row["debt_id"], row["amount_due"]) == (debt.id, 12_050)
    assert len(await rows(database, debts)) == 1


async def test_a_new_reference_is_kept(database: Database) -> None:
    await prepared(database, replace(FREE, reference="87654321"))
    (debt,) = await rows(database, debts)
    assert debt["reference"] == "87654321"


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"amount": 12_051}, "amount", "more-than-owed"),
        ({"currency": "USD"}, "currency", "other-currency"),
        ({"reference": "99999999"}, "amount", "debt-unknown"),
        ({"reference": "99999999", "amount": 5}, "amount", "debt-unknown"),
        ({"reference": "12", "amount": 5, "currency": "EUR"}, "reference", "wrong-fields"),
    ],
)
async def test_what_cannot_be_paid_is_refused_and_nothing_written(
    database: Database, wrong: dict[str, Any], field: str, code: str
) -> None:
    await Stage(database).owe(12_050)
    with pytest.raises(NotPreparedError) as refused:
        await prepared(database, replace(KNOWN, **wrong))
    assert (refused.value.field, refused.value.code) == (field, code)
    assert await rows(database, transactions) == []
    assert len(await rows(database, debts)) == 1


async def test_nothing_is_prepared_where_a_payment_is_open_or_all_is_paid(
    database: Database,
) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("one", debt)
    attempt = await stage.begin("one", debt)
    with pytest.raises(NotPreparedError, match="not decided yet") as refused:
        await prepared(database, KNOWN)
    assert refused.value.code == "payment-undecided"
    await stage.writer.finish_attempt(attempt.key, state=AttemptState.SUCCEEDED)
    with pytest.raises(NotPreparedError, match="Nothing is outstanding") as refused:
        await prepared(database, KNOWN)
    assert refused.value.code == "nothing-owed"


async def test_the_secrets_are_hopeless_to_guess(database: Database) -> None:
    made = [await prepared(database) for _ in range(20)]
    assert len({one.token for one in made}) == 20
    for one in made:
        assert re.fullmatch("[a-p]{32}", one.token)
        assert re.fullmatch("[0-9]{8}", one.code)


async def test_no_two_open_ones_have_the_same_code(database: Database) -> None:
    # Of ten codes eight are drawn.
    made = [await prepared(database, codes=Codes(digits=1)) for _ in range(8)]
    assert len({one.code for one in made}) == 8


async def test_codes_that_are_all_in_use_are_a_clear_refusal(database: Database) -> None:
    await prepared(database, codes=Codes(digits=0))
    with pytest.raises(NotPreparedError, match=r"transfer\.code_digits"):
        await prepared(database, codes=Codes(digits=0))


@pytest.mark.parametrize("key", ["token", "code"])
async def test_a_call_claims_it_once(database: Database, key: str) -> None:
    new = replace(FREE, agent_phone="sip:anna@pbx", afterwards="agent", mode="stay")
    made = await prepared(database, new)
    given = {key: getattr(made, key)}
    claimed = await claim(database, at(10), call_id="call-one", **given)
    debt = await find_debt(database, (await rows(database, debts))[0]["reference"])
    assert debt is not None
    assert debt.outstanding == 4_200
    assert claimed == Preparation(
        transaction_id=made.transaction_id,
        owner_id="anna",
        debt=debt,
        amount=4_200,
        currency="EUR",
        language="fr",
        agent_phone="sip:anna@pbx",
        afterwards="agent",
        mode="stay",
        offers=("all",),
        reused=False,
    )
    assert await claim(database, at(11), call_id="call-two", **given) is None


async def test_of_many_calls_at_once_one_claims_it(database: Database) -> None:
    made = await prepared(database)
    claims = await asyncio.gather(
        *(claim(database, at(1), call_id=f"call-{n}", token=made.token) for n in range(5)),
        *(claim(database, at(1), call_id=f"call-{n}", code=made.code) for n in range(5)),
    )
    assert sum(one is not None for one in claims) == 1


async def test_a_claim_and_a_cancellation_at_once_never_both_win(database: Database) -> None:
    for _ in range(5):
        made = await prepared(database)
        claimed, gone = await asyncio.gather(
            claim(database, at(1), call_id="call-one", token=made.token),
            cancelled(database, made),
        )
        assert (claimed is None) == gone


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"token": ""},
        {"token": "a" * 32},
        {"token": "\0"},
        {"token": "é" * 32},
        {"code": "1234"},
        {"code": "4242424242424242"},
        {"code": "١٢٣٤٥٦٧٨"},
    ],
)
async def test_what_was_never_prepared_is_not_found(
    database: Database, given: dict[str, str]
) -> None:
    await prepared(database)
    assert await claim(database, at(1), call_id="call-one", **given) is None


async def test_the_amount_is_never_more_than_what_is_left(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe(12_050)
    made = await prepared(database, KNOWN)
    stage.identify("one", debt)
    attempt = await stage.begin("one", debt, amount=12_000)
    await stage.writer.finish_attempt(attempt.key, state=AttemptState.SUCCEEDED)
    claimed = await claim(database, at(1), call_id="call-one", token=made.token)
    assert claimed is not None
    assert claimed.amount == 50


async def test_after_it_was_taken_back_it_is_handed_over_again(database: Database) -> None:
    node, made = Node(database), await prepared(database)
    assert await claim(database, at(1), call_id="call-one", token=made.token)
    await node.call(made, "call-one", 1)
    assert await claim(database, at(2), call_id="call-two", token=made.token) is None
    await node.hang_up("call-one", 30)
    both = await asyncio.gather(
        claim(database, at(40), call_id="call-two", token=made.token),
        claim(database, at(40), call_id="call-three", code=made.code),
    )
    (again,) = [one for one in both if one is not None]
    assert again.reused
    # Its call is only arriving.
    assert await claim(database, at(41), call_id="call-four", code=made.code) is None
    await node.call(made, "call-two", 40)
    assert (await transaction(database))["call_id"] == "call-two"
    assert await claim(database, at(50), call_id="call-four", code=made.code) is None
    await node.hang_up("call-two", 60)
    assert await claim(database, at(899), call_id="call-four", code=made.code)


async def test_an_ended_transaction_is_never_handed_over_again(database: Database) -> None:
    node, made = Node(database), await prepared(database)
    await claim(database, at(1), call_id="call-one", token=made.token)
    await node.call(made, "call-one", 1)
    node.writer.record(
        Event(
            EventType.TRANSACTION_ENDED,
            at(20)(),
            "call-one",
            made.transaction_id,
            detail=EventDetail(result=Result.SUCCESS),
        )
    )
    await node.hang_up("call-one", 30)
    assert await claim(database, at(40), call_id="call-two", token=made.token) is None


async def test_who_prepared_it_cancels_it(database: Database) -> None:
    made = await prepared(database)
    assert await cancelled(database, made)
    assert not await cancelled(database, made)
    row = await transaction(database)
    assert (row["result"], row["ended_at"]) == ("cancelled-by-agent", AT)
    assert await claim(database, at(1), call_id="call-one", code=made.code) is None


async def test_one_that_a_call_has_used_is_not_cancelled(database: Database) -> None:
    made = await prepared(database)
    await claim(database, at(1), call_id="call-one", token=made.token)
    assert not await cancelled(database, made)
    assert (await transaction(database))["result"] is None


async def test_nobody_comes_for_it_in_time(database: Database) -> None:
    made = await prepared(database)
    assert await expire(database, at(899)) == 0
    assert await claim(database, at(900), call_id="call-one", token=made.token) is None
    both = await asyncio.gather(expire(database, at(900)), expire(database, at(900)))
    assert sorted(both) == [0, 1]
    row = await transaction(database)
    assert (row["result"], row["ended_at"]) == ("expired", AT + LATER)
    assert (await types(database))[-1] == "transaction.ended"


async def test_a_live_call_is_left_alone_and_one_taken_back_is_the_agents(
    database: Database,
) -> None:
    node, made = Node(database), await prepared(database)
    await claim(database, at(1), call_id="call-one", token=made.token)
    await node.call(made, "call-one", 1)
    assert await expire(database, at(900)) == 0
    await node.hang_up("call-one", 901)
    assert await expire(database, at(902)) == 1
    assert (await transaction(database))["result"] == "transferred-to-agent"


async def test_a_second_call_and_the_end_of_its_time_never_both_win(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, made = Node(database), await prepared(database)
    await claim(database, at(1), call_id="call-one", token=made.token)
    await node.call(made, "call-one", 1)
    await node.hang_up("call-one", 2)
    expiring: list[asyncio.Task[int]] = []

    async def meanwhile(connection: AsyncConnection, which: ColumnElement[bool]) -> Debt | None:
        # The claim is written and not committed; the monitor's clock is a little ahead.
        expiring.append(asyncio.create_task(expire(database, at(901))))
        while database.dialect == "postgresql" and not expiring[0].done():
            async with database.read() as other:
                if (
                    await other.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))
                ).all():
                    break
        return await read_debt(connection, which)

    monkeypatch.setattr(module, "read_debt", meanwhile)
    assert await claim(database, at(899), call_id="again", token=made.token)
    assert await expiring[0] == 0
    assert (await transaction(database))["ended_at"] is None


@pytest.mark.parametrize("calls_before", [0, 1])
async def test_one_whose_call_was_lost_with_its_node_does_not_stay_open(
    database: Database, calls_before: int
) -> None:
    node, made = Node(database), await prepared(database)
    if calls_before:
        await claim(database, at(1), call_id="call-one", token=made.token)
        await node.call(made, "call-one", 1)
        await node.hang_up("call-one", 30)
    # The node dies before it has written that the call came.
    assert await claim(database, at(800), call_id="call-two", token=made.token)
    assert await expire(database, at(900 + 600)) == 0
    assert await expire(database, at(800 + 3600)) == 1
    assert (await transaction(database))["result"] == "internal-error"


async def test_money_that_was_taken_is_not_forgotten_when_it_expires(
    database: Database,
) -> None:
    stage, node = Stage(database), Node(database)
    debt = await stage.owe()
    made = await prepared(database, KNOWN)
    await claim(database, at(1), call_id="call-one", token=made.token)
    await node.call(made, "call-one", 1)
    attempt = await stage.writer.begin_attempt(
        transaction_id=made.transaction_id,
        debt_id=debt.id,
        call_id="call-one",
        key="once",
        gateway="sandbox",
        amount=12_050,
        currency="EUR",
    )
    await stage.writer.finish_attempt(attempt.key, state=AttemptState.SUCCEEDED)
    await node.hang_up("call-one", 901)
    await expire(database, at(902))
    assert (await transaction(database))["result"] == "success"


async def test_a_code_is_free_again_once_its_transaction_has_ended(database: Database) -> None:
    made = await prepared(database)
    await claim(database, at(1), call_id="call-one", token=made.token)
    async with database.write() as connection:
        await connection.execute(update(transactions).values(ended_at=AT))
    second = await prepared(database)
    async with database.write() as connection:
        await connection.execute(
            update(preparations)
            .where(preparations.c.transaction_id == second.transaction_id)
            .values(code=made.code)
        )
    claimed = await claim(database, at(2), call_id="call-two", code=made.code)
    assert claimed is not None
    assert claimed.transaction_id == second.transaction_id
